import type { RandomStream } from '../../core/random.ts'
import { applyOperations, drawOperations, type RandAugmentOptions } from './rand-augment.ts'
import { drawErasedBox, eraseBox, type RandomErasingOptions } from './random-erasing.ts'

export type { RandAugmentOptions } from './rand-augment.ts'
export type { RandomErasingOptions } from './random-erasing.ts'

/** What is done to the pixels of a training clip after its crop; all frames alike, so that motion stays true. */
export interface ClipAugmentation {
  /** Random changes of color and geometry; null: none. */
  readonly randAugment?: RandAugmentOptions | null
  /** A box of noise; null: none. */
  readonly erasing?: RandomErasingOptions | null
}

/**
 * RandAugment, then random erasing, in place. The reference runs RandAugment before the crop, on whole frames; here it
 * sees the crop, which costs a fraction.
 *
 * @param clip uint8 [frames, height, width, 3]
 */
export function augmentClip(
  clip: Uint8Array,
  width: number,
  height: number,
  { randAugment, erasing }: ClipAugmentation,
  random: RandomStream,
): void {
  if (randAugment) applyOperations(clip, width, height, drawOperations(randAugment, random))
  if (erasing) {
    const box = drawErasedBox(erasing, width, height, random)
    if (box !== null) eraseBox(clip, width, height, box, erasing, random)
  }
}
