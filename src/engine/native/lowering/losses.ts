import type { ProgramNode } from '../../../graph/program.ts'
import { integer, type Lowering, optional, typed, value } from './lowering.ts'

export function lowerMeanSquaredError(lowering: Lowering, { inputs, outputs: [loss] }: ProgramNode): void {
  const [prediction, target, weight] = inputs
  const type = lowering.join([prediction, target])
  const read = [lowering.read(prediction, type), lowering.read(target, type)].map((id) => value(id))
  const weights = optional(weight === undefined ? null : lowering.read(weight, 'float32'))
  const [batch, tokens, width] = lowering.shape(prediction)
  const parts = Math.min(lowering.rowParts, batch * tokens)
  const partial = value(lowering.memory(parts * 2 * 8))
  const sizes = [batch * tokens, width].map(integer)
  lowering.step(typed('squared_error', type), [partial, ...read, weights, ...sizes], parts)
  const result = value(lowering.write(loss, 'float32'))
  lowering.step('squared_error_loss', [result, partial, ...[parts, width].map(integer)], 1)
}

export function lowerMeanSquaredErrorGradient(lowering: Lowering, { inputs, outputs: [dx] }: ProgramNode): void {
  const [dLoss, prediction, target, weight] = inputs
  const type = lowering.join([prediction, target])
  const scalar = lowering.read(dLoss, 'float32')
  const read = [scalar, lowering.read(prediction, type), lowering.read(target, type)]
  const weights = optional(weight === undefined ? null : lowering.read(weight, 'float32'))
  const [batch, tokens, width] = lowering.shape(prediction)
  const tensors = [lowering.write(dx, type), ...read].map((id) => value(id))
  lowering.step(typed('squared_error_gradient', type), [...tensors, weights, ...[batch * tokens, width].map(integer)])
}

/** Losses of classification are float32: they are small, and logits may be large. Inputs: (dLoss,) logits, targets. */
export function lowerCrossEntropy(lowering: Lowering, { operation, inputs, outputs: [result] }: ProgramNode): void {
  const read = inputs.map((tensor) => lowering.read(tensor, 'float32'))
  const sizes = lowering.shape(inputs[inputs.length - 1]).map(integer)
  const list = [...[lowering.write(result, 'float32'), ...read].map((id) => value(id)), ...sizes]
  if (operation === 'softmaxCrossEntropy') lowering.step('cross_entropy', list, 1)
  else lowering.step('cross_entropy_gradient', list)
}

export function lowerSoftmax(lowering: Lowering, { inputs: [x], outputs: [y] }: ProgramNode): void {
  const from = lowering.read(x, 'float32')
  const shape = lowering.shape(x)
  const width = shape[shape.length - 1]
  const tensors = [lowering.write(y, 'float32'), from].map((id) => value(id))
  lowering.step('softmax', [...tensors, integer(lowering.count(x) / width), integer(width)])
}
