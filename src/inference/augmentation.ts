/**
 * Further clips of a video to train on: turned, slanted, moved, recolored, mirrored, cut or timed otherwise. They are fixed: each is a
 * function of the video alone, without random numbers, so that whoever changes one video changes the clips of no other.
 */
import { invalidArgument, requireDistinct } from '../core/errors.ts'
import type { FrameSize } from '../core/frame-size.ts'
import { brightness, color } from '../video/augment/color.ts'
import { type Affine, rotation, warpFrame } from '../video/augment/warp.ts'
import type { ClipView } from '../video/clip.ts'
import type { CropChoice } from '../video/crop.ts'
import type { ClipSampling } from '../video/sampling.ts'
import { augmentationKinds } from './augmentation-names.ts'
import { spatialViews, type TestSampling, temporalViews } from './views.ts'

export type AugmentationKind = (typeof augmentationKinds)[number]

const degrees = 10
const slant = 0.15
const distance = 0.05
const strength = 0.4

/** What is done to the pixels of a clip; plain data, so that it can be a part of a key. */
type PixelChange =
  | { readonly kind: 'rotate'; readonly degrees: number }
  | { readonly kind: 'shear'; readonly amount: number }
  /** Shares of width and height. */
  | { readonly kind: 'shift'; readonly x: number; readonly y: number }
  | { readonly kind: 'brightness'; readonly factor: number }
  | { readonly kind: 'color'; readonly factor: number }
  | { readonly kind: 'mirror' }

/** One clip of a video. */
interface Variant {
  readonly sampling: ClipSampling
  readonly crop: CropChoice
  readonly change: PixelChange | null
}

/** The clips of each video that are trained on: the middle one first. */
export interface AugmentationPlan {
  readonly variants: readonly Variant[]
  /** What has to be decoded: each sampling with each crop. */
  readonly samplings: readonly ClipSampling[]
  readonly crops: readonly CropChoice[]
}

const pixelChanges: Readonly<Partial<Record<AugmentationKind, readonly PixelChange[]>>> = {
  rotate: [degrees, -degrees].map((angle) => ({ kind: 'rotate', degrees: angle })),
  shear: [slant, -slant].map((amount) => ({ kind: 'shear', amount })),
  shift: (
    [
      [distance, 0],
      [-distance, 0],
      [0, distance],
      [0, -distance],
    ] as const
  ).map(([x, y]) => ({ kind: 'shift', x, y })),
  color: [
    { kind: 'brightness', factor: 1 - strength },
    { kind: 'brightness', factor: 1 + strength },
    { kind: 'color', factor: 0 },
  ],
  mirror: [{ kind: 'mirror' }],
}

/**
 * The clips of a video under these kinds of augmentation. The order in which the kinds are named does not matter.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for an unknown kind, one that is named twice, and `speed` where clips span the whole video
 */
export function planAugmentation(
  kinds: readonly AugmentationKind[],
  sampling: TestSampling,
  frames: number,
): AugmentationPlan {
  checkAugmentation(kinds)
  const [middle] = temporalViews(sampling, frames, 1)
  const [center] = spatialViews(1)
  const base = { sampling: middle, crop: center, change: null }
  const variants: Variant[] = [base]
  // In the order of the list above, so that one set of clips has one key.
  for (const kind of augmentationKinds) {
    if (!kinds.includes(kind)) continue
    for (const change of pixelChanges[kind] ?? []) variants.push({ ...base, change })
    if (kind === 'crop') for (const crop of ends(spatialViews(3))) variants.push({ ...base, crop })
    if (kind === 'time')
      for (const view of ends(temporalViews(sampling, frames, 3))) variants.push({ ...base, sampling: view })
    if (kind === 'speed')
      for (const other of otherSpeeds(sampling))
        variants.push({ ...base, sampling: temporalViews(other, frames, 1)[0] })
  }
  return {
    variants,
    samplings: [...new Set(variants.map((variant) => variant.sampling))],
    crops: [...new Set(variants.map(({ crop }) => crop))],
  }
}

