import type { PatchifyAttributes } from '../../graph/operations/patches.ts'

/**
 * Normalization of pixels as `pixel * factor + offset`.
 *
 * @param bytes whether pixels are 0 to 255; floats are normalized already
 * @returns [2, channels] factors, then offsets
 */
export function pixelFactors({ mean, std }: PatchifyAttributes, bytes: boolean): Float32Array {
  return new Float32Array([
    ...std.map((deviation) => (bytes ? 1 / (255 * deviation) : 1)),
    ...mean.map((average, c) => (bytes ? -average / std[c] : 0)),
  ])
}
