/** Rows of one width, read one at a time. */
export interface Rows {
  readonly count: number
  /** Values of a row. */
  readonly width: number
  /** Row i, [width]. */
  row(i: number): ArrayLike<number>
}

/** What is taken out of each column of rows, and what it is divided by. */
export interface Standardization {
  /** [width] */
  readonly mean: Float64Array
  /** [width], never 0 */
  readonly deviation: Float64Array
}

/** Mean and deviation of each column over all rows, so that a head sees values of one size; a constant has deviation 1. */
export function standardization(rows: Rows): Standardization {
  const { count, width } = rows
  const mean = new Float64Array(width)
  const deviation = new Float64Array(width)
  for (let i = 0; i < count; i++) {
    const values = rows.row(i)
    for (let k = 0; k < width; k++) mean[k] += values[k] / count
  }
  for (let i = 0; i < count; i++) {
    const values = rows.row(i)
    for (let k = 0; k < width; k++) deviation[k] += (values[k] - mean[k]) ** 2 / count
  }
  for (let k = 0; k < width; k++) deviation[k] = deviation[k] > 1e-12 ? Math.sqrt(deviation[k]) : 1
  return { mean, deviation }
}

/**
 * Writes a row with the mean taken out and divided by the deviation.
 *
 * @param target [width] or more, from its start
 */
export function standardizeRow<Target extends Float32Array | Float64Array>(
  row: ArrayLike<number>,
  { mean, deviation }: Standardization,
  target: Target,
): Target {
  for (let k = 0; k < mean.length; k++) target[k] = (row[k] - mean[k]) / deviation[k]
  return target
}
