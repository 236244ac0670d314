/**
 * What each training sample contributes to the scores of a ridge head, for label-flip certificates:
 *
 *   alpha = (X X' + lambda I)^-1 X x      few samples: [count, count]
 *         = X (X' X + lambda I)^-1 x      more samples than features: [width + 1, width + 1]
 *
 * The second is the first by the push-through identity; what is kept never grows with the square of the samples.
 */

import { factorize, solveFactorized, transpose } from '../../../numeric/linear-algebra.ts'
import type { LabeledRows } from '../../../numeric/ridge.ts'
import { gramOfRows, notDefinite } from '../../../numeric/ridge.ts'
import type { Matmul } from '../../../numeric/wasm/matmul.ts'

/** Samples in one product: bounds its memory. */
const rowsAtOnce = 4096

/** One head, factorized once for all inputs. */
export class RidgeInfluence {
  private readonly samples: LabeledRows
  private readonly matmul: Matmul<'f64'>
  private readonly depth: number
  private readonly primal: boolean
  /** [size] the Cholesky factor, of the size of the smaller system. */
  private readonly factor: Float64Array
  private readonly size: number

  /** @throws VideoMaeError `RIDGE_SINGULAR` */
  constructor(samples: LabeledRows, lambda: number, matmul: Matmul<'f64'>) {
    this.samples = samples
    this.matmul = matmul
    this.depth = samples.width + 1
    this.primal = samples.count > this.depth
    this.size = this.primal ? this.depth : samples.count
    this.factor = this.primal ? this.featureGram() : this.sampleGram()
    for (let i = 0; i < this.size; i++) this.factor[i * this.size + i] += lambda
    if (!factorize(this.factor, this.size, this.size)) throw notDefinite(lambda)
  }

  /**
   * @param inputs [inputs, width + 1] bias column included
   * @returns [inputs, count]
   */
  of(inputs: Float64Array): Float64Array {
    const { count, inputs: rows } = this.samples
    const tests = inputs.length / this.depth
    if (this.primal) {
      const solved = transpose(inputs, tests, this.depth)
      solveFactorized(this.factor, this.size, this.size, solved, tests)
      return this.products(transpose(solved, this.depth, tests), rows, tests, count)
    }
    const kernel = transpose(this.products(inputs, rows, tests, count), tests, count)
    solveFactorized(this.factor, this.size, this.size, kernel, tests)
    return transpose(kernel, count, tests)
  }

  /** [left rows, right rows] scalar products of rows of `depth` numbers. */
  private products(left: Float64Array, right: Float64Array, leftRows: number, rightRows: number): Float64Array {
    const { matmul, depth } = this
    const result = new Float64Array(leftRows * rightRows)
    for (let from = 0; from < rightRows; from += rowsAtOnce) {
      const columns = Math.min(rowsAtOnce, rightRows - from)
      const [a, b, out] = matmul.reserve(
        matmul.leftLength(leftRows, depth),
        matmul.rightLength(columns, depth),
        matmul.outputLength(leftRows, columns),
      )
      matmul.packLeft(a, leftRows, depth, left)
      matmul.packRight(b, columns, depth, right.subarray(from * depth, (from + columns) * depth))
      matmul.run(a, b, out, leftRows, depth, columns)
      const stride = matmul.outputStride(columns)
      for (let i = 0; i < leftRows; i++)
        result.set(out.subarray(i * stride, i * stride + columns), i * rightRows + from)
    }
    return result
  }

  private sampleGram(): Float64Array {
    const { count, inputs } = this.samples
    return dense(gramOfRows(this.matmul, inputs, count, this.depth), count)
  }

  private featureGram(): Float64Array {
    const { count, inputs } = this.samples
    const { depth } = this
    const gram = new Float64Array(depth * depth)
    for (let from = 0; from < count; from += rowsAtOnce) {
      const rows = Math.min(rowsAtOnce, count - from)
      const columns = transpose(inputs.subarray(from * depth, (from + rows) * depth), rows, depth)
      const part = dense(gramOfRows(this.matmul, columns, depth, rows), depth)
      for (let k = 0; k < gram.length; k++) gram[k] += part[k]
    }
    return gram
  }
}

/** [size, size] without the padding of the product. */
function dense({ gram, stride }: { readonly gram: Float64Array; readonly stride: number }, size: number): Float64Array {
  const result = new Float64Array(size * size)
  for (let i = 0; i < size; i++) result.set(gram.subarray(i * stride, i * stride + size), i * size)
  return result
}
