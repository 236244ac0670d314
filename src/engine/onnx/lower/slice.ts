import { type LoweringRule, numberAttribute } from './context.ts'

export const slice: LoweringRule = (node, context) => {
  const start = numberAttribute(node, 'start')
  const bounds = [[start], [start + numberAttribute(node, 'size')], [numberAttribute(node, 'axis')]]
  const inputs = [context.value(node.inputs[0]), ...bounds.map((list) => context.int64s(list))]
  context.emit('Slice', inputs, {}, context.value(node.outputs[0]))
}
