import type { TensorId } from '../../../graph/program.ts'
import type { LoweringContext, LoweringRule, Value } from './context.ts'

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
export function predictionError(context: LoweringContext, prediction: TensorId, target: TensorId): Value {
  return context.once(`error:${prediction}:${target}`, () =>
    context.emit('Sub', [context.value(prediction), context.value(target)]),
  )
}

export function totalWeight(context: LoweringContext, weight: TensorId): Value {
  return context.once(`total:${weight}`, () => context.emit('ReduceSum', [context.value(weight)], { keepdims: 0 }))
}
