import {
  accuracyOf,
  type FeatureRows,
  type LinearWeights,
  linearLogits,
  mergeViews,
  standardisation,
  standardised,
  unstandardised,
} from '../inference/feature-rows.ts'
import { isBetter, type ValidationScores } from '../inference/scores.ts'
import { StatisticsCache, trainRidge } from '../numeric/ridge.ts'
import { DenseProduct } from '../numeric/wasm/product.ts'

export interface RidgeOptions {
  /** Strengths to choose from on the validation videos, per training row. Default 1e-4 to 10. */
  readonly lambdas?: readonly number[]
}

export interface RidgeResult extends LinearWeights {
  /** The chosen strength, per training row. */
  readonly lambda: number
  /** What scores are multiplied by, so that their softmax is calibrated on the validation videos. */
  readonly temperature: number
  /** Null without validation videos. */
  readonly validation: ValidationScores | null
}

const defaultLambdas: readonly number[] = [1e-4, 1e-3, 1e-2, 0.1, 1, 10]
/** Without validation videos. */
const fallback = { lambda: 0.1, temperature: 8 }

/**
 * Ridge regression on one-hot targets in closed form, float64, with the solver that the certificates use. Rows are
 * standardised first. The strength is the one with the highest validation accuracy (then the lowest loss), at the factor
 * that turns its scores into calibrated probabilities. The factor has the lowest validation loss against smoothed targets:
 * n videos are counted with one more of every class, as Platt (1999) does, since a few videos that all are right would
 * otherwise ask for probabilities of 1. Without validation videos both are fixed.
 */
export function trainRidgeHead(
  train: FeatureRows,
  validation: FeatureRows | null,
  classes: number,
  { lambdas = defaultLambdas }: RidgeOptions = {},
): RidgeResult {
  const statistics = standardisation(train)
  const rows = standardised(train, statistics)
  const { count, width } = rows
  const inputs = new Float64Array(count * (width + 1))
  for (let i = 0; i < count; i++) {
    inputs.set(rows.row(i), i * (width + 1))
    inputs[i * (width + 1) + width] = 1
  }
  const samples = { count, width, classes, inputs, labels: train.labels, bucketSizes: [count], buckets: [0] }
  const product = new DenseProduct('f64')
  const cache = new StatisticsCache(1)
  const solve = (lambda: number): LinearWeights => {
    const solution = trainRidge(samples, lambda * count, product, cache)
    const weight = new Float32Array(classes * width)
    const bias = new Float32Array(classes)
    for (let c = 0; c < classes; c++) {
      weight.set(solution.subarray(c * (width + 1), c * (width + 1) + width), c * width)
      bias[c] = solution[c * (width + 1) + width]
    }
    return unstandardised({ weight, bias }, statistics)
  }
  if (validation === null || validation.videos.length === 0) {
    const { lambda, temperature } = fallback
    return { ...scaled(solve(lambda), temperature), lambda, temperature, validation: null }
  }
  let best: RidgeResult | null = null
  for (const lambda of lambdas) {
    const head = solve(lambda)
    const logits = Array.from({ length: validation.count }, (_, i) => linearLogits(head, validation.row(i)))
    const mergedAt = (factor: number) =>
      mergeViews(validation, (i) => logits[i].map((value) => value * factor), classes)
    const temperature = bestFactor((factor) => smoothedLoss(validation, mergedAt(factor)))
    const scores = accuracyOf(validation, mergedAt(temperature))
    if (isBetter(scores, best?.validation ?? null))
      best = { ...scaled(head, temperature), lambda, temperature, validation: scores }
  }
  return best!
}

function scaled({ weight, bias }: LinearWeights, factor: number): LinearWeights {
  return { weight: weight.map((value) => value * factor), bias: bias.map((value) => value * factor) }
}

/** Mean cross entropy, nats, where `classes` of (n + `classes`) parts of a target are spread over all classes alike. */
function smoothedLoss({ videos }: FeatureRows, merged: readonly Float64Array[]): number {
  let loss = 0
  for (const [v, video] of videos.entries()) {
    const spread = 1 / (videos.length + merged[v].length)
    for (const [c, probability] of merged[v].entries()) {
      const target = spread * (c === video.class ? 1 + videos.length : 1)
      loss -= target * Math.log(Math.max(probability, 1e-12))
    }
  }
  return loss / videos.length
}

/** The factor from 0.1 to 100 with the lowest loss, by golden section on its logarithm. */
function bestFactor(loss: (factor: number) => number): number {
  const golden = (Math.sqrt(5) - 1) / 2
  let [low, high] = [Math.log(0.1), Math.log(100)]
  let [a, b] = [high - golden * (high - low), low + golden * (high - low)]
  let [lossA, lossB] = [loss(Math.exp(a)), loss(Math.exp(b))]
  for (let i = 0; i < 24; i++) {
    if (lossA < lossB) {
      high = b
      ;[b, lossB] = [a, lossA]
      a = high - golden * (high - low)
      lossA = loss(Math.exp(a))
    } else {
      low = a
      ;[a, lossA] = [b, lossB]
      b = low + golden * (high - low)
      lossB = loss(Math.exp(b))
    }
  }
  return Math.exp((low + high) / 2)
}
