import type { LoweringRule } from './context.ts'

/** GatherND with the batch as its own axis copies whole rows. */
export const gatherTokens: LoweringRule = ({ inputs: [x, indices], outputs: [y] }, context) => {
  context.emit('GatherND', [context.value(x), context.indices(indices)], { batch_dims: 1 }, context.value(y))
}
