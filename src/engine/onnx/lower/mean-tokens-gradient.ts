import { type LoweringRule, numberAttribute } from './context.ts'

export const meanTokensGradient: LoweringRule = (node, context) => {
  const [dy] = node.inputs
  const [dx] = node.outputs
  const share = context.scaled(context.value(dy), 1 / numberAttribute(node, 'tokens'))
  const column = context.emit('Unsqueeze', [share, context.int64s([1])])
  context.emit('Expand', [column, context.runtimeShape(context.spec(dx).shape)], {}, context.value(dx))
}
