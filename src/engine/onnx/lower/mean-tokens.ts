import type { LoweringRule } from './context.ts'

export const meanTokens: LoweringRule = ({ inputs: [x], outputs: [y] }, context) => {
  context.emit('ReduceMean', [context.value(x)], { axes: [1], keepdims: 0 }, context.value(y))
}
