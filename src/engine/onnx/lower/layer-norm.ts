import { type LoweringRule, numberAttribute } from './context.ts'

/** Mean and inverse deviation come out as columns [..., 1]; the gradient takes them as they are. */
export const layerNorm: LoweringRule = (node, context) => {
  const [y, mean, inverse] = node.outputs
  const columns = [mean, inverse].map((tensor) => {
    const column = context.fresh('column')
    context.keep(`column:${tensor}`, column)
    return column
  })
  const attributes = { axis: -1, epsilon: { float: numberAttribute(node, 'epsilon') } }
  const inputs = node.inputs.map((input) => context.value(input))
  context.emitMany('LayerNormalization', inputs, attributes, [context.value(y), ...columns])
  for (const [i, tensor] of [mean, inverse].entries()) {
    if (!context.isRead(tensor)) continue
    context.reshape(columns[i], context.spec(tensor).shape, context.isBatched(tensor), context.value(tensor))
  }
}
