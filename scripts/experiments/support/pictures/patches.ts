/**
 * Random patches: how much each of a number of fixed random filters answers in each quarter of a picture, after Coates and Ng. Their
 * filters came from data, and so did their whitening; these come from a seed, and the whitening is a formula: the coefficients of a
 * cosine transform of a patch are multiplied by their frequency, as for pictures whose spectrum falls with it, and those of color
 * differences by a number more.
 */
import { RandomStream } from '../../../../src/model.ts'
import { Matmul } from '../../../../src/numeric/wasm/matmul.ts'

/** Side of a patch, pixels. */
const patch = 6
const depth = patch * patch * 3
const stride = 2
/** Subtracted from each answer; those of a patch have a standard deviation of about 1. */
const threshold = 0.5
/** Of color differences next to gray. */
const chroma = 3
/** Added to the frequency, so that the constant part of a color difference counts. */
const lowest = 0.5
/** Added to the mean square of a whitened patch: flat ones stay small. */
const flat = 10
/** Each quarter has a sum for every filter and its negative. */
const quarters = 2

/** What `--features` calls them: `patches-256` has 256 filters. */
const countOf = (name: string): number => {
  const count = Number(/^patches-(\d+)$/.exec(name)?.[1])
  if (!(count >= 8 && count % 8 === 0))
    throw new Error(`Expected hog, hog-color or patches-COUNT (a multiple of 8), but got ${name}.`)
  return count
}

/** Values of a row. */
export const patchWidth = (name: string): number => quarters * quarters * 2 * countOf(name)

/** Row `u` of the cosine transform. */
const cosine = (u: number, x: number): number =>
  Math.cos((Math.PI * (x + 0.5) * u) / patch) * Math.sqrt((u === 0 ? 1 : 2) / patch)

/** Gray and two color differences, each of unit length. */
const colors = [
  [1 / Math.sqrt(3), 1 / Math.sqrt(3), 1 / Math.sqrt(3)],
  [1 / Math.sqrt(2), 0, -1 / Math.sqrt(2)],
  [1 / Math.sqrt(6), -2 / Math.sqrt(6), 1 / Math.sqrt(6)],
]

/** [depth, depth]: the cosine transform of a patch, each coefficient in its size. */
function whitening(): Float32Array {
  const made = new Float32Array(depth * depth)
  for (let u = 0; u < patch; u++)
    for (let v = 0; v < patch; v++)
      for (let k = 0; k < 3; k++) {
        const size = (lowest + Math.hypot(u, v)) * (k === 0 ? 1 : chroma)
        const row = ((u * patch + v) * 3 + k) * depth
        for (let y = 0; y < patch; y++)
          for (let x = 0; x < patch; x++)
            for (let c = 0; c < 3; c++)
              made[row + (y * patch + x) * 3 + c] = size * cosine(u, y) * cosine(v, x) * colors[k][c]
      }
  return made
}

/** [count, depth], of length `sqrt(depth)`. */
function filters(count: number): Float32Array {
  const stream = new RandomStream('patches of pictures')
  const made = Float32Array.from({ length: count * depth }, () => stream.normal())
  for (let f = 0; f < count; f++) {
    const mine = made.subarray(f * depth, (f + 1) * depth)
    const length = Math.sqrt(mine.reduce((a, b) => a + b * b, 0) / depth)
    for (let i = 0; i < depth; i++) mine[i] /= length
  }
  return made
}

/** Products of patches with fixed rows. */
interface Product {
  readonly run: (rows: Float32Array) => Float32Array
  /** From one row of the answers to the next. */
  readonly step: number
}

function productWith(rows: number, fixed: Float32Array): Product {
  const matmul = new Matmul('f32')
  const count = fixed.length / depth
  const [left, right, out] = matmul.reserve(
    matmul.leftLength(rows, depth),
    matmul.rightLength(count, depth),
    matmul.outputLength(rows, count),
  )
  matmul.packRight(right, count, depth, fixed)
  const run = (values: Float32Array) => {
    matmul.packLeft(left, rows, depth, values)
    matmul.run(left, right, out, rows, depth, count)
    return out
  }
  return { run, step: matmul.outputStride(count) }
}

interface Products {
  readonly places: number
  readonly whitened: Product
  readonly answers: Product
}

const products = new Map<string, Products>()

function productsFor(count: number, side: number): Products {
  const key = `${count} ${side}`
  const known = products.get(key)
  if (known !== undefined) return known
  const places = Math.floor((side - patch) / stride) + 1
  const made = {
    places,
    whitened: productWith(places * places, whitening()),
    answers: productWith(places * places, filters(count)),
  }
  products.set(key, made)
  return made
}

/** @returns [patchWidth]: quarter row, quarter column, sign, filter; of unit length */
export function patchRow(name: string, picture: Uint8Array, side: number): Float32Array {
  const count = countOf(name)
  const { places, whitened, answers } = productsFor(count, side)
  const out = answers.run(unitPatches(patchesOf(picture, side, places), whitened))
  const row = new Float32Array(patchWidth(name))
  for (let y = 0; y < places; y++)
    for (let x = 0; x < places; x++) {
      const quarter = Math.floor((y * quarters) / places) * quarters + Math.floor((x * quarters) / places)
      const at = quarter * 2 * count
      for (let f = 0; f < count; f++) {
        const answer = out[(y * places + x) * answers.step + f]
        if (answer > threshold) row[at + f] += answer - threshold
        else if (answer < -threshold) row[at + count + f] -= answer + threshold
      }
    }
  // Roots of shares: their squares have the sum 1.
  const sum = row.reduce((a, b) => a + b, 0)
  return sum > 0 ? row.map((value) => Math.sqrt(value / sum)) : row
}

/** [places x places, depth] of pixel values less their mean over the patch. */
function patchesOf(picture: Uint8Array, side: number, places: number): Float32Array {
  const made = new Float32Array(places * places * depth)
  for (let p = 0; p < places * places; p++) {
    const mine = made.subarray(p * depth, (p + 1) * depth)
    const [top, left] = [Math.floor(p / places) * stride, (p % places) * stride]
    let sum = 0
    for (let y = 0; y < patch; y++)
      for (let k = 0; k < patch * 3; k++) {
        const value = picture[((top + y) * side + left) * 3 + k]
        mine[y * patch * 3 + k] = value
        sum += value
      }
    for (let k = 0; k < depth; k++) mine[k] -= sum / depth
  }
  return made
}

/** Whitened patches of about unit length. */
function unitPatches(patches: Float32Array, whitened: Product): Float32Array {
  const answers = whitened.run(patches)
  const made = new Float32Array(patches.length)
  for (let p = 0; p < patches.length / depth; p++) {
    const mine = answers.subarray(p * whitened.step, p * whitened.step + depth)
    const size = Math.sqrt(mine.reduce((a, b) => a + b * b, 0) + flat * depth)
    for (let k = 0; k < depth; k++) made[p * depth + k] = mine[k] / size
  }
  return made
}
