import { patchGrid } from '../../../graph/operations/patches.ts'
import type { ProgramNode } from '../../../graph/program.ts'
import { type LoweringContext, type LoweringRule, numberAttribute, numbersAttribute, type Value } from './context.ts'
import { gatherPatchRuns } from './patches.ts'

export const patchify: LoweringRule = (node, context) => {
  const [frames, indices] = node.inputs
  const [y] = node.outputs
  const channelsFirst = node.attributes.layout === 'BTCHW'
  const attributes = { tubelet: numberAttribute(node, 'tubelet'), patch: numberAttribute(node, 'patch') }
  const { tubelet, patch } = attributes
  const specs = node.inputs.map((input) => context.spec(input))
  const sizes = patchGrid('patchify', specs, attributes, channelsFirst ? 'BTCHW' : 'BTHWC')
  const { batch, channels, grid, tokens, values } = sizes
  const [t, h, w] = grid
  const batched = context.isBatched(frames)
  const pixels = values / channels

  let cut: Value
  if (indices !== undefined) cut = gatherPatchRuns(context, frames, indices, sizes, attributes, channelsFirst)
  else if (channelsFirst) {
    const blocks = context.reshape(context.value(frames), [batch, t, tubelet, channels, h, patch, w, patch], batched)
    cut = context.emit('Transpose', [blocks], { perm: [0, 1, 4, 6, 3, 2, 5, 7] })
  } else {
    const blocks = context.reshape(context.value(frames), [batch, t, tubelet, h, patch, w, patch * channels], batched)
    cut = context.emit('Transpose', [blocks], { perm: [0, 1, 3, 5, 2, 4, 6] })
  }
  if (!channelsFirst) {
    const interleaved = context.reshape(cut, [batch * tokens, pixels, channels], batched)
    cut = context.emit('Transpose', [interleaved], { perm: [0, 2, 1] })
  }
  const into = context.value(y)
  if (specs[0].dtype === 'float32') {
    context.reshape(cut, [batch, tokens, values], batched, into)
    return
  }
  const planes = context.reshape(cut, [batch * tokens, channels, pixels], batched)
  context.reshape(normalised(node, context, planes), [batch, tokens, values], batched, into)
}

/** uint8 [.., C, S] -> `(x / 255 - mean) / std` per channel. */
function normalised(node: ProgramNode, context: LoweringContext, planes: Value): Value {
  const mean = numbersAttribute(node, 'mean')
  const std = numbersAttribute(node, 'std')
  const channels = [mean.length, 1]
  const factors = context.floats(
    channels,
    Float32Array.from(std, (deviation) => 1 / (255 * deviation)),
  )
  const offsets = context.floats(
    channels,
    Float32Array.from(std, (deviation, c) => mean[c] / deviation),
  )
  const floats = context.emit('Cast', [planes], { to: 1 })
  return context.emit('Sub', [context.emit('Mul', [floats, factors]), offsets])
}
