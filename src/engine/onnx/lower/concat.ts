import { type LoweringRule, numberAttribute } from './context.ts'

export const concat: LoweringRule = (node, context) => {
  const parts = node.inputs.map((input) => context.value(input))
  context.emit('Concat', parts, { axis: numberAttribute(node, 'axis') }, context.value(node.outputs[0]))
}
