/** How the clips of a video to predict become the row that base classifiers read. */

/**
 * Clips of each video to predict. Default: as many as each training video has, because what heads were trained on varies over the
 * clips of a video, and the mean varies less.
 */
export function inputClips({
  clips = 1,
  testClips = clips,
}: {
  readonly clips?: number
  readonly testClips?: number
}): number {
  return testClips
}

/**
 * The mean over the clips of a video. It depends on nothing but this video, so a certificate holds for it as for a single clip.
 *
 * @param rows [clips][width], at least one
 * @returns [width], summed in float64 in the order of the clips; the row itself where there is one
 */
export function meanRow(rows: readonly Float32Array[]): Float32Array {
  if (rows.length === 1) return rows[0]
  const sums = new Float64Array(rows[0].length)
  for (const row of rows) for (let k = 0; k < sums.length; k++) sums[k] += row[k]
  return Float32Array.from(sums, (sum) => sum / rows.length)
}
