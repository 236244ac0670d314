/**
 * The frames of videos at a small size, decoded once: learners that are trained from pixels read them again and again, for
 * hundreds of partitions. They stay on disk, so memory does not grow with the data.
 */
import type { FrameSize } from '../../../core/frame-size.ts'
import type { EncoderWeights } from '../../../inference/encoder-source.ts'
import type { FeatureStore } from '../../../inference/feature-store.ts'
import { type TestSampling, temporalViews } from '../../../inference/views.ts'
import { frameSize } from '../../../model/configuration.ts'
import { clipBytes, readClip } from '../../../video/clip.ts'
import type { LoadedVideo } from '../../../video/load-clips.ts'
import type { ClipReader } from '../../../video/pool.ts'
import type { Decoder, Geometry, Size, VideoEntry } from '../../../video/types.ts'
import { type ClipStoreOptions, storeClips } from '../clip-store.ts'
import { addNoise, type Content } from './video-set.ts'

/** Stored frames are this much larger than what a model sees, so that crops of them keep their sharpness. */
const margin = 1.25
/** Stored frames for each frame of a clip: what random starts choose from. */
const reserve = 4

/** Sampling of stored frames: they are as far apart as the frames of a clip already. */
export function storedSampling({ kind }: TestSampling): TestSampling {
  return { kind, stride: 1, fps: null }
}

/**
 * Stores the middle of every video: four times the frames of a clip, as far apart as the encoder takes them, the middle
 * of the picture in the proportions of the encoder's frames.
 */
export async function openFrames<Video extends VideoEntry & { readonly digest: string | null }>(
  { configuration, sampling }: Pick<EncoderWeights, 'configuration' | 'sampling'>,
  videos: readonly Video[],
  options: ClipStoreOptions,
) {
  const { height, width, resize } = frameSize(configuration)
  const stored = (side: number): number => Math.ceil((side * margin) / 2) * 2
  // A picture that a model wants squeezed is stored so: its proportions are gone here, and a crop of it has none to lose.
  const squeezed = resize !== undefined && 'height' in resize
  const size: FrameSize = {
    height: stored(height),
    width: stored(width),
    ...(squeezed ? { resize: { height: stored(height), width: stored(width) } } : {}),
  }
  const frames = reserve * configuration.frames
  const bytes = frames * size.height * size.width * 3
  const kind = {
    // One number for a square, as stores of earlier versions have it.
    key: {
      frames,
      size: size.height === size.width && !squeezed ? size.height : size,
      sampling,
      content: 'RGB bytes of frames, four to a value',
    },
    samplings: temporalViews(sampling, frames, 1),
    size,
    width: bytes / 4,
    rowOf: (clip: Uint8Array) => new Float32Array(clip.slice().buffer),
  }
  const { store, ...read } = await storeClips(videos, kind, options)
  return { frames: new FrameStore(store, frames, size), ...read }
}

/** Stored frames, and clips cut out of them. */
export class FrameStore {
  private readonly store: FeatureStore
  private readonly frames: number
  private readonly size: Size

  /** Names everything that stored frames depend on next to the videos. */
  get id(): string {
    return this.store.id
  }

  /** @param size of a stored frame */
  constructor(store: FeatureStore, frames: number, size: Size) {
    this.store = store
    this.frames = frames
    this.size = size
  }

  /**
   * Answers the requests of a loader whose entries have as path a key of `contents`.
   *
   * @param contents by the path of their entry
   */
  reader(contents: ReadonlyMap<string, Content>): ClipReader {
    const decoder = this.decoder(contents)
    return {
      restarts: 0,
      processIds: () => [],
      close: async () => {},
      read: async (request, target = new Uint8Array(clipBytes(request))) => ({
        ok: true,
        result: await readClip(decoder, request, target),
        clips: target,
      }),
    }
  }

