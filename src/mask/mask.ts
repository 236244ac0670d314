import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import type { RandomStream } from '../core/random.ts'
import { frameMask, maskedFrames } from './frame.ts'
import { checkGrid, type TokenGrid, tokenCount } from './grid.ts'
import { randomMask, randomMaskedCount } from './random.ts'
import { randomRunningCellMask, runningCellDecodedCount } from './running-cell.ts'
import { tubeMask, tubeMaskedPerFrame } from './tube.ts'

/** Masks of the encoder. The running cell is a mask of the decoder: see `createDecoderMask`. */
export const maskKinds = ['tube', 'random', 'frame'] as const
/** Name of one of `maskKinds`. */
export type MaskKind = (typeof maskKinds)[number]

/** Masks of the decoder (dual masking of VideoMAE V2). */
export const decoderMaskKinds = ['running-cell'] as const
/** Name of one of `decoderMaskKinds`. */
export type DecoderMaskKind = (typeof decoderMaskKinds)[number]

/** Smallest and largest mask ratio that pretraining accepts. */
export const maskRatioRange = { minimum: 0.5, maximum: 0.98 } as const

/** How many tokens of a clip are visible and masked. */
export interface MaskCounts {
  readonly visible: number
  readonly masked: number
}

/** Token indices in raster order; together they are 0..n-1, each once. */
export interface TokenMask {
  /** Tokens the encoder sees, shape [maskCounts().visible]. */
  readonly visible: Int32Array
  /** Tokens to predict, shape [maskCounts().masked]. */
  readonly masked: Int32Array
}

/** What the decoder predicts under dual masking. */
export interface DecodedTokens {
  /** Token indices with decoder-mask 0, raster order, shape [decodedCount()]; may name tokens the encoder saw. */
  readonly decoded: Int32Array
  /** Loss weight of each decoded token, shape [decodedCount()]: 1 where the encoder did not see it, else 0. */
  readonly decodedIsHidden: Uint8Array
}

interface MaskGenerator {
  readonly masked: (grid: TokenGrid, ratio: number) => number
  readonly create: (grid: TokenGrid, ratio: number, stream: RandomStream) => Uint8Array
  /** Names the unit that is masked, for the message when none would be. */
  readonly unit: string
}

const generators: Readonly<Record<MaskKind, MaskGenerator>> = {
  tube: {
    masked: (grid, ratio) => grid.t * tubeMaskedPerFrame(grid, ratio),
    create: tubeMask,
    unit: 'token of a token-frame',
  },
  random: { masked: randomMaskedCount, create: randomMask, unit: 'token' },
  frame: {
    masked: (grid, ratio) => grid.h * grid.w * maskedFrames(grid, ratio),
    create: frameMask,
    unit: 'token-frame',
  },
}

function generatorOf(kind: MaskKind): MaskGenerator {
  if (!maskKinds.includes(kind)) throw invalidArgument('mask kind', `one of ${maskKinds.join(', ')}`, kind)
  return generators[kind]
}

/**
 * Numbers of visible and masked tokens. They depend on nothing random, so a training program can have static shapes.
 * Rounding is trunc(ratio * n) over what the kind counts: positions of a frame (tube), tokens (random), frames (frame).
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` (kind, grid, ratio outside 0.5 to 0.98), `MASK_EMPTY` when the grid is so small
 *   that the rounded mask would hide nothing. It never hides everything: trunc(0.98 * n) < n.
 */
export function maskCounts(kind: MaskKind, grid: TokenGrid, ratio: number): MaskCounts {
  const generator = generatorOf(kind)
  checkGrid(grid)
  if (!(ratio >= maskRatioRange.minimum && ratio <= maskRatioRange.maximum)) {
    throw invalidArgument(
      'mask ratio',
      `a number from ${maskRatioRange.minimum} to ${maskRatioRange.maximum}`,
      ratio,
      ratio > maskRatioRange.maximum && ratio <= 1
        ? 'Above 0.98 the encoder sees almost no token; 0.9 is the usual ratio.'
        : 'A ratio is a fraction, not a percentage; 0.9 is usual, 0.75 for small data sets.',
    )
  }
  const masked = generator.masked(grid, ratio)
  const total = tokenCount(grid)
  if (masked === 0) {
    throw new VideoMaeError(
      `Expected a ${kind} mask to hide at least one ${generator.unit}, but ratio ${ratio} of a grid of ` +
        `${grid.t}x${grid.h}x${grid.w} tokens hides none.`,
      { code: 'MASK_EMPTY', exit: 'usage', hint: 'Use more frames, a higher resolution, or a mask of another kind.' },
    )
  }
  return { visible: total - masked, masked }
}

