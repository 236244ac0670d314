import {
  accuracyOf,
  type FeatureRows,
  type LinearWeights,
  linearLogits,
  mergeViews,
  standardized,
  unstandardized,
} from '../inference/feature-rows.ts'
import { isBetter, type ValidationScores } from '../inference/scores.ts'
import { StatisticsCache, trainRidge } from '../numeric/ridge.ts'
import { standardization } from '../numeric/standardization.ts'
import { Matmul } from '../numeric/wasm/matmul.ts'
import { leaveVideosOut, ridgeRows } from './leave-out.ts'

export interface RidgeOptions {
  /** Strengths to choose from, per training row. Default 1e-4 to 10. */
  readonly lambdas?: readonly number[]
  /** Draws the rows that are left out where there are many. */
  readonly seed?: number
}

export interface RidgeResult extends LinearWeights {
  /** The chosen strength, per training row. */
  readonly lambda: number
  /** What scores are multiplied by, so that their softmax is calibrated on the videos it was chosen on. */
  readonly temperature: number
  /** Null without validation videos. */
  readonly validation: ValidationScores | null
  /** Scores of training videos by heads that never saw their group; null with validation videos, or where none can be left out. */
  readonly leftOut: ValidationScores | null
}

const defaultLambdas: readonly number[] = [1e-4, 1e-3, 1e-2, 0.1, 1, 10]
/** Without validation videos and with a single group. */
const fallback = { lambda: 0.1, temperature: 8 }

/**
 * Ridge regression on one-hot targets in closed form, float64, with the solver that the certificates use. Rows are
 * standardized first. The strength is the one with the highest accuracy (then the lowest loss) on the validation videos or,
 * without any, on training videos by heads that never saw their group (`leaveVideosOut`), at the factor that turns its scores
 * into calibrated probabilities. The factor has the lowest loss against smoothed targets: n videos are counted with one more of
 * every class, as Platt (1999) does, since a few videos that all are right would otherwise ask for probabilities of 1. Where no
 * training video can be left out, both are fixed.
 *
 * @throws VideoMaeError `RIDGE_SINGULAR`
 */
export function trainRidgeHead(
  train: FeatureRows,
  validation: FeatureRows | null,
  classes: number,
  { lambdas = defaultLambdas, seed = 0 }: RidgeOptions = {},
): RidgeResult {
  const statistics = standardization(train)
  const samples = ridgeRows(standardized(train, statistics), classes)
  const { count, width } = samples
  const matmul = new Matmul('f64')
  const cache = new StatisticsCache(1)
  const solve = (lambda: number): LinearWeights => {
    const solution = trainRidge(samples, lambda * count, matmul, cache)
    const weight = new Float32Array(classes * width)
    const bias = new Float32Array(classes)
    for (let c = 0; c < classes; c++) {
      weight.set(solution.subarray(c * (width + 1), c * (width + 1) + width), c * width)
      bias[c] = solution[c * (width + 1) + width]
    }
    return unstandardized({ weight, bias }, statistics)
  }
  const unchosen = { validation: null, leftOut: null }
  if (validation === null || validation.videos.length === 0) {
    const best = bestLeftOut(train, classes, lambdas, seed)
    const { lambda, temperature } = best ?? fallback
    return { ...scaled(solve(lambda), temperature), lambda, temperature, ...unchosen, leftOut: best?.scores ?? null }
  }
  let best: RidgeResult | null = null
  for (const lambda of lambdas) {
    const head = solve(lambda)
    const logits = Array.from({ length: validation.count }, (_, i) => linearLogits(head, validation.row(i)))
    const { temperature, scores } = calibrated(validation, logits, classes)
    if (isBetter(scores, best?.validation ?? null))
      best = { ...scaled(head, temperature), lambda, temperature, ...unchosen, validation: scores }
  }
  return best!
}

/** A strength, the factor of its scores, and what heads of this strength say about videos that they never saw. */
interface Chosen {
  readonly lambda: number
  readonly temperature: number
  readonly scores: ValidationScores
  /** That the scores are of. */
  readonly videos: number
}

/**
 * The best strength by leaving out groups of training videos.
 *
 * @returns null where all videos belong together, or each class is in one group only
 * @throws VideoMaeError `RIDGE_SINGULAR`
 */
export function bestLeftOut(
  train: FeatureRows,
  classes: number,
  lambdas: readonly number[] = defaultLambdas,
  seed = 0,
): Chosen | null {
  const left = leaveVideosOut(train, classes, lambdas, { seed })
  if (left === null) return null
  let best: Chosen | null = null
  for (const [l, lambda] of lambdas.entries()) {
    const found = calibrated(left.rows, left.scores[l], classes)
    if (isBetter(found.scores, best?.scores ?? null)) best = { lambda, videos: left.rows.videos.length, ...found }
  }
  return best
}

/** The factor with the lowest loss, and accuracy and loss with it. */
function calibrated(
  rows: FeatureRows,
  logits: readonly Float64Array[],
  classes: number,
): { readonly temperature: number; readonly scores: ValidationScores } {
  const mergedAt = (factor: number) => mergeViews(rows, (i) => logits[i].map((value) => value * factor), classes)
  const temperature = bestFactor((factor) => smoothedLoss(rows, mergedAt(factor)))
  return { temperature, scores: accuracyOf(rows, mergedAt(temperature)) }
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
