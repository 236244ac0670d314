import { combineRows, oneHot } from '../../../numeric/linear-algebra.ts'
import type { LabeledRows } from '../../../numeric/ridge.ts'
import type { HeadDefinition } from './head-kind.ts'

/** The class with the nearest mean of its samples. */
export interface NearestMeanHead {
  /** Tells the kinds of heads apart. */
  readonly kind: 'nearest_mean'
}

export const nearestMean: HeadDefinition<NearestMeanHead, 'nearest_mean'> = {
  kind: 'nearest_mean',
  name: 'nearest_mean',
  options: [],
  resolve: () => ({ kind: 'nearest_mean' }),
  train: trainNearestMean,
  biasWithoutSamples: Number.NEGATIVE_INFINITY,
  work: ({ rows, depth }) => rows * depth,
}

/**
 * Nearest class mean as linear scores: m.x - |m|^2 / 2. A class without samples in this learner scores -infinity.
 *
 * @returns [classes, width + 1]
 */
function trainNearestMean(samples: LabeledRows): Float64Array {
  const { count, classes, width, inputs, labels } = samples
  const depth = width + 1
  const weights = combineRows(oneHot(labels, classes), inputs, count, classes, depth)
  for (let c = 0; c < classes; c++) {
    const row = weights.subarray(c * depth, (c + 1) * depth)
    const members = row[width] // the constant feature has counted them
    let square = 0
    for (let k = 0; k < width; k++) {
      row[k] = members === 0 ? 0 : row[k] / members
      square += row[k] * row[k]
    }
    row[width] = members === 0 ? Number.NEGATIVE_INFINITY : -square / 2
  }
  return weights
}
