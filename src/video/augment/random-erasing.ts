import type { RandomStream } from '../../core/random.ts'
import type { Box } from '../types.ts'

/** Random erasing (Zhong et al. 2020) as VideoMAE configures it: one box, the same in all frames, filled with noise. */
export interface RandomErasingOptions {
  /** How likely a clip loses a box. Default 0.25. */
  readonly probability?: number
  /** Smallest and largest share of the picture. Default [0.02, 1/3]. */
  readonly area?: readonly [number, number]
  /** Smallest height / width; the largest is its inverse. Default 0.3. */
  readonly aspect?: number
  /** The noise is standard normal in the values that the model reads: (pixel / 255 - mean) / std, per channel. */
  readonly mean: readonly number[]
  /** [channels] what the difference is divided by. */
  readonly std: readonly number[]
}

/** The box that is erased, or null. */
export function drawErasedBox(
  options: RandomErasingOptions,
  width: number,
  height: number,
  random: RandomStream,
): Box | null {
  const { probability = 0.25, area = [0.02, 1 / 3], aspect = 0.3 } = options
  if (random.uniform() >= probability) return null
  for (let attempt = 0; attempt < 100; attempt++) {
    const target = width * height * random.uniform(area[0], area[1])
    const ratio = Math.exp(random.uniform(Math.log(aspect), -Math.log(aspect)))
    const h = Math.round(Math.sqrt(target * ratio))
    const w = Math.round(Math.sqrt(target / ratio))
    if (w < width && h < height && w > 0 && h > 0) {
      return { y: random.integer(height - h + 1), x: random.integer(width - w + 1), width: w, height: h }
    }
  }
  return null
}

/**
 * Fills the box of every frame with fresh noise, in place. Pixels hold 0 to 255 only, so noise beyond about two
 * deviations is cut there; the reference, which erases after normalizing, does not cut it.
 *
 * @param clip uint8 [frames, height, width, 3]
 */
export function eraseBox(
  clip: Uint8Array,
  width: number,
  height: number,
  box: Box,
  { mean, std }: Pick<RandomErasingOptions, 'mean' | 'std'>,
  random: RandomStream,
): void {
  const bytes = width * height * 3
  for (let from = 0; from < clip.length; from += bytes) {
    for (let y = box.y; y < box.y + box.height; y++) {
      let at = from + (y * width + box.x) * 3
      for (let x = 0; x < box.width; x++) {
        for (let c = 0; c < 3; c++, at++) {
          const value = 255 * (mean[c] + std[c] * random.normal()) + 0.5
          clip[at] = Math.min(Math.max(value, 0), 255)
        }
      }
    }
  }
}
