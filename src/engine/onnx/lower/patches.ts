import type { PatchGrid } from '../../../graph/operations/patches.ts'
import type { TensorId } from '../../../graph/program.ts'
import type { LoweringContext, Value } from './context.ts'

/**
 * Cuts frames along their runs of contiguous pixels and picks the runs of the wanted patches, so that bytes are copied
 * in blocks and only for patches that are needed.
 *
 * @param channelsFirst frames [B, T, C, H, W] with runs of `patch` values in the order (c, p0, p1) per patch; else frames
 *   [B, T, H, W, C] with runs of `patch * C` values in the order (p0, p1)
 * @param indices int32 [B, M]
 * @returns [B, M * runs per patch, run]
 */
export function gatherPatchRuns(
  context: LoweringContext,
  frames: TensorId,
  indices: TensorId,
  sizes: PatchGrid,
  { tubelet, patch }: { readonly tubelet: number; readonly patch: number },
  channelsFirst: boolean,
): Value {
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
