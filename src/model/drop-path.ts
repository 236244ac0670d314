import { invalidArgument } from '../core/errors.ts'
import type { RandomStream } from '../core/random.ts'

/**
 * Drop path rate of every block: from 0 at the first evenly to `rate` at the last (Huang et al. 2016).
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for a rate outside [0, 1)
 */
export function dropPathRates(depth: number, rate: number): readonly number[] {
  checkRate('drop path rate', rate)
  return Array.from({ length: depth }, (_, i) => (depth === 1 ? 0 : (rate * i) / (depth - 1)))
}

/** Whether a model of that depth has anything to drop: never with one block, whose rate is 0. */
export function dropsPaths(depth: number, rate: number): boolean {
  return dropPathRates(depth, rate).some((blockRate) => blockRate > 0)
}

/**
 * The input `dropPath` of a fine-tuning program, [2 * depth, B]: 0 where a branch is dropped for a sample, else
 * 1 / (1 - rate). Sample b draws from `stream(b)`, so its draws do not depend on its index in the batch.
 */
export function dropPathFactors(
  depth: number,
  rate: number,
  batch: number,
  stream: (sample: number) => RandomStream,
): Float32Array {
  const rates = dropPathRates(depth, rate)
  const factors = new Float32Array(2 * depth * batch)
  for (let b = 0; b < batch; b++) {
    const random = stream(b)
    for (let row = 0; row < 2 * depth; row++) {
      const dropped = rates[row >> 1]
      factors[row * batch + b] = random.uniform() < dropped ? 0 : 1 / (1 - dropped)
    }
  }
  return factors
}

/** The input `dropout` of a fine-tuning program, [B, D]: 0 or 1 / (1 - rate). */
export function dropoutFactors(
  width: number,
  rate: number,
  batch: number,
  stream: (sample: number) => RandomStream,
): Float32Array {
  checkRate('dropout rate', rate)
  const factors = new Float32Array(batch * width)
  for (let b = 0; b < batch; b++) {
    const random = stream(b)
    for (let i = 0; i < width; i++) factors[b * width + i] = random.uniform() < rate ? 0 : 1 / (1 - rate)
  }
  return factors
}

function checkRate(name: string, rate: number): void {
  if (!(rate >= 0 && rate < 1)) throw invalidArgument(name, 'a number from 0 to below 1', rate)
}
