import type { TensorId } from '../../../graph/program.ts'
import { type LoweringContext, type LoweringRule, numberAttribute, type ValueName } from './context.ts'

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

/** `dx = inverse * (dy gamma - average(dy gamma) - n average(dy n gamma))`; the averages are products with gamma / D. */
export const layerNormGradient: LoweringRule = ({ inputs, outputs: [dx, dgamma, dbeta] }, context) => {
  const [dyTensor, x, gammaTensor, mean, inverseTensor] = inputs
  const dy = context.value(dyTensor)
  const gamma = context.value(gammaTensor)
  const { shape } = context.spec(x)
  const width = shape[shape.length - 1]
  const inverse = column(context, inverseTensor)
  // Not before dy is there: this would keep a second tensor of x's size from the forward pass on.
  const late = context.after([dy], context.value(x), shape, context.isBatched(x))
  const centered = context.emit('Sub', [late, column(context, mean)])
  const normalized = context.emit('Mul', [centered, inverse])
  const product = context.emit('Mul', [dy, normalized])
  if (context.isRead(dgamma)) {
    context.sumRows(context.emit('Reshape', [product, context.int64s([-1, width])]), x, context.value(dgamma))
    context.computeSoon(context.value(dgamma))
  }
  if (context.isRead(dbeta)) {
    context.sumRows(context.rows(dyTensor), dyTensor, context.value(dbeta))
    context.computeSoon(context.value(dbeta))
  }
  if (!context.isRead(dx)) return
  const weights = context.once(`average:${gammaTensor}`, () =>
    context.emit('Reshape', [context.scaled(gamma, 1 / width), context.int64s([width, 1])]),
  )
  const average = context.emit('MatMul', [dy, weights])
  const slope = context.emit('MatMul', [product, weights])
  const along = context.emit('Mul', [normalized, slope])
  const across = context.emit('Sub', [context.emit('Mul', [dy, gamma]), average])
  context.emit('Mul', [context.emit('Sub', [across, along]), inverse], {}, context.value(dx))
}

/** A statistic [...] of each row as [..., 1]. */
function column(context: LoweringContext, tensor: TensorId): ValueName {
  return context.once(`column:${tensor}`, () =>
    context.reshape(context.value(tensor), [...context.spec(tensor).shape, 1], context.isBatched(tensor)),
  )
}
