import type { LoweringRule } from './context.ts'

export const softmaxCrossEntropy: LoweringRule = ({ inputs: [logits, targets], outputs: [loss] }, context) => {
  const logarithms = context.emit('LogSoftmax', [context.value(logits)], { axis: -1 })
  const products = context.emit('Mul', [logarithms, context.value(targets)])
  const perSample = context.emit('ReduceSum', [products, context.int64s([1])], { keepdims: 0 })
  const mean = context.emit('ReduceMean', [perSample], { axes: [0], keepdims: 0 })
  context.emit('Neg', [mean], {}, context.value(loss))
}
