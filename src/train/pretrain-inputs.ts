import { RandomStream } from '../core/random.ts'
import type { TokenGrid } from '../mask/grid.ts'
import { createDecoderMask, createMask, type DecoderMaskKind, type MaskKind } from '../mask/mask.ts'

/** Which sample a mask is for: the key of its random stream. */
export interface MaskKey {
  readonly epoch: number
  /** Number of the sample, unique within its epoch. */
  readonly sample: number
}

export interface MaskOptions {
  readonly grid: TokenGrid
  readonly kind: MaskKind
  readonly ratio: number
  readonly decoder: { readonly kind: DecoderMaskKind; readonly ratio: number } | null
  readonly seed: number
  /** Tokens of a clip that are seen and predicted; see `resolveRun`. */
  readonly visible: number
  readonly predicted: number
}

export interface MaskInputs {
  readonly visible: Int32Array
  readonly masked: Int32Array
  readonly weight?: Float32Array
}

/**
 * Masks of a batch as the pretraining program takes them: `visible` int32 [B, V], `masked` int32 [B, M], and under dual
 * masking `weight` float32 [B, M]. Each sample's mask depends on (seed, epoch, sample, 'mask') alone.
 */
export function maskInputs(keys: readonly MaskKey[], options: MaskOptions): MaskInputs {
  const { grid, kind, ratio, decoder, seed, visible: seen, predicted } = options
  const visible = new Int32Array(keys.length * seen)
  const masked = new Int32Array(keys.length * predicted)
  const weight = decoder === null ? null : new Float32Array(keys.length * predicted)
  keys.forEach(({ epoch, sample }, i) => {
    const mask = createMask(kind, grid, ratio, new RandomStream(seed, epoch, sample, 'mask'))
    visible.set(mask.visible, i * seen)
    if (decoder === null || weight === null) {
      masked.set(mask.masked, i * predicted)
      return
    }
    const stream = new RandomStream(seed, epoch, sample, 'decoder-mask')
    const { decoded, decodedIsHidden } = createDecoderMask(decoder.kind, grid, decoder.ratio, mask, stream)
    masked.set(decoded, i * predicted)
    weight.set(decodedIsHidden, i * predicted)
  })
  return weight === null ? { visible, masked } : { visible, masked, weight }
}
