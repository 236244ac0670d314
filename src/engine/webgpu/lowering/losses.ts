import type { LoweringRule } from '../../onnx/lowering/context.ts'

/** ONNX Runtime has no LogSoftmax on WebGPU: x - max - log(sum(exp(x - max))). */
export const softmaxCrossEntropy: LoweringRule = ({ inputs: [logits, targets], outputs: [loss] }, context) => {
  const largest = context.emit('ReduceMax', [context.value(logits)], { axes: [1], keepdims: 1 })
  const shifted = context.emit('Sub', [context.value(logits), largest])
  const sum = context.emit('ReduceSum', [context.emit('Exp', [shifted]), context.int64s([1])], { keepdims: 1 })
  const logarithms = context.emit('Sub', [shifted, context.emit('Log', [sum])])
  const products = context.emit('Mul', [logarithms, context.value(targets)])
  const perSample = context.emit('ReduceSum', [products, context.int64s([1])], { keepdims: 0 })
  const mean = context.emit('ReduceMean', [perSample], { axes: [0], keepdims: 0 })
  context.emit('Neg', [mean], {}, context.value(loss))
}
