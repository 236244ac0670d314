import { elementCount, type TensorId } from '../../../graph/program.ts'
import type { LoweringContext, LoweringRule, ValueName } from './context.ts'

export const meanSquaredError: LoweringRule = ({ inputs, outputs: [loss] }, context) => {
  const [prediction, target, weight] = inputs
  const difference = predictionError(context, prediction, target)
  const squares = context.emit('Mul', [difference, difference])
  const perToken = context.emit('ReduceMean', [squares], { axes: [2], keepdims: 0 })
  if (weight === undefined) {
    context.emit('ReduceMean', [perToken], { keepdims: 0 }, context.value(loss))
    return
  }
  const weighted = context.emit('Mul', [perToken, context.value(weight)])
  const sum = context.emit('ReduceSum', [weighted], { keepdims: 0 })
  context.emit('Div', [sum, totalWeight(context, weight)], {}, context.value(loss))
}

/** prediction - target, which loss and gradient share. */
function predictionError(context: LoweringContext, prediction: TensorId, target: TensorId): ValueName {
  return context.once(`error:${prediction}:${target}`, () =>
    context.emit('Sub', [context.value(prediction), context.value(target)]),
  )
}

function totalWeight(context: LoweringContext, weight: TensorId): ValueName {
  return context.once(`total:${weight}`, () => context.emit('ReduceSum', [context.value(weight)], { keepdims: 0 }))
}

export const meanSquaredErrorGradient: LoweringRule = ({ inputs, outputs: [dPrediction] }, context) => {
  const [dLoss, prediction, target, weight] = inputs
  const { shape } = context.spec(prediction)
  const difference = predictionError(context, prediction, target)
  const into = context.value(dPrediction)
  if (weight === undefined) {
    context.emit('Mul', [difference, context.factor(dLoss, 2 / elementCount(shape))], {}, into)
    return
  }
  const scale = context.emit('Div', [context.factor(dLoss, 2 / shape[2]), totalWeight(context, weight)])
  const shares = context.emit('Mul', [context.value(weight), scale])
  context.emit('Mul', [difference, context.emit('Unsqueeze', [shares, context.int64s([2])])], {}, into)
}

export const softmax: LoweringRule = ({ inputs: [x], outputs: [y] }, context) => {
  context.emit('Softmax', [context.value(x)], { axis: -1 }, context.value(y))
}

export const softmaxCrossEntropy: LoweringRule = ({ inputs: [logits, targets], outputs: [loss] }, context) => {
  const logarithms = context.emit('LogSoftmax', [context.value(logits)], { axis: -1 })
  const products = context.emit('Mul', [logarithms, context.value(targets)])
  const perSample = context.emit('ReduceSum', [products, context.int64s([1])], { keepdims: 0 })
  const mean = context.emit('ReduceMean', [perSample], { axes: [0], keepdims: 0 })
  context.emit('Neg', [mean], {}, context.value(loss))
}

export const softmaxCrossEntropyGradient: LoweringRule = ({ inputs, outputs: [dLogits] }, context) => {
  const [dLoss, logits, targets] = inputs
  const probabilities = context.emit('Softmax', [context.value(logits)], { axis: -1 })
  const mass = context.emit('ReduceSum', [context.value(targets), context.int64s([1])], { keepdims: 1 })
  const expected = context.emit('Mul', [probabilities, mass])
  const difference = context.emit('Sub', [expected, context.value(targets)])
  const factor = context.factor(dLoss, 1 / context.spec(logits).shape[0])
  context.emit('Mul', [difference, factor], {}, context.value(dLogits))
}
