import { elementCount } from '../../../graph/program.ts'
import type { LoweringRule } from './context.ts'
import { predictionError, totalWeight } from './mean-squared-error.ts'

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
