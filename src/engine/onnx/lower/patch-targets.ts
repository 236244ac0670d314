import { patchGrid } from '../../../graph/operations/patches.ts'
import { type LoweringRule, numberAttribute } from './context.ts'
import { gatherPatchRuns } from './patches.ts'

/**
 * Pixels stay interleaved (p0, p1, p2, c). Sums per channel, and their way back to every pixel, are products with a
 * matrix of zeros and ones: an interleaved axis of 3 would make every broadcast a loop of 3. Sums of bytes are exact.
 */
export const patchTargets: LoweringRule = (node, context) => {
  const [frames, indices] = node.inputs
  const [y] = node.outputs
  const attributes = { tubelet: numberAttribute(node, 'tubelet'), patch: numberAttribute(node, 'patch') }
  const sizes = patchGrid(
    'patchTargets',
    node.inputs.map((input) => context.spec(input)),
    attributes,
  )
  const { batch, channels, tokens, values } = sizes
  const batched = context.isBatched(frames)
  const runs = gatherPatchRuns(context, frames, indices, sizes, attributes, false)
  const bytes = context.reshape(runs, [batch, tokens, values], batched)
  const pixels = context.emit('Cast', [bytes], { to: 1 })
  if (node.attributes.normalise !== true) {
    context.emit('Mul', [pixels, context.float(1 / 255)], {}, context.value(y))
    return
  }
  const ones = new Float32Array(values * channels)
  for (let i = 0; i < values; i++) ones[i * channels + (i % channels)] = 1
  const toChannels = context.floats([values, channels], ones, `toChannels:${values}:${channels}`)
  const toPixels = context.once(`toPixels:${values}:${channels}`, () =>
    context.emit('Transpose', [toChannels], { perm: [1, 0] }),
  )
  const perChannel = values / channels
  const mean = context.emit('Div', [context.emit('MatMul', [pixels, toChannels]), context.float(perChannel)])
  const centred = context.emit('Sub', [pixels, context.emit('MatMul', [mean, toPixels])])
  const squares = context.emit('MatMul', [context.emit('Mul', [centred, centred]), toChannels])
  const variance = context.scaled(squares, 1 / (perChannel - 1))
  // In units of 1 / 255, as the pixels are.
  const deviation = context.emit('Add', [context.emit('Sqrt', [variance]), context.float(255e-6)])
  const inverse = context.emit('MatMul', [context.emit('Reciprocal', [deviation]), toPixels])
  context.emit('Mul', [centred, inverse], {}, context.value(y))
}
