// @ts-check
/** Rows minus their mean: what all videos share hides how they differ. @param {readonly Float32Array[]} rows */
export function centered(rows) {
  const mean = rows[0].map((_, k) => rows.reduce((sum, row) => sum + row[k], 0) / rows.length)
  return rows.map((row) => row.map((value, k) => value - mean[k]))
}

/** Cosine of the angle between two vectors, -1 to 1. @param {Float32Array} a @param {Float32Array} b */
export function cosine(a, b) {
  const dot = (/** @type {Float32Array} */ x, /** @type {Float32Array} */ y) =>
    x.reduce((sum, value, k) => sum + value * y[k], 0)
  const length = Math.sqrt(dot(a, a) * dot(b, b))
  return length === 0 ? 0 : dot(a, b) / length
}
