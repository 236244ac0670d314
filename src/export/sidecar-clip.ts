/** How a clip for an exported file is made from a video, as data and as sentences: what the decoder of this program does. */
import type { FrameSize } from '../core/frame-size.ts'
import type { TestSampling } from '../inference/views.ts'

/** What a clip of an exported file looks like. */
export interface ClipOfFile {
  readonly frames: number
  readonly size: FrameSize
  /** Null where it is not recorded. */
  readonly sampling: TestSampling | null
  readonly input: 'uint8' | 'float32'
  readonly mean: readonly number[]
  readonly std: readonly number[]
  /** What is made of several views of a video, one sentence. Default: what a classifier does. */
  readonly together?: string
}

export interface SidecarClip {
  /** Frames of a clip. */
  readonly frames: number
  /** Which frames of a video; null where it is not recorded. One view: the middle of the video. */
  readonly sampling: {
    readonly kind: TestSampling['kind']
    /** Positions from one frame to the next. Null for segments. */
    readonly stride: number | null
    /** Positions per second of video; null: every frame is a position. */
    readonly fps: number | null
    /** Seconds from the first frame to the end of the last one; null where it depends on the video. */
    readonly seconds: number | null
    readonly positions: string
    readonly rule: string
    /** How several clips of one video are taken and put together. */
    readonly views: string
  } | null
  readonly orientation: string
  readonly resize: (
    | { readonly kind: 'cover' }
    | { readonly kind: 'short-edge'; readonly pixels: number }
    | { readonly kind: 'exact'; readonly height: number; readonly width: number }
  ) & { readonly filter: string; readonly rule: string }
  readonly crop: { readonly kind: 'center'; readonly height: number; readonly width: number; readonly rule: string }
  readonly pixels: {
    readonly colorOrder: 'RGB'
    readonly range: readonly [0, 255]
    /** Who computes `rule`: the file itself, or the program that feeds it. */
    readonly normalizedBy: 'file' | 'caller'
    readonly mean: readonly number[]
    readonly std: readonly number[]
    readonly rule: string
  }
}

export function sidecarClip({
  frames,
  size,
  sampling,
  input,
  mean,
  std,
  together = ofClassifier,
}: ClipOfFile): SidecarClip {
  const { height, width } = size
  return {
    frames,
    sampling: sampling === null ? null : samplingOf(sampling, frames, together),
    orientation: 'Pictures are rotated as the file says for display. The pixel aspect ratio is not applied.',
    resize: resizeOf(size),
    crop: {
      kind: 'center',
      height,
      width,
      rule: `Left edge: floor((scaled width - ${width}) / 2). Top edge: floor((scaled height - ${height}) / 2).`,
    },
    pixels: {
      colorOrder: 'RGB',
      range: [0, 255],
      normalizedBy: input === 'uint8' ? 'file' : 'caller',
      mean,
      std,
      rule: '(byte / 255 - mean[channel]) / std[channel]',
    },
  }
}

const ofClassifier = 'A classifier takes the mean of the probabilities of its views.'

/** What `temporalViews` and `createTimeline` do. */
function samplingOf({ kind, stride, fps }: TestSampling, frames: number, together: string): SidecarClip['sampling'] {
  const positions =
    fps === null
      ? 'Positions are the frames of the video in display order.'
      : `The video has n = max(1, floor(seconds * ${fps} + 0.1)) positions. Position j shows the last frame that begins at j / ${fps} seconds or earlier, up to 0.001 s later.`
  if (kind === 'segments')
    return {
      ...{ kind, stride: null, fps, seconds: null, positions },
      rule: `Frame i is position min(n - 1, floor(i * (n / ${frames}))) of n.`,
      views: `View k of K: frame i is position min(n - 1, floor(k * (n / ${frames}) / K + i * (n / ${frames}))). ${together}`,
    }
  return {
    ...{ kind, stride, fps, seconds: fps === null ? null : (frames * stride) / fps, positions },
    rule: `List the positions 0, ${stride}, ${2 * stride}, ... below n. Repeat the last one until there are ${frames}. Of these m, take ${frames} in a row from number floor((m - ${frames}) / 2).`,
    views: `View k of K begins at number floor(k * (m - ${frames}) / (K - 1)). ${together}`,
  }
}

const filter = 'bilinear; when it scales down, the filter is widened by the factor, against aliasing'

/** What `alongCrop` does in the middle. */
function resizeOf({ height, width, resize }: FrameSize): SidecarClip['resize'] {
  const sides = `To floor(w * r + 1e-9) x floor(h * r + 1e-9) pixels for a picture of w x h, but at least ${width} x ${height}`
  const cover = `${width} / w, ${height} / h`
  if (resize === undefined) return { kind: 'cover', filter, rule: `${sides}. r = max(${cover}).` }
  if ('shortEdge' in resize) {
    const { shortEdge } = resize
    return {
      kind: 'short-edge',
      pixels: shortEdge,
      filter,
      rule: `${sides}. r = max(${cover}, ${shortEdge} / min(w, h)).`,
    }
  }
  const exact = { height: Math.max(height, resize.height), width: Math.max(width, resize.width) }
  return {
    kind: 'exact',
    ...exact,
    filter,
    rule: `To ${exact.width} x ${exact.height} pixels; proportions may change.`,
  }
}
