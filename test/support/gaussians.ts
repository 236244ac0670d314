import { digestRows, type FeatureSet } from '../../src/certify/ensemble/feature-set.ts'
import { RandomStream } from '../../src/core/random.ts'

/** Gaussian classes whose means differ in the first `informative` of `width` dimensions. */
export function gaussians(options: {
  readonly rows: number
  readonly seed: number
  readonly classes?: number
  readonly width?: number
  readonly informative?: number
  readonly separation?: number
}): FeatureSet {
  const { rows, seed, classes = 3, width = 12, informative = width, separation = 1 } = options
  const center = new RandomStream('means', classes)
  const means = Float64Array.from({ length: classes * informative }, () => center.normal(0, separation))
  const stream = new RandomStream(seed, 'samples')
  const labels = Int32Array.from({ length: rows }, () => stream.integer(classes))
  const features = new Float32Array(rows * width)
  for (let row = 0; row < rows; row++)
    for (let k = 0; k < width; k++)
      features[row * width + k] = stream.normal() + (k < informative ? means[labels[row] * informative + k] : 0)
  return {
    features,
    rows,
    width,
    labels,
    classNames: Array.from({ length: classes }, (_, c) => `class ${c}`),
    ids: Array.from({ length: rows }, (_, row) => `video-${seed}-${row}`),
    digests: digestRows(features, rows, width),
    groups: Array.from({ length: rows }, (_, row) => `camera-${row % 40}`),
  }
}
