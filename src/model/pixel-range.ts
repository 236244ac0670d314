/** Which means and deviations of pixels a model can be meant to have. */

/**
 * Pixels are scaled to [0, 1] before `(x - mean) / std`. Published models have means and deviations between 0.2 and 1. Far outside of
 * these bounds all pixels become one number, or values overflow float32 some layers later.
 */
export const pixelBounds = { leastStd: 1e-4, mostStd: 1e4, mostMean: 1e4 } as const

/** What a deviation has to be, for messages. */
export const stdExpected = `numbers from ${pixelBounds.leastStd} to ${pixelBounds.mostStd}`
/** What a mean has to be, for messages. */
export const meanExpected = `numbers from -${pixelBounds.mostMean} to ${pixelBounds.mostMean}`

/** Whether pixels of [0, 1] can be divided by a deviation and stay usable in float32. */
export function isUsableStd(value: number): boolean {
  return value >= pixelBounds.leastStd && value <= pixelBounds.mostStd
}

/** Whether a mean can be subtracted from pixels of [0, 1] without hiding them. */
export function isUsableMean(value: number): boolean {
  return Math.abs(value) <= pixelBounds.mostMean
}
