/** MNIST in its idx files, and features of it that no training set takes part in. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { sha256 } from '../../../../src/certify/ensemble/hash.ts'
import type { EncoderProvenance, FeatureSet } from '../../../../src/certify.ts'
import { RandomStream } from '../../../../src/model.ts'
import { Matmul } from '../../../../src/numeric/wasm/matmul.ts'

export const side = 28
const pixels = side * side

export interface Images {
  /** [count, 28 * 28] */
  readonly data: Uint8Array
  readonly count: number
  readonly labels: Uint8Array
}

export function mnistFolder(): string {
  const folder = path.join(process.env.VIDEOMAE_TEST_DATA ?? '../shared/data', 'mnist')
  if (!existsSync(folder)) throw new Error(`Expected MNIST as idx.gz files in ${folder}; set VIDEOMAE_TEST_DATA.`)
  return folder
}

export function readMnist(folder: string, part: 'train' | 't10k'): Images {
  const images = gunzipSync(readFileSync(path.join(folder, `${part}-images-idx3-ubyte.gz`)))
  const labels = gunzipSync(readFileSync(path.join(folder, `${part}-labels-idx1-ubyte.gz`)))
  if (images.readUInt32BE(0) !== 0x803 || labels.readUInt32BE(0) !== 0x801) throw new Error('Expected idx files.')
  const count = images.readUInt32BE(4)
  return { data: images.subarray(16, 16 + count * pixels), count, labels: labels.subarray(8, 8 + count) }
}

export type FeatureName = 'pixels' | 'hog' | 'hog-random'

/** Features of each image alone. */
export function featuresOf(images: Images, name: FeatureName): { features: Float32Array; width: number } {
  if (name === 'pixels') return { features: Float32Array.from(images.data, (value) => value / 255), width: pixels }
  const hog = orientedGradients(images)
  return name === 'hog' ? hog : randomFeatures(hog.features, images.count, hog.width, 1024)
}

const orientations = 8
const cells = 7

/**
 * Histograms of signed gradient directions: 7 x 7 cells of 4 x 4 pixels, 8 directions, votes shared linearly between
 * neighboring cells and directions, square root, whole image to unit length.
 */
function orientedGradients({ data, count }: Images): { features: Float32Array; width: number } {
  const width = cells * cells * orientations
  const features = new Float32Array(count * width)
  const at = (image: number, y: number, x: number) =>
    data[image * pixels + Math.min(side - 1, Math.max(0, y)) * side + Math.min(side - 1, Math.max(0, x))]
  for (let image = 0; image < count; image++) {
    const mine = features.subarray(image * width, (image + 1) * width)
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const dx = at(image, y, x + 1) - at(image, y, x - 1)
        const dy = at(image, y + 1, x) - at(image, y - 1, x)
        const size = Math.sqrt(dx * dx + dy * dy)
        if (size === 0) continue
        const turn = ((Math.atan2(dy, dx) / (2 * Math.PI) + 1) % 1) * orientations
        const [cy, cx] = [(y + 0.5) / 4 - 0.5, (x + 0.5) / 4 - 0.5]
        for (const [row, wy] of split(cy)) {
          for (const [column, wx] of split(cx)) {
            if (row < 0 || row >= cells || column < 0 || column >= cells) continue
            for (const [direction, w] of split(turn))
              mine[(row * cells + column) * orientations + (direction % orientations)] += size * wy * wx * w
          }
        }
      }
    }
    let square = 0
    for (let k = 0; k < width; k++) square += mine[k] // squares of the square roots
    for (let k = 0; k < width; k++) mine[k] = square > 0 ? Math.sqrt(mine[k] / square) : 0
  }
  return { features, width }
}

/** The two integers around a number, with linear weights. */
function split(value: number): [number, number][] {
  const low = Math.floor(value)
  return [
    [low, low + 1 - value],
    [low + 1, value - low],
  ]
}

/** max(0, W x + b) with fixed random W, b: a fixed non-linear map, so that linear heads on it are a kernel machine. */
function randomFeatures(source: Float32Array, rows: number, depth: number, width: number) {
  const stream = new RandomStream('mnist random features')
  const weights = Float32Array.from({ length: width * depth }, () => stream.normal())
  const biases = Float32Array.from({ length: width }, () => stream.uniform(-0.5, 0.5))
  const matmul = new Matmul('f32')
  const features = new Float32Array(rows * width)
  const turn = 2048
  const [left, right, out] = matmul.reserve(
    matmul.leftLength(turn, depth),
    matmul.rightLength(width, depth),
    matmul.outputLength(turn, width),
  )
  matmul.packRight(right, width, depth, weights)
  for (let from = 0; from < rows; from += turn) {
    const count = Math.min(turn, rows - from)
    matmul.packLeft(left, count, depth, source.subarray(from * depth, (from + count) * depth))
    matmul.run(left, right, out, count, depth, width)
    for (let i = 0; i < count * width; i++) features[from * width + i] = Math.max(0, out[i] + biases[i % width])
  }
  return { features, width }
}

/** Of features that are a fixed function of each image alone, without training. */
export const fixedProvenance = (name: string): EncoderProvenance => ({
  digest: sha256(name),
  trust: 'fixed',
  labelsUsed: false,
  trainedOn: null,
})

/** A feature set whose buckets come from the SHA-256 of the pixels. */
export function featureSet(images: Images, name: FeatureName, prefix: string): FeatureSet {
  return labeledSet(images, featuresOf(images, name), prefix)
}

/** Who the images are, with their features. */
export function labeledSet(
  images: Images,
  { features, width }: { readonly features: Float32Array; readonly width: number },
  prefix: string,
): FeatureSet {
  return {
    features,
    rows: images.count,
    width,
    labels: Int32Array.from(images.labels),
    classNames: Array.from({ length: 10 }, (_, digit) => String(digit)),
    ids: Array.from({ length: images.count }, (_, i) => `${prefix}-${i}`),
    digests: digestImages(images),
  }
}

/** The first images only. */
export function firstImages({ data, labels }: Images, count: number): Images {
  return { data: data.subarray(0, count * pixels), count, labels: labels.subarray(0, count) }
}

/** SHA-256 of the pixels of each image. */
export function digestImages({ data, count }: Images): string[] {
  return Array.from({ length: count }, (_, i) => sha256(data.subarray(i * pixels, (i + 1) * pixels)))
}
