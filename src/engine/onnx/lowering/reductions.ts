import { type LoweringRule, numberAttribute } from './context.ts'

export const sumLeading: LoweringRule = (node, context) => {
  const [x] = node.inputs
  const axes = context.spec(x).shape.length - numberAttribute(node, 'keep')
  const into = context.value(node.outputs[0])
  if (axes === 0) context.emit('Identity', [context.value(x)], {}, into)
  else {
    const list = context.int64s(Array.from({ length: axes }, (_, axis) => axis))
    context.emit('ReduceSum', [context.value(x), list], { keepdims: 0 }, into)
  }
}

/** With a symbolic batch, a first size equal to the program's batch becomes the batch of the run. */
export const broadcastLeading: LoweringRule = ({ inputs: [x], outputs: [y] }, context) => {
  context.emit('Expand', [context.value(x), context.runtimeShape(context.spec(y).shape)], {}, context.value(y))
}

export const meanTokens: LoweringRule = ({ inputs: [x], outputs: [y] }, context) => {
  context.emit('ReduceMean', [context.value(x)], { axes: [1], keepdims: 0 }, context.value(y))
}

export const meanTokensGradient: LoweringRule = (node, context) => {
  const [dy] = node.inputs
  const [dx] = node.outputs
  const share = context.scaled(context.value(dy), 1 / numberAttribute(node, 'tokens'))
  const column = context.emit('Unsqueeze', [share, context.int64s([1])])
  context.emit('Expand', [column, context.runtimeShape(context.spec(dx).shape)], {}, context.value(dx))
}
