import { requireCount } from '../core/counts.ts'
import { invalidArgument } from '../core/errors.ts'
import type { FrameSize } from '../core/frame-size.ts'
import type { RandomStream } from '../core/random.ts'
import type { Geometry, Size } from './types.ts'

/**
 * Which part of the picture a clip shows; the same box for all its frames. Random crops have the proportions of the output times
 * a drawn factor, so what they distort does not depend on the shape of the output.
 */
export type CropChoice =
  /** Pretraining (GroupMultiScaleCrop). */
  | { readonly kind: 'multi-scale'; readonly flip?: number }
  /** Fine-tuning (RandomResizedCrop). */
  | {
      readonly kind: 'random-resized'
      readonly area?: readonly [number, number]
      readonly aspect?: readonly [number, number]
      readonly flip?: number
    }
  /** The middle of the picture, which is scaled until it just covers the output, or as `FrameSize.resize` says. */
  | { readonly kind: 'center' }
  /** Test: crop `index` of `count` along the long side of a picture scaled in the same way. */
  | { readonly kind: 'along'; readonly index: number; readonly count: number }
  /** The whole picture, squeezed into the output. */
  | { readonly kind: 'whole' }

/**
 * The part of a picture that becomes the output, and whether it is flipped.
 *
 * @param picture size of the displayed picture, pixels
 * @param output target size, pixels
 * @param random used by the kinds that draw a crop or a flip
 * @returns the crop in pixels of the displayed picture, and what it is scaled to
 * @throws VideoMaeError `INVALID_ARGUMENT` for an index that is not below the count of crops
 */
export function chooseCrop(choice: CropChoice, picture: Size, output: FrameSize, random: RandomStream): Geometry {
  switch (choice.kind) {
    case 'multi-scale':
      return withFlip(multiScaleCrop(picture, output, random), choice.flip, random)
    case 'random-resized':
      return withFlip(randomResizedCrop(picture, output, random, choice.area, choice.aspect), choice.flip, random)
    case 'center':
      return alongCrop(picture, output, 1, 3)
    case 'along':
      return choice.count === 1
        ? alongCrop(picture, output, 1, 3)
        : alongCrop(picture, output, choice.index, choice.count)
    case 'whole':
      return { crop: { x: 0, y: 0, ...copySize(picture) }, scale: copySize(output), flip: false }
  }
}

function withFlip(geometry: Geometry, probability: number | undefined, random: RandomStream): Geometry {
  if (probability === undefined || probability === 0) return geometry
  return { ...geometry, flip: random.uniform() < probability }
}

const scales = [1, 0.875, 0.75, 0.66]

/** Width and height scale of each of the ten pairs whose indices differ by at most one. */
const scalePairs = scales.flatMap((_, i) => scales.flatMap((__, j) => (Math.abs(i - j) <= 1 ? [[i, j] as const] : [])))

/** Offsets in quarters of the free space: corners, center, middles of the edges, quarter points. */
const offsets = [
  [0, 0],
  [4, 0],
  [0, 4],
  [4, 4],
  [2, 2],
  [0, 2],
  [4, 2],
  [2, 4],
  [2, 0],
  [1, 1],
  [3, 1],
  [1, 3],
  [3, 3],
] as const

/**
 * GroupMultiScaleCrop (Wang et al., TSN, 2016; VideoMAE's pretraining crop): side lengths of the largest box with the proportions of
 * the output (min(w, h) for a square one) times {1, 0.875, 0.75, 0.66}, truncated, set to the output size where they are within 3 pixels
 * of it; one of the ten (w, h) pairs and one of the 13 fixed positions, uniformly.
 */
export function multiScaleCrop(picture: Size, output: Size, random: RandomStream): Geometry {
  const base = largestBox(picture, output)
  const side = (scale: number, base: number, target: number): number => {
    const length = Math.max(1, Math.trunc(base * scale))
    return Math.abs(length - target) < 3 && target <= base ? target : length
  }
  const [w, h] = scalePairs[random.integer(scalePairs.length)]
  const width = side(scales[w], base.width, output.width)
  const height = side(scales[h], base.height, output.height)
  const [stepsX, stepsY] = offsets[random.integer(offsets.length)]
  const x = stepsX * Math.floor((picture.width - width) / 4)
  const y = stepsY * Math.floor((picture.height - height) / 4)
  return { crop: { x, y, width, height }, scale: copySize(output), flip: false }
}

