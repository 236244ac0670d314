import { invalidArgument } from '../core/errors.ts'
import type { RandomStream } from '../core/random.ts'

/** Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019), for whole batches as VideoMAE has them. */
export interface MixOptions {
  /** Alpha of Beta(alpha, alpha) for the share of the first clip; null: no mixup. Default 0.8. */
  readonly mixup?: number | null
  /** The same for CutMix. Default 1. */
  readonly cutmix?: number | null
  /** How likely a batch is mixed at all. Default 1. */
  readonly probability?: number
  /** How likely CutMix is chosen where both are on. Default 0.5. */
  readonly switchProbability?: number
}

/** What is done to one batch. */
export type Mix =
  | { readonly kind: 'none' }
  | { readonly kind: 'mixup'; readonly share: number }
  | {
      readonly kind: 'cutmix'
      /** Share of the picture that stays, after the box was cut off at the edges. */
      readonly share: number
      readonly top: number
      readonly bottom: number
      readonly left: number
      readonly right: number
    }

/** Whether clips are mixed with others of their run. */
export function mixes(options: Pick<MixOptions, 'mixup' | 'cutmix'> & { readonly mixProbability: number }): boolean {
  return (options.mixup !== null || options.cutmix !== null) && options.mixProbability > 0
}

export function drawMix(
  { mixup = 0.8, cutmix = 1, probability = 1, switchProbability = 0.5 }: MixOptions,
  height: number,
  width: number,
  random: RandomStream,
): Mix {
  if ((mixup === null && cutmix === null) || random.uniform() >= probability) return { kind: 'none' }
  const cut = cutmix !== null && (mixup === null || random.uniform() < switchProbability)
  const alpha = cut ? cutmix : mixup!
  if (!(alpha > 0)) throw invalidArgument(cut ? 'cutmix' : 'mixup', 'a positive number or null', alpha)
  const share = random.beta(alpha, alpha)
  if (!cut) return { kind: 'mixup', share }
  const ratio = Math.sqrt(1 - share)
  const [h, w] = [Math.trunc(height * ratio), Math.trunc(width * ratio)]
  const [y, x] = [random.integer(height), random.integer(width)]
  const clip = (value: number, size: number): number => Math.min(Math.max(value, 0), size)
  const [top, bottom] = [clip(y - (h >> 1), height), clip(y + (h >> 1), height)]
  const [left, right] = [clip(x - (w >> 1), width), clip(x + (w >> 1), width)]
  return { kind: 'cutmix', share: 1 - ((bottom - top) * (right - left)) / (height * width), top, bottom, left, right }
}

/**
 * Mixes every clip of a batch with the one at the mirrored index, in place. Mixing bytes and normalizing afterwards is the
 * same as the reference's order, but for rounding to a 255th.
 *
 * @param clips uint8 [batch, frames, height, width, 3]
 */
export function mixClips(clips: Uint8Array, batch: number, height: number, width: number, mix: Mix): void {
  if (mix.kind === 'none') return
  const bytes = clips.length / batch
  for (let i = 0; i < batch >> 1; i++) {
    const a = clips.subarray(i * bytes, (i + 1) * bytes)
    const b = clips.subarray((batch - 1 - i) * bytes, (batch - i) * bytes)
    if (mix.kind === 'mixup') {
      for (let k = 0; k < bytes; k++) {
        const [first, second] = [a[k], b[k]]
        a[k] = mix.share * first + (1 - mix.share) * second + 0.5
        b[k] = mix.share * second + (1 - mix.share) * first + 0.5
      }
    } else {
      const frame = height * width * 3
      for (let from = 0; from < bytes; from += frame) {
        for (let y = mix.top; y < mix.bottom; y++) {
          const start = from + (y * width + mix.left) * 3
          const end = from + (y * width + mix.right) * 3
          const kept = a.slice(start, end)
          a.set(b.subarray(start, end), start)
          b.set(kept, start)
        }
      }
    }
  }
}

/**
 * Targets of a batch, [batch, classes]: each class gets smoothing / classes, the true one 1 - smoothing more; then
 * share * own + (1 - share) * mirrored.
 */
export function mixTargets(labels: ArrayLike<number>, classes: number, smoothing: number, mix: Mix): Float32Array {
  const batch = labels.length
  const share = mix.kind === 'none' ? 1 : mix.share
  const targets = new Float32Array(batch * classes).fill(smoothing / classes)
  for (let i = 0; i < batch; i++) {
    targets[i * classes + labels[i]] += (1 - smoothing) * share
    targets[i * classes + labels[batch - 1 - i]] += (1 - smoothing) * (1 - share)
  }
  return targets
}
