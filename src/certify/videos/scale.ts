import { standardisation } from '../../inference/feature-rows.ts'

/**
 * Mean and deviation of features over videos out of the attacker's reach. Heads learn faster on values of one size, but a
 * statistic of the protected set would tie all learners together; one of trusted videos is a part of the encoder.
 */
export interface FeatureScale {
  /** [width] */
  readonly mean: Float64Array
  /** [width]; 1 where a value is constant */
  readonly deviation: Float64Array
}

export function measureScale({ features, rows, width }: Rows): FeatureScale {
  return standardisation({ count: rows, width, row: (i) => features.subarray(i * width, (i + 1) * width) })
}

/** Rows with the mean taken out and divided by the deviation, each on its own. */
export function applyScale<T extends Rows>(set: T, { mean, deviation }: FeatureScale): T {
  const { width } = set
  const features = set.features.map((value, i) => (value - mean[i % width]) / deviation[i % width])
  return { ...set, features }
}

interface Rows {
  /** [rows, width] */
  readonly features: Float32Array
  readonly rows: number
  readonly width: number
}
