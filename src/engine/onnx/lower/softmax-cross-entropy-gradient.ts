import type { LoweringRule } from './context.ts'

export const softmaxCrossEntropyGradient: LoweringRule = ({ inputs, outputs: [dLogits] }, context) => {
  const [dLoss, logits, targets] = inputs
  const probabilities = context.emit('Softmax', [context.value(logits)], { axis: -1 })
  const mass = context.emit('ReduceSum', [context.value(targets), context.int64s([1])], { keepdims: 1 })
  const expected = context.emit('Mul', [probabilities, mass])
  const difference = context.emit('Sub', [expected, context.value(targets)])
  const factor = context.factor(dLoss, 1 / context.spec(logits).shape[0])
  context.emit('Mul', [difference, factor], {}, context.value(dLogits))
}