/** The largest box inside a picture with the proportions of `output`; its sides need not be whole numbers. */
function largestBox(picture: Size, output: Size): Size {
  return picture.width * output.height <= picture.height * output.width
    ? { width: picture.width, height: (picture.width * output.height) / output.width }
    : { width: (picture.height * output.width) / output.height, height: picture.height }
}

/**
 * RandomResizedCrop (Szegedy et al. 2015): a share of the area uniform in `area`, aspect log-uniform in `aspect` (times the width
 * of the output over its height), ten tries, then the largest middle box whose aspect is inside the bounds.
 */
export function randomResizedCrop(
  picture: Size,
  output: Size,
  random: RandomStream,
  area: readonly [number, number] = [0.08, 1],
  aspect: readonly [number, number] = [0.75, 4 / 3],
): Geometry {
  const proportion = output.width / output.height
  for (let attempt = 0; attempt < 10; attempt++) {
    const target = picture.width * picture.height * random.uniform(area[0], area[1])
    const ratio = Math.exp(random.uniform(Math.log(aspect[0]), Math.log(aspect[1]))) * proportion
    const width = Math.round(Math.sqrt(target * ratio))
    const height = Math.round(Math.sqrt(target / ratio))
    if (width > 0 && width <= picture.width && height > 0 && height <= picture.height) {
      const y = random.integer(picture.height - height + 1)
      const x = random.integer(picture.width - width + 1)
      return { crop: { x, y, width, height }, scale: copySize(output), flip: false }
    }
  }
  const shape = picture.width / picture.height
  const [narrowest, widest] = [aspect[0] * proportion, aspect[1] * proportion]
  const width = shape > widest ? Math.max(1, Math.round(picture.height * widest)) : picture.width
  const height = shape < narrowest ? Math.max(1, Math.round(picture.width / narrowest)) : picture.height
  const x = (picture.width - width) >> 1
  const y = (picture.height - height) >> 1
  return { crop: { x, y, width, height }, scale: copySize(output), flip: false }
}

/**
 * The picture scaled so that it just covers the output (or as `output.resize` says), then the output-sized window at
 * trunc(index * free / (count - 1)) along each side that is free (three crops: start, middle, end).
 */
export function alongCrop(picture: Size, output: FrameSize, index: number, count: number): Geometry {
  requireCount('crops', count, 'count')
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw invalidArgument('index', `an integer in [0, ${count})`, index)
  }
  const scale = scaledSize(picture, output)
  const startOf = (free: number): number => (count === 1 ? free >> 1 : Math.trunc((index * free) / (count - 1)))
  const window = { x: startOf(scale.width - output.width), y: startOf(scale.height - output.height) }
  const crop = { x: 0, y: 0, ...copySize(picture) }
  const covered = scale.width === output.width && scale.height === output.height
  return covered ? { crop, scale, flip: false } : { crop, scale, window, flip: false }
}

/** What the whole picture is scaled to before an output-sized window is cut out of it; never smaller than the output. */
function scaledSize(picture: Size, output: FrameSize): Size {
  const { resize } = output
  const covering = (size: Size): Size => ({
    width: Math.max(output.width, size.width),
    height: Math.max(output.height, size.height),
  })
  if (resize !== undefined && 'height' in resize) return covering(resize)
  const cover = Math.max(output.width / picture.width, output.height / picture.height)
  const ratio =
    resize === undefined ? cover : Math.max(cover, resize.shortEdge / Math.min(picture.width, picture.height))
  // trunc as the reference does; the tiny addend undoes 224.00000000000003 / 1 kinds of rounding
  return covering({
    width: Math.trunc(picture.width * ratio + 1e-9),
    height: Math.trunc(picture.height * ratio + 1e-9),
  })
}

function copySize(size: Size): Size {
  return { width: size.width, height: size.height }
}