/**
 * A random mask for one clip.
 *
 * @param stream keyed by (seed, epoch, sample, purpose); the same key gives the same mask
 * @throws VideoMaeError as `maskCounts`
 *
 * @example
 * ```ts
 * import { createMask, RandomStream } from 'videomae/model'
 *
 * // 16 frames of 224 x 224 pixels have 8 x 14 x 14 tokens. Tubes hide 90 % of the positions of a frame.
 * const mask = createMask('tube', { t: 8, h: 14, w: 14 }, 0.9, new RandomStream(0, 'mask'))
 * mask.visible.length // => 160
 * mask.masked.length // => 1408
 * ```
 */
export function createMask(kind: MaskKind, grid: TokenGrid, ratio: number, stream: RandomStream): TokenMask {
  const counts = maskCounts(kind, grid, ratio)
  return splitMask(generatorOf(kind).create(grid, ratio, stream), counts)
}

/** Number of tokens that the decoder predicts under a decoder mask; static like `maskCounts`. */
export function decodedCount(kind: DecoderMaskKind, grid: TokenGrid, ratio: number): number {
  if (!decoderMaskKinds.includes(kind)) {
    throw invalidArgument('decoder mask kind', `one of ${decoderMaskKinds.join(', ')}`, kind)
  }
  return runningCellDecodedCount(grid, ratio)
}

/**
 * The decoder's half of dual masking (VideoMAE V2, section 3.2). Every position with decoder-mask 0 gets a mask token,
 * also where the encoder saw the token; the loss is the mean over the batch of the tokens with `decodedIsHidden` 1.
 *
 * @param encoder what `createMask` returned for this clip and grid
 * @throws VideoMaeError `INVALID_ARGUMENT` for a ratio outside 0.25 to below 1, an odd h or w, or a mask of another grid
 */
export function createDecoderMask(
  kind: DecoderMaskKind,
  grid: TokenGrid,
  ratio: number,
  encoder: TokenMask,
  stream: RandomStream,
): DecodedTokens {
  const count = decodedCount(kind, grid, ratio)
  const total = tokenCount(grid)
  if (encoder.visible.length + encoder.masked.length !== total) {
    throw invalidArgument(
      'encoder mask',
      `a mask of ${total} tokens (${grid.t}x${grid.h}x${grid.w})`,
      `${encoder.visible.length + encoder.masked.length} tokens`,
    )
  }
  const skipped = randomRunningCellMask(grid, ratio, stream)
  const hidden = booleanMask(encoder)
  const decoded = new Int32Array(count)
  const decodedIsHidden = new Uint8Array(count)
  let next = 0
  for (let n = 0; n < total; n++) {
    if (skipped[n] === 1) continue
    decoded[next] = n
    decodedIsHidden[next] = hidden[n]
    next++
  }
  return { decoded, decodedIsHidden }
}

/** Boolean mask [t, h, w], row-major, 1 = masked (Hugging Face's `bool_masked_pos`), from token indices. */
export function booleanMask(mask: TokenMask): Uint8Array {
  const boolean = new Uint8Array(mask.visible.length + mask.masked.length)
  for (const n of mask.masked) boolean[n] = 1
  return boolean
}

/** Token indices from a boolean mask of any shape, 1 = masked; the inverse of `booleanMask`. */
export function splitMask(boolean: Uint8Array, counts?: MaskCounts): TokenMask {
  let masks = counts?.masked ?? 0
  if (counts === undefined) for (const bit of boolean) masks += bit === 0 ? 0 : 1
  const visible = new Int32Array(boolean.length - masks)
  const masked = new Int32Array(masks)
  let v = 0
  let m = 0
  for (let n = 0; n < boolean.length; n++) {
    if (boolean[n] === 0) visible[v++] = n
    else masked[m++] = n
  }
  return { visible, masked }
}
