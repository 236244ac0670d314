/** Size and pixels of videos that are encoded to be trained on. */
import type { OutputPixels } from '../filters.ts'
import type { Size } from '../types.ts'

/** Bicubic: the pictures are scaled once more when clips are cut from them, and two bilinear filters blur. */
export const preparedPixels: OutputPixels = { format: 'yuv420p', scaler: 'bicubic' }

/**
 * Scaled so that the shorter side has `shortest` pixels, never up. Sides are even: the color samples of the file are shared by two rows and columns.
 */
export function preparedSize({ width, height }: Size, shortest: number): Size {
  const factor = Math.min(1, shortest / Math.min(width, height))
  const even = (side: number): number => Math.max(2, 2 * Math.round((side * factor) / 2))
  return { width: even(width), height: even(height) }
}
