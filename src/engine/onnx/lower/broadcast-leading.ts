import type { LoweringRule } from './context.ts'

/** With a symbolic batch, a first size equal to the program's batch becomes the batch of the run. */
export const broadcastLeading: LoweringRule = ({ inputs: [x], outputs: [y] }, context) => {
  context.emit('Expand', [context.value(x), context.runtimeShape(context.spec(y).shape)], {}, context.value(y))
}