  /** The middle clip of each content, as `loadClips` gives it for a video. */
  async *middleClips(
    contents: readonly Content[],
    { configuration, sampling }: Pick<EncoderWeights, 'configuration' | 'sampling'>,
  ): AsyncGenerator<LoadedVideo, void, undefined> {
    const [middle] = temporalViews(sampling, configuration.frames, 1)
    const reader = this.reader(new Map(contents.map((content, i) => [String(i), content])))
    for (const index of contents.keys()) {
      const entry = { path: String(index), id: String(index) }
      const request = {
        entry,
        sampling: middle,
        crops: [{ kind: 'center' as const }],
        output: frameSize(configuration),
        key: [],
      }
      const outcome = await reader.read(request)
      yield outcome.ok
        ? { index, entry, ok: true, clips: outcome.clips, views: outcome.result.views }
        : { index, entry, ok: false, ...outcome.failure }
    }
  }

  /** The frames of a content, uint8 [length][height][width][3]; what a short video repeats at its end is left out. */
  private async framesOf(content: Content): Promise<Uint8Array> {
    const pixels = new Uint8Array((await this.store.read(content.key)).buffer)
    const bytes = this.size.height * this.size.width * 3
    let length = this.frames
    const frame = (i: number) => Buffer.from(pixels.buffer, i * bytes, bytes)
    while (length > 1 && frame(length - 1).equals(frame(length - 2))) length--
    const shown = pixels.subarray(0, length * bytes)
    // Noise of deviation 1 is a quarter of the range of colors: features of unit size are of the order of 1, too.
    if (content.noise !== null) addNoise(new Uint8ClampedArray(shown.buffer, 0, shown.length), content, 64)
    return shown
  }

  private decoder(contents: ReadonlyMap<string, Content>): Decoder {
    const { height, width } = this.size
    const frameBytes = height * width * 3
    return {
      name: 'node-av',
      describe: () => 'stored frames',
      open: async (path) => {
        const pixels = await this.framesOf(contents.get(path)!)
        const length = pixels.length / frameBytes
        const times = { times: Float64Array.from({ length }, (_, i) => i), source: 'decoded' as const }
        return {
          info: {
            path,
            width,
            height,
            container: 'stored',
            codec: 'stored',
            pixelFormat: 'rgb24',
            fps: 1,
            duration: length,
            rotation: 0,
            mirrored: false,
            bytes: pixels.length,
          },
          frameTimes: async () => times,
          decodedFrameTimes: async () => times,
          async decode(frames, geometries, output, out) {
            const bytes = output.width * output.height * 3
            for (const [g, geometry] of geometries.entries()) {
              for (const [f, index] of frames.entries()) {
                const from = pixels.subarray(index * frameBytes, (index + 1) * frameBytes)
                resample(from, { height, width }, geometry, output, out.subarray((g * frames.length + f) * bytes))
              }
            }
            return { decoded: frames.length, used: new Set(frames).size }
          },
          close() {},
        }
      },
    }
  }
}

/**
 * One frame through a geometry, bilinear between pixel centers.
 *
 * @param from uint8 [size.height, size.width, 3]
 * @param to uint8 [output.height, output.width, 3], written
 */
export function resample(from: Uint8Array, size: Size, geometry: Geometry, output: Size, to: Uint8Array): void {
  const { crop, scale, window = { x: 0, y: 0 }, flip } = geometry
  const samplesOf = (side: number, length: number, start: number, cut: number, scaled: number, offset: number) =>
    Array.from({ length }, (_, i) => {
      const at = Math.min(Math.max(start + ((i + offset + 0.5) * cut) / scaled - 0.5, start), start + cut - 1)
      const low = Math.min(Math.floor(at), side - 1)
      return { low, high: Math.min(low + 1, start + cut - 1, side - 1), share: at - low }
    })
  const rows = samplesOf(size.height, output.height, crop.y, crop.height, scale.height, window.y)
  const columns = samplesOf(size.width, output.width, crop.x, crop.width, scale.width, window.x)
  if (flip) columns.reverse()
  let at = 0
  for (const row of rows) {
    for (const column of columns) {
      const corners = [
        (row.low * size.width + column.low) * 3,
        (row.low * size.width + column.high) * 3,
        (row.high * size.width + column.low) * 3,
        (row.high * size.width + column.high) * 3,
      ]
      for (let c = 0; c < 3; c++) {
        const top = from[corners[0] + c] * (1 - column.share) + from[corners[1] + c] * column.share
        const bottom = from[corners[2] + c] * (1 - column.share) + from[corners[3] + c] * column.share
        to[at++] = top * (1 - row.share) + bottom * row.share + 0.5
      }
    }
  }
}