const ends = <Item>(items: readonly Item[]): readonly Item[] => [items[0], items[items.length - 1]]

function otherSpeeds(sampling: TestSampling): TestSampling[] {
  if (sampling.kind === 'segments')
    throw invalidArgument('augment', 'no speed where the frames of a clip span the whole video', 'speed')
  const { stride } = sampling
  return [2 * stride, ...(stride > 1 ? [Math.max(1, stride >> 1)] : [])].map((other) => ({
    ...sampling,
    stride: other,
  }))
}

/** @throws VideoMaeError `INVALID_ARGUMENT` for an unknown kind, none, or one that is named twice */
export function checkAugmentation(kinds: readonly string[]): void {
  const unknown = kinds.find((kind) => !augmentationKinds.some((name) => name === kind))
  if (unknown !== undefined || kinds.length === 0)
    throw invalidArgument('augment', `some of ${augmentationKinds.join(', ')}`, unknown ?? '')
  requireDistinct('augment', kinds)
}

/** What the features of a video depend on: part of the key of a store. */
export function augmentationKey({ variants }: AugmentationPlan): unknown {
  return variants.map(({ sampling, crop, change }) => ({ sampling, crop, change }))
}

/**
 * The clips of one video, of what was decoded of it.
 *
 * @param clips uint8 [samplings x crops][frames][height][width][3]
 * @param views [samplings x crops]
 * @returns uint8 [variants][frames][height][width][3] and the view of each
 */
export function augmentedClips(
  { variants, samplings, crops }: AugmentationPlan,
  { clips, views }: { readonly clips: Uint8Array; readonly views: readonly ClipView[] },
  { width, height }: Pick<FrameSize, 'width' | 'height'>,
): { readonly clips: Uint8Array; readonly views: readonly ClipView[] } {
  const bytes = clips.length / views.length
  const made = new Uint8Array(variants.length * bytes)
  const chosen = variants.map(({ sampling, crop, change }, v) => {
    const at = samplings.indexOf(sampling) * crops.length + crops.indexOf(crop)
    const clip = made.subarray(v * bytes, (v + 1) * bytes)
    clip.set(clips.subarray(at * bytes, (at + 1) * bytes))
    if (change !== null) changePixels(clip, width, height, change)
    return views[at]
  })
  return { clips: made, views: chosen }
}

/** @param clip uint8 [frames, height, width, 3], changed in place */
function changePixels(clip: Uint8Array, width: number, height: number, change: PixelChange): void {
  const bytes = width * height * 3
  let before = clip.slice(0, bytes)
  for (let from = 0; from < clip.length; from += bytes) {
    const frame = clip.subarray(from, from + bytes)
    // A picture is a clip of equal frames: it is changed once.
    if (from > 0 && Buffer.compare(before, frame) === 0) {
      frame.set(clip.subarray(from - bytes, from))
      continue
    }
    before = frame.slice()
    if (change.kind === 'brightness') brightness(frame, change.factor)
    else if (change.kind === 'color') color(frame, change.factor)
    else if (change.kind === 'mirror') mirrorFrame(frame, width)
    else warpFrame(before, frame, width, height, mapOf(change, width, height), 'edge')
  }
}

function mapOf(
  change: Extract<PixelChange, { kind: 'rotate' | 'shear' | 'shift' }>,
  width: number,
  height: number,
): Affine {
  if (change.kind === 'rotate') return rotation(change.degrees, width, height)
  if (change.kind === 'shear') return [1, change.amount, (-change.amount * height) / 2, 0, 1, 0]
  return [1, 0, change.x * width, 0, 1, change.y * height]
}

function mirrorFrame(frame: Uint8Array, width: number): void {
  const line = 3 * width
  for (let row = 0; row < frame.length; row += line) {
    for (let left = row, right = row + line - 3; left < right; left += 3, right -= 3) {
      for (let channel = 0; channel < 3; channel++) {
        const value = frame[left + channel]
        frame[left + channel] = frame[right + channel]
        frame[right + channel] = value
      }
    }
  }
}
