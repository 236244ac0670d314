import type { RandomStream } from '../../core/random.ts'
import * as colors from './color.ts'
import { type Affine, rotation, shearX, shearY, translate, warpFrame } from './warp.ts'

/** RandAugment (Cubuk et al. 2020) as VideoMAE configures it: `rand-m7-n4-mstd0.5-inc1`. */
export interface RandAugmentOptions {
  /** Operations drawn, with replacement. Default 4. */
  readonly operations?: number
  /** Mean strength, 0 to 10. Default 7. */
  readonly magnitude?: number
  /** Deviation of the strength. Default 0.5. */
  readonly deviation?: number
  /** How likely each drawn operation is applied. Default 0.5. */
  readonly probability?: number
}

/** In the "increasing" variant every operation grows stronger with the magnitude. */
export const operationNames = [
  'auto-contrast',
  'equalize',
  'invert',
  'rotate',
  'posterize',
  'solarize',
  'solarize-add',
  'color',
  'contrast',
  'brightness',
  'sharpness',
  'shear-x',
  'shear-y',
  'translate-x',
  'translate-y',
] as const
export type AugmentOperation = (typeof operationNames)[number]

/** An operation and its argument: degrees, bits, threshold, factor, or share of the side; 0 where it takes none. */
export interface DrawnOperation {
  readonly name: AugmentOperation
  readonly argument: number
}

/** Draws what is done to one clip; the same for all its frames. */
export function drawOperations(options: RandAugmentOptions, random: RandomStream): DrawnOperation[] {
  const { operations = 4, magnitude = 7, deviation = 0.5, probability = 0.5 } = options
  const drawn: DrawnOperation[] = []
  for (let i = 0; i < operations; i++) {
    const name = operationNames[random.integer(operationNames.length)]
    if (random.uniform() >= probability) continue
    const strength = deviation > 0 ? random.normal(magnitude, deviation) : magnitude
    drawn.push({ name, argument: argumentOf(name, Math.min(Math.max(strength, 0), 10) / 10, random) })
  }
  return drawn
}

/** @param m strength, 0 to 1 */
function argumentOf(name: AugmentOperation, m: number, random: RandomStream): number {
  const signed = (value: number): number => (random.uniform() < 0.5 ? -value : value)
  switch (name) {
    case 'auto-contrast':
    case 'equalize':
    case 'invert':
      return 0
    case 'rotate':
      return signed(30 * m)
    case 'posterize':
      return 4 - Math.trunc(4 * m)
    case 'solarize':
      return 256 - Math.trunc(256 * m)
    case 'solarize-add':
      return Math.trunc(110 * m)
    case 'color':
    case 'contrast':
    case 'brightness':
    case 'sharpness':
      return 1 + signed(0.9 * m)
    case 'shear-x':
    case 'shear-y':
      return signed(0.3 * m)
    case 'translate-x':
    case 'translate-y':
      return signed(0.45 * m)
  }
}

/**
 * Applies operations to all frames of a clip in place.
 *
 * @param clip uint8 [frames, height, width, 3]
 */
export function applyOperations(
  clip: Uint8Array,
  width: number,
  height: number,
  operations: readonly DrawnOperation[],
): void {
  const bytes = width * height * 3
  for (const operation of operations) {
    const map = affineOf(operation, width, height)
    for (let from = 0; from < clip.length; from += bytes) {
      const frame = clip.subarray(from, from + bytes)
      if (map !== null) warpFrame(frame.slice(), frame, width, height, map)
      else recolor(frame, width, height, operation)
    }
  }
}

function affineOf({ name, argument }: DrawnOperation, width: number, height: number): Affine | null {
  switch (name) {
    case 'rotate':
      return rotation(argument, width, height)
    case 'shear-x':
      return shearX(argument)
    case 'shear-y':
      return shearY(argument)
    case 'translate-x':
      return translate(argument * width, 0)
    case 'translate-y':
      return translate(0, argument * height)
    default:
      return null
  }
}

function recolor(frame: Uint8Array, width: number, height: number, { name, argument }: DrawnOperation): void {
  switch (name) {
    case 'auto-contrast':
      colors.autoContrast(frame)
      break
    case 'equalize':
      colors.equalize(frame)
      break
    case 'invert':
      colors.invert(frame)
      break
    case 'posterize':
      colors.posterize(frame, argument)
      break
    case 'solarize':
      colors.solarize(frame, argument)
      break
    case 'solarize-add':
      colors.solarizeAdd(frame, argument)
      break
    case 'color':
      colors.color(frame, argument)
      break
    case 'contrast':
      colors.contrast(frame, argument)
      break
    case 'brightness':
      colors.brightness(frame, argument)
      break
    case 'sharpness':
      colors.sharpness(frame, width, height, argument)
      break
  }
}
