/**
 * Multinomial logistic regression by accelerated full-batch gradient steps (Nesterov 1983), from zero, for a constant
 * number of steps.
 *
 * Few samples: the weights stay in the span of the samples, W = X'A, so the steps run on A with the Gram matrix: count^2
 * instead of 2 count width products a step, exactly the same iterates in exact arithmetic. Otherwise on W itself. Which of
 * the two depends on the learner's own size only.
 */

import { requireCount } from '../../../core/counts.ts'
import { invalidArgument } from '../../../core/errors.ts'
import { combineRows, transpose } from '../../../numeric/linear-algebra.ts'
import type { LabeledRows } from '../../../numeric/ridge.ts'
import { gramOfRows } from '../../../numeric/ridge.ts'
import type { Matmul } from '../../../numeric/wasm/matmul.ts'
import type { HeadDefinition } from './head-kind.ts'

/** Multinomial logistic regression: full batch, a fixed number of accelerated gradient steps from zero. */
export interface SoftmaxHead {
  /** Tells the kinds of heads apart. */
  readonly kind: 'softmax'
  /** Default 100. Constant: a stopping rule on pooled data would couple the learners. */
  readonly steps?: number
  /** In units of the inverse curvature bound of the learner's own samples. Default 1. */
  readonly learningRate?: number
  /** Default 0.001. */
  readonly weightDecay?: number
}

type SoftmaxOptions = Required<SoftmaxHead>

export const softmaxHead: HeadDefinition<SoftmaxHead, 'linear'> = {
  kind: 'softmax',
  name: 'linear',
  options: [],
  resolve({ steps = 100, learningRate = 1, weightDecay = 0.001 }) {
    requireCount('steps', steps, 'head.steps')
    if (!(learningRate > 0 && Number.isFinite(learningRate)))
      throw invalidArgument('head.learningRate', 'a positive number', learningRate)
    if (!(weightDecay >= 0 && Number.isFinite(weightDecay)))
      throw invalidArgument('head.weightDecay', 'a non-negative number', weightDecay)
    return { kind: 'softmax', steps, learningRate, weightDecay }
  },
  // Over the learner's own classes only: the others would change it.
  train(samples, own, options, { matmul }) {
    const depth = samples.width + 1
    const labels = samples.labels.map((label) => own.indexOf(label))
    const trained = trainSoftmax({ ...samples, classes: own.length, labels }, options, matmul)
    const weights = new Float64Array(samples.classes * depth)
    for (let c = 0; c < samples.classes; c++) weights[c * depth + samples.width] = Number.NEGATIVE_INFINITY
    for (const [i, c] of own.entries()) weights.set(trained.subarray(i * depth, (i + 1) * depth), c * depth)
    return weights
  },
  biasWithoutSamples: Number.NEGATIVE_INFINITY,
  work: ({ rows, classes, perLearner, depth }, { steps }) => steps * rows * classes * Math.min(perLearner, 2 * depth),
}

/** @returns [classes, width + 1] */
function trainSoftmax(samples: LabeledRows, options: SoftmaxOptions, matmul: Matmul<'f64'>): Float64Array {
  const depth = samples.width + 1
  return samples.count <= 2 * depth ? trainDual(samples, options, matmul) : trainPrimal(samples, options, matmul)
}

/** Step length: the mean cross-entropy has curvature at most half the mean squared length of the samples. */
function stepLength(samples: LabeledRows, options: SoftmaxOptions): number {
  let square = 0
  for (const value of samples.inputs) square += value * value
  return options.learningRate / ((0.5 * square) / samples.count + options.weightDecay)
}

function trainDual(samples: LabeledRows, options: SoftmaxOptions, matmul: Matmul<'f64'>): Float64Array {
  const { count, classes, inputs, labels } = samples
  const depth = samples.width + 1
  const { gram, stride: gramStride } = gramOfRows(matmul, inputs, count, depth)
  const dense = new Float64Array(count * count)
  for (let i = 0; i < count; i++) dense.set(gram.subarray(i * gramStride, i * gramStride + count), i * count)
  const [left, right, scores] = matmul.reserve(
    matmul.leftLength(count, count),
    matmul.rightLength(classes, count),
    matmul.outputLength(count, classes),
  )
  matmul.packLeft(left, count, count, dense)
  const stride = matmul.outputStride(classes)

  // Transposed throughout, [classes, count]: what the product packs.
  const current = new Float64Array(classes * count)
  const ahead = new Float64Array(classes * count)
  const step = stepLength(samples, options)
  for (let t = 0; t < options.steps; t++) {
    matmul.packRight(right, classes, count, ahead)
    matmul.run(left, right, scores, count, count, classes)
    residuals(scores, stride, labels, count, classes)
    const momentum = t / (t + 3)
    for (let c = 0; c < classes; c++) {
      for (let i = 0; i < count; i++) {
        const at = c * count + i
        const next = ahead[at] - step * (scores[i * stride + c] / count + options.weightDecay * ahead[at])
        ahead[at] = next + momentum * (next - current[at])
        current[at] = next
      }
    }
  }
  return combineRows(transpose(current, classes, count), inputs, count, classes, depth)
}

function trainPrimal(samples: LabeledRows, options: SoftmaxOptions, matmul: Matmul<'f64'>): Float64Array {
  const { count, classes, inputs, labels } = samples
  const depth = samples.width + 1
  const [rows, columns, weights, scores, errors, gradient] = matmul.reserve(
    matmul.leftLength(count, depth),
    matmul.leftLength(depth, count),
    matmul.rightLength(classes, depth),
    matmul.outputLength(count, classes),
    matmul.rightLength(classes, count),
    matmul.outputLength(depth, classes),
  )
  matmul.packLeft(rows, count, depth, inputs)
  matmul.packLeft(columns, depth, count, transpose(inputs, count, depth))
  const stride = matmul.outputStride(classes)
  const current = new Float64Array(classes * depth)
  const ahead = new Float64Array(classes * depth)
  const errorRows = new Float64Array(classes * count)
  const step = stepLength(samples, options)
  for (let t = 0; t < options.steps; t++) {
    matmul.packRight(weights, classes, depth, ahead)
    matmul.run(rows, weights, scores, count, depth, classes)
    residuals(scores, stride, labels, count, classes)
    for (let c = 0; c < classes; c++)
      for (let i = 0; i < count; i++) errorRows[c * count + i] = scores[i * stride + c] / count
    matmul.packRight(errors, classes, count, errorRows)
    matmul.run(columns, errors, gradient, depth, count, classes)
    const momentum = t / (t + 3)
    for (let c = 0; c < classes; c++) {
      for (let k = 0; k < depth; k++) {
        const at = c * depth + k
        const next = ahead[at] - step * (gradient[k * stride + c] + options.weightDecay * ahead[at])
        ahead[at] = next + momentum * (next - current[at])
        current[at] = next
      }
    }
  }
  return current
}

/** Turns scores [count, stride] into softmax(scores) - onehot(label), in place. */
function residuals(scores: Float64Array, stride: number, labels: Int32Array, count: number, classes: number): void {
  for (let i = 0; i < count; i++) {
    const row = i * stride
    let most = Number.NEGATIVE_INFINITY
    for (let c = 0; c < classes; c++) most = Math.max(most, scores[row + c])
    let sum = 0
    for (let c = 0; c < classes; c++) {
      scores[row + c] = Math.exp(scores[row + c] - most)
      sum += scores[row + c]
    }
    for (let c = 0; c < classes; c++) scores[row + c] = scores[row + c] / sum - (c === labels[i] ? 1 : 0)
  }
}
