import type { ProgramNode } from '../../../graph/program.ts'
import { f32, type Lowering, optional, u32, value } from './lowering.ts'

export function lowerMeanSquaredError(lowering: Lowering, { inputs, outputs: [loss] }: ProgramNode): void {
  const [prediction, target, weight] = inputs
  const type = lowering.join([prediction, target])
  const [a, b] = [lowering.read(prediction, type), lowering.read(target, type)]
  const weights = weight === undefined ? null : lowering.read(weight, 'float32')
  const [batch, tokens, width] = lowering.shape(prediction)
  const rows = batch * tokens
  const blocks = Math.min(rows, lowering.context.multiprocessors * 8)
  const partial = lowering.temporary(2 * blocks, 'float32')
  lowering.launch({
    kernel: 'mean-squared-error',
    entry: 'squaredErrorPartials',
    element: type,
    grid: [blocks, 1, 1],
    block: [128, 1],
    arguments: [value(partial), value(a), value(b), optional(weights), u32(rows), u32(width)],
  })
  lowering.launch({
    kernel: 'mean-squared-error',
    entry: 'squaredErrorLoss',
    element: type,
    grid: [1, 1, 1],
    block: [256, 1],
    arguments: [value(lowering.write(loss, 'float32')), value(partial), u32(blocks), u32(width)],
  })
}

export function lowerMeanSquaredErrorGradient(lowering: Lowering, { inputs, outputs: [dx] }: ProgramNode): void {
  const [dLoss, prediction, target, weight] = inputs
  const type = lowering.join([prediction, target])
  const scalar = lowering.read(dLoss, 'float32')
  const [a, b] = [lowering.read(prediction, type), lowering.read(target, type)]
  const [batch, tokens, width] = lowering.shape(prediction)
  const rows = batch * tokens
  const weights = weight === undefined ? null : lowering.read(weight, 'float32')
  const weightSum = weights === null ? null : lowering.temporary(1, 'float32')
  if (weights !== null && weightSum !== null) {
    lowering.launch({
      kernel: 'mean-squared-error',
      entry: 'sumAll',
      element: type,
      grid: [1, 1, 1],
      block: [256, 1],
      arguments: [value(weightSum), value(weights), u32(rows), f32(1)],
    })
  }
  lowering.each('mean-squared-error', 'squaredErrorGradient', type, rows * width, lowering.pack(type), [
    ...[lowering.write(dx, type), scalar, a, b].map((id) => value(id)),
    ...[optional(weights), optional(weightSum)],
    ...[rows, width].map(u32),
  ])
}

/** Classification losses are float32: they are small, and logits may be large. */
export function lowerSoftmaxCrossEntropy(lowering: Lowering, { inputs, outputs: [loss] }: ProgramNode): void {
  const [logits, targets] = inputs.map((tensor) => lowering.read(tensor, 'float32'))
  const [rows, width] = lowering.shape(inputs[0])
  const losses = lowering.temporary(rows, 'float32')
  lowering.launch({
    kernel: 'softmax',
    entry: 'crossEntropyRows',
    grid: [rows, 1, 1],
    block: [128, 1],
    arguments: [...[losses, logits, targets].map((id) => value(id)), u32(width)],
  })
  lowering.launch({
    kernel: 'mean-squared-error',
    entry: 'sumAll',
    element: lowering.precision,
    grid: [1, 1, 1],
    block: [256, 1],
    arguments: [value(lowering.write(loss, 'float32')), value(losses), u32(rows), f32(1 / rows)],
  })
}

export function lowerSoftmaxCrossEntropyGradient(lowering: Lowering, { inputs, outputs: [dx] }: ProgramNode): void {
  const read = inputs.map((tensor) => lowering.read(tensor, 'float32'))
  const [rows, width] = lowering.shape(inputs[1])
  lowering.launch({
    kernel: 'softmax',
    entry: 'crossEntropyGradient',
    grid: [rows, 1, 1],
    block: [128, 1],
    arguments: [...[lowering.write(dx, 'float32'), ...read].map((id) => value(id)), u32(rows), u32(width)],
  })
}

export function lowerSoftmax(lowering: Lowering, { inputs: [x], outputs: [y] }: ProgramNode): void {
  const from = lowering.read(x, 'float32')
  const shape = lowering.shape(x)
  const width = shape[shape.length - 1]
  lowering.launch({
    kernel: 'softmax',
    entry: 'softmax',
    grid: [lowering.count(x) / width, 1, 1],
    block: [128, 1],
    arguments: [value(lowering.write(y, 'float32')), value(from), u32(width)],
  })
}
