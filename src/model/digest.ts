import { createHash } from 'node:crypto'
import type { ModelConfiguration } from './configuration.ts'
import type { ModelState } from './model-state.ts'
import type { ModelKind } from './parameters.ts'

/**
 * SHA-256 of weights: for each tensor in the order of names, its name, its number of values and its float32 bytes
 * (little-endian). Independent of file format and of the order in a file, so it names weights wherever they are stored. What
 * they compute depends on the architecture, too: see `encoderDigest`.
 *
 * @returns 64 hexadecimal digits
 */
export function stateDigest(state: ModelState): string {
  const hash = createHash('sha256')
  for (const name of [...state.keys()].sort()) {
    const values = state.get(name)!
    hash.update(`${name}\n${values.length}\n`)
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }
  return hash.digest('hex')
}

/**
 * SHA-256 of what an encoder computes: its weights and the architecture that reads them. The same weights with other heads,
 * epsilons, positions or norms have other features. Equal digests mean equal functions; not the other way round, since
 * settings that a kind of model has no use for count as well. The decoder and the targets of pretraining do not.
 *
 * @param kind which model the weights make; decides which norms there are
 * @returns 64 hexadecimal digits
 */
export function encoderDigest(configuration: ModelConfiguration, kind: ModelKind, state: ModelState): string {
  const { imageSize, channels, frames, patch, tubelet, layerNormEpsilon, headNormEpsilon, mean, std } = configuration
  const { encoderNorm, useMeanPooling, positions } = configuration
  const { width, depth, heads, mlpWidth } = configuration.encoder
  const grid = configuration.positionGrid
  // A list, since the order of keys in an object is whatever made it.
  const architecture = [
    kind,
    ...[imageSize, channels, frames, patch, tubelet],
    ...[width, depth, heads, mlpWidth],
    ...[layerNormEpsilon, headNormEpsilon, mean, std],
    ...[encoderNorm, useMeanPooling, positions, grid === null ? null : [grid.t, grid.h, grid.w]],
  ]
  return createHash('sha256')
    .update(`${JSON.stringify(architecture)}\n${stateDigest(state)}\n`)
    .digest('hex')
}
