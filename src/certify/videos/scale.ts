import { invalidArgument } from '../../core/errors.ts'
import { standardization } from '../../numeric/standardization.ts'

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

/**
 * Mean and standard deviation of each value over the rows.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for values that are no whole rows, or not finite
 */
export function measureScale({ features, rows, width }: Rows): FeatureScale {
  if (rows < 1 || features.length !== rows * width)
    throw invalidArgument('features', `${rows} x ${width} numbers, and at least one row`, features.length)
  const bad = features.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) throw invalidArgument(`features[${bad}]`, 'a finite number', features[bad])
  return standardization({ count: rows, width, row: (i) => features.subarray(i * width, (i + 1) * width) })
}

/**
 * Rows with the mean taken out and divided by the deviation, each on its own.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for a scale of another width
 */
export function applyScale<T extends Rows>(set: T, { mean, deviation }: FeatureScale): T {
  const { width } = set
  if (mean.length !== width || deviation.length !== width)
    throw invalidArgument('scale', `${width} means and deviations`, `${mean.length} and ${deviation.length}`)
  const features = set.features.map((value, i) => (value - mean[i % width]) / deviation[i % width])
  return { ...set, features }
}

interface Rows {
  /** [rows, width] */
  readonly features: Float32Array
  readonly rows: number
  readonly width: number
}
