import type { LoweringRule } from './context.ts'

export const softmax: LoweringRule = ({ inputs: [x], outputs: [y] }, context) => {
  context.emit('Softmax', [context.value(x)], { axis: -1 }, context.value(y))
}
