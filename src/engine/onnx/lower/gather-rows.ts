import type { LoweringRule } from './context.ts'

export const gatherRows: LoweringRule = ({ inputs: [table, indices], outputs: [y] }, context) => {
  context.emit('Gather', [context.value(table), context.value(indices)], { axis: 0 }, context.value(y))
}
