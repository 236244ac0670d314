import { type PatchGrid, patchGrid } from '../../../graph/operations/patches.ts'
import type { RuleOf } from '../rule.ts'
import type { Tensor, Tfjs } from '../runtime.ts'
import { flatIndices } from './movement.ts'

/** Size of a patch in frames and pixels. */
interface PatchSize {
  readonly tubelet: number
  readonly patch: number
}

/**
 * Patches of frames [B, T, H, W, C] as rows [B * N, S, C], S the pixels in the order (p0, p1, p2). Transposes have at most six axes:
 * some backends know no more.
 */
function patchesOfPixels(tf: Tfjs, frames: Tensor, sizes: PatchGrid, { tubelet, patch }: PatchSize): Tensor {
  const { batch, channels, grid } = sizes
  const [times, rows, columns] = grid
  const cut = tf.reshape(frames, [batch * times, tubelet, rows, patch, columns, patch * channels])
  const patches = tf.transpose(cut, [0, 2, 4, 1, 3, 5])
  return tf.reshape(patches, [batch * times * rows * columns, tubelet * patch * patch, channels])
}

/** Patches of frames [B, T, C, H, W] as rows [B * N, C, S]. */
function patchesOfPlanes(tf: Tfjs, frames: Tensor, sizes: PatchGrid, { tubelet, patch }: PatchSize): Tensor {
  const { batch, channels, grid } = sizes
  const [times, rows, columns] = grid
  const cut = tf.reshape(frames, [batch * times, tubelet * channels, rows, patch, columns, patch])
  const patches = tf.transpose(cut, [0, 2, 4, 1, 3, 5])
  const apart = tf.reshape(patches, [batch * times * rows * columns, tubelet, channels, patch * patch])
  return tf.reshape(tf.transpose(apart, [0, 2, 1, 3]), [apart.shape[0], channels, tubelet * patch * patch])
}

/** The rows of patches [B * N, ...] at indices [B, M]: [B * M, ...]; all of them without indices. */
function picked(tf: Tfjs, patches: Tensor, indices: Tensor | undefined, batch: number): Tensor {
  if (indices === undefined) return patches
  return tf.gather(patches, flatIndices(tf, indices, patches.shape[0] / batch), 0)
}

export const patchify: RuleOf<'patchify'> = (tf, [frames, indices], attributes, { inputs, outputs }) => {
  const { mean, std, layout } = attributes
  const sizes = patchGrid('patchify', inputs, attributes, layout)
  const all =
    layout === 'BTHWC' ? patchesOfPixels(tf, frames, sizes, attributes) : patchesOfPlanes(tf, frames, sizes, attributes)
  const some = picked(tf, all, indices, sizes.batch)
  const byChannel = layout === 'BTHWC' ? tf.transpose(some, [0, 2, 1]) : some
  const shape = outputs[0].shape.slice()
  if (inputs[0].dtype !== 'uint8') return [tf.reshape(byChannel, shape)]
  const unit = tf.div(tf.cast(byChannel, 'float32'), 255)
  const perChannel = (values: readonly number[]): Tensor => tf.tensor3d([...values], [1, values.length, 1])
  return [tf.reshape(tf.div(tf.sub(unit, perChannel(mean)), perChannel(std)), shape)]
}

export const patchTargets: RuleOf<'patchTargets'> = (tf, [frames, indices], attributes, { inputs, outputs }) => {
  const sizes = patchGrid('patchTargets', inputs, attributes)
  const bytes = tf.cast(picked(tf, patchesOfPixels(tf, frames, sizes, attributes), indices, sizes.batch), 'float32')
  const shape = outputs[0].shape.slice()
  if (!attributes.normalize) return [tf.reshape(tf.div(bytes, 255), shape)]
  const [rows, pixels, channels] = bytes.shape
  // Deviations from the first pixel: those of a flat patch are zero exactly, not rounding noise over a tiny epsilon.
  const fromFirst = tf.div(tf.sub(bytes, tf.slice(bytes, [0, 0, 0], [rows, 1, channels])), 255)
  const centered = tf.sub(fromFirst, tf.mean(fromFirst, 1, true))
  const variance = tf.div(tf.sum(tf.square(centered), 1, true), pixels - 1)
  return [tf.reshape(tf.div(centered, tf.add(tf.sqrt(variance), 1e-6)), shape)]
}
