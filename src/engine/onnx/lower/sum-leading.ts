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
