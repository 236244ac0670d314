import { type LoweringRule, numberAttribute } from './context.ts'

export const scale: LoweringRule = (node, context) => {
  context.scaled(context.value(node.inputs[0]), numberAttribute(node, 'factor'), context.value(node.outputs[0]))
}
