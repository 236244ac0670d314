import { type PatchGrid, patchGrid } from '../../../graph/operations/patches.ts'
import type { ProgramNode, TensorId } from '../../../graph/program.ts'
import {
  type LoweringContext,
  type LoweringRule,
  numberAttribute,
  numbersAttribute,
  type ValueName,
} from './context.ts'

/**
 * Cuts frames along their runs of contiguous pixels and picks the runs of the wanted patches, so that bytes are copied
 * in blocks and only for patches that are needed.
 *
 * @param channelsFirst frames [B, T, C, H, W] with runs of `patch` values in the order (c, p0, p1) per patch; else frames
 *   [B, T, H, W, C] with runs of `patch * C` values in the order (p0, p1)
 * @param indices int32 [B, M]
 * @returns [B, M * runs per patch, run]
 */
function gatherPatchRuns(
  context: LoweringContext,
  frames: TensorId,
  indices: TensorId,
  sizes: PatchGrid,
  { tubelet, patch }: { readonly tubelet: number; readonly patch: number },
  channelsFirst: boolean,
): ValueName {
  const { batch, frames: time, height, channels, grid, tokens } = sizes
  const planes = channelsFirst ? channels : 1
  const run = channelsFirst ? patch : patch * channels
  const [, gridHeight, gridWidth] = grid
  const table: number[] = []
  for (let t = 0; t < grid[0]; t++) {
    for (let y = 0; y < gridHeight; y++) {
      for (let x = 0; x < gridWidth; x++) {
        for (let plane = 0; plane < planes; plane++) {
          for (let p0 = 0; p0 < tubelet; p0++) {
            for (let p1 = 0; p1 < patch; p1++) {
              const frame = (t * tubelet + p0) * planes + plane
              table.push((frame * height + y * patch + p1) * gridWidth + x)
            }
          }
        }
      }
    }
  }
  const perPatch = planes * tubelet * patch
  const rows = context.once(`runs:${frames}:${tubelet}:${patch}`, () =>
    context.int64s(table, [table.length / perPatch, perPatch]),
  )
  const picked = context.emit('Gather', [rows, context.value(indices)], { axis: 0 })
  const flat = context.reshape(picked, [batch, tokens * perPatch, 1], context.isBatched(indices))
  const runs = time * planes * height * gridWidth
  const lines = context.reshape(context.value(frames), [batch, runs, run], context.isBatched(frames))
  return context.emit('GatherND', [lines, flat], { batch_dims: 1 })
}

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

  let cut: ValueName
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
  context.reshape(normalized(node, context, planes), [batch, tokens, values], batched, into)
}

/** uint8 [.., C, S] -> `(x / 255 - mean) / std` per channel. */
function normalized(node: ProgramNode, context: LoweringContext, planes: ValueName): ValueName {
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
  if (node.attributes.normalize !== true) {
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
  const centered = context.emit('Sub', [pixels, context.emit('MatMul', [mean, toPixels])])
  const squares = context.emit('MatMul', [context.emit('Mul', [centered, centered]), toChannels])
  const variance = context.scaled(squares, 1 / (perChannel - 1))
  // In units of 1 / 255, as the pixels are.
  const deviation = context.emit('Add', [context.emit('Sqrt', [variance]), context.float(255e-6)])
  const inverse = context.emit('MatMul', [context.emit('Reciprocal', [deviation]), toPixels])
  context.emit('Mul', [centered, inverse], {}, context.value(y))
}
