import { AV_BUFFERSRC_FLAG_KEEP_REF, type AVPixelFormat } from 'node-av/constants'
import { avGetPixFmtName, Filter, type FilterContext, FilterGraph, FilterInOut, Frame } from 'node-av/lib'
import { VideoMaeError } from '../../core/errors.ts'
import { cropChain, type OutputPixels } from '../filters.ts'
import type { Orientation } from '../orientation.ts'
import type { Geometry, Size } from '../types.ts'
import { reason } from './input.ts'

interface Graph {
  readonly graph: FilterGraph
  readonly source: FilterContext
  readonly sink: FilterContext
}

function ensure(code: number, what: string): void {
  if (code < 0) {
    throw new VideoMaeError(`Expected ${what} to succeed, but it failed: ${reason(code)}.`, {
      code: 'VIDEO_FILTER_FAILED',
      exit: 'internal',
    })
  }
}

/** Turns decoded frames into one crop at the target size, RGB24 unless told otherwise. Rebuilds its filter graph when the frames change their shape. */
export class PictureMaker {
  private readonly geometry: Geometry
  private readonly output: Size
  private readonly expected: Size
  private readonly orientation: Orientation
  private readonly pixels: OutputPixels | undefined
  private readonly made = new Frame()
  private current: Graph | undefined
  private currentKey = ''

  /** @param expected coded size that `geometry` was made for */
  constructor(geometry: Geometry, output: Size, expected: Size, orientation: Orientation, pixels?: OutputPixels) {
    this.geometry = geometry
    this.output = output
    this.expected = expected
    this.orientation = orientation
    this.pixels = pixels
    this.made.alloc()
  }

  /** Writes [height][width][3] bytes at `offset` of `out`. */
  write(frame: Frame, out: Uint8Array, offset: number): void {
    const made = this.make(frame)
    const data = made.data?.[0]
    const stride = made.linesize[0]
    const row = this.output.width * 3
    if (data === undefined) throw this.otherSize()
    if (stride === row) out.set(data.subarray(0, row * this.output.height), offset)
    else {
      for (let y = 0; y < this.output.height; y++)
        out.set(data.subarray(y * stride, y * stride + row), offset + y * row)
    }
    made.unref()
  }

  /** The picture as a frame of the library, which is valid until the next call; `unref` it when it is used. */
  make(frame: Frame): Frame {
    const { source, sink } = this.graphFor(frame)
    ensure(source.buffersrcAddFrameSync(frame, AV_BUFFERSRC_FLAG_KEEP_REF), 'feeding the crop')
    ensure(sink.buffersinkGetFrameSync(this.made), 'cropping and scaling')
    if (this.made.width !== this.output.width || this.made.height !== this.output.height) throw this.otherSize()
    return this.made
  }

  free(): void {
    this.current?.graph.free()
    this.current = undefined
    this.made.free()
  }

  private otherSize(): Error {
    return new VideoMaeError(
      `Expected a picture of ${this.output.width}x${this.output.height} but received ${this.made.width}x${this.made.height}.`,
      { code: 'VIDEO_FILTER_FAILED', exit: 'internal' },
    )
  }

  private graphFor(frame: Frame): Graph {
    const pixelFormat = avGetPixFmtName(frame.format as AVPixelFormat) ?? ''
    const size = { width: frame.width, height: frame.height, pixelFormat }
    const source =
      `video_size=${size.width}x${size.height}:pix_fmt=${frame.format}:time_base=1/1000:pixel_aspect=1/1` +
      `:colorspace=${frame.colorSpace}:range=${frame.colorRange}`
    if (this.current !== undefined && this.currentKey === source) return this.current
    this.current?.graph.free()
    this.current = buildGraph(
      source,
      cropChain(this.geometry, this.output, size, this.expected, this.orientation, this.pixels),
    )
    this.currentKey = source
    return this.current
  }
}

function buildGraph(sourceArguments: string, chain: string): Graph {
  const graph = new FilterGraph()
  graph.alloc()
  graph.nbThreads = 1
  const buffer = Filter.getByName('buffer')
  const buffersink = Filter.getByName('buffersink')
  const source = buffer && graph.createFilter(buffer, 'in', sourceArguments)
  const sink = buffersink && graph.createFilter(buffersink, 'out')
  if (!source || !sink) {
    graph.free()
    throw new VideoMaeError(`Expected a filter source for ${sourceArguments}, but libavfilter refused it.`, {
      code: 'VIDEO_FILTER_FAILED',
      exit: 'internal',
    })
  }
  const outputs = endpoint('in', source)
  const inputs = endpoint('out', sink)
  try {
    ensure(graph.parsePtr(chain, inputs, outputs), `the filter chain ${chain}`)
    ensure(graph.configSync(), `the filter chain ${chain}`)
    return { graph, source, sink }
  } catch (error) {
    graph.free()
    throw error
  } finally {
    inputs.free()
    outputs.free()
  }
}

function endpoint(name: string, filter: FilterContext): FilterInOut {
  const end = new FilterInOut()
  end.alloc()
  end.name = name
  end.filterCtx = filter
  end.padIdx = 0
  return end
}
