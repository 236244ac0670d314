/**
 * Dense matrix products in WebAssembly SIMD: bit-deterministic, unlike a BLAS.
 *
 * Every output element is one chain of multiply-then-add over the depth, first to last, in its own accumulator lane. So it
 * depends on its own row and column only: not on the shape of the product, on padding, on threads or on the processor
 * (WebAssembly SIMD has no fused multiply-add). This is what lets many heads be computed in one call without any head
 * being able to influence another.
 *
 * Tile: 4 rows by 2 vectors of columns. Left operand packed [row block][depth][4], right operand [panel][depth][tile].
 */
import { VideoMaeError } from '../../core/errors.ts'
import { assembleModule, FunctionCode } from './assembler.ts'
import { type OwnMemory, wasm } from './webassembly.ts'

export type MatmulPrecision = 'f32' | 'f64'
type ArrayOf<P extends MatmulPrecision> = P extends 'f32' ? Float32Array<ArrayBuffer> : Float64Array<ArrayBuffer>

const rowTile = 4
const pageBytes = 65_536
const maximumBytes = 3.5 * 2 ** 30

/** What differs between the precisions. */
const instructions = {
  f32: { bytes: 4, add: 'add', multiply: 'multiply' },
  f64: { bytes: 8, add: 'addDoubles', multiply: 'multiplyDoubles' },
} as const

/** Columns of one panel. */
export const columnTile = { f32: 8, f64: 4 } as const

function kernel(precision: MatmulPrecision): Uint8Array<ArrayBuffer> {
  const code = new FunctionCode(['i32', 'i32', 'i32', 'i32', 'i32', 'i32'])
  const [x, w, out, rowBlocks, depth, panels] = [0, 1, 2, 3, 4, 5]
  const [xAt, wAt, wEnd, outAt, block, stride] = Array.from({ length: 6 }, () => code.local('i32'))
  const [firstW, secondW, splatted] = Array.from({ length: 3 }, () => code.local('v128'))
  const accumulators = Array.from({ length: rowTile * 2 }, () => code.local('v128'))
  const { bytes, add, multiply } = instructions[precision]
  const panelStep = 2 * 16
  const countDown = (local: number) => code.get(local).constant(1).op('i32Subtract').set(local).get(local)

  const overDepth = (): void => {
    code.get(wAt).loadAt(0).set(firstW).get(wAt).loadAt(16).set(secondW)
    for (let row = 0; row < rowTile; row++) {
      code
        .get(xAt)
        .splatAt(precision, row * bytes)
        .set(splatted)
      for (const [half, vector] of [firstW, secondW].entries()) {
        const sum = accumulators[row * 2 + half]
        code.get(sum).get(splatted).get(vector).op(multiply).op(add).set(sum)
      }
    }
    code
      .get(xAt)
      .constant(rowTile * bytes)
      .op('i32Add')
      .set(xAt)
    code.get(wAt).constant(panelStep).op('i32Add').set(wAt)
    code.get(wAt).get(wEnd).op('i32NotEqual')
  }
  const overRows = (): void => {
    for (const sum of accumulators) code.op('zeroVector').set(sum)
    code.get(w).set(wAt).loopWhile(overDepth)
    for (const [i, sum] of accumulators.entries()) {
      code
        .get(outAt)
        .get(sum)
        .storeAt((i % 2) * 16)
      if (i % 2 === 1) code.get(outAt).get(stride).op('i32Add').set(outAt)
    }
    countDown(block)
  }
  const overPanels = (): void => {
    code.get(x).set(xAt).get(out).set(outAt).get(rowBlocks).set(block)
    code.get(w).get(depth).constant(panelStep).op('i32Multiply').op('i32Add').set(wEnd)
    code.loopWhile(overRows).get(wEnd).set(w)
    code.get(out).constant(panelStep).op('i32Add').set(out)
    countDown(panels)
  }
  code.get(panels).constant(panelStep).op('i32Multiply').set(stride).loopWhile(overPanels)
  return assembleModule([{ name: 'run', code, results: [] }], { exported: 'memory' })
}

/** One WebAssembly memory and the product kernel over it. Not shared between threads. */
export class Matmul<P extends MatmulPrecision> {
  readonly precision: P
  private readonly memory: OwnMemory
  private readonly kernel: (x: number, w: number, out: number, rows: number, depth: number, panels: number) => void

  constructor(precision: P) {
    const { run, memory } = new wasm.Instance(new wasm.Module(kernel(precision))).exports
    this.precision = precision
    this.memory = memory as OwnMemory
    this.kernel = run as typeof this.kernel
  }

  /**
   * Room for arrays of these lengths; everything reserved before becomes invalid.
   *
   * @throws VideoMaeError `PRODUCT_TOO_LARGE` above 3.5 GiB
   */
  reserve(...lengths: readonly number[]): ArrayOf<P>[] {
    const bytes = instructions[this.precision].bytes
    const offsets: number[] = []
    let end = 0
    for (const length of lengths) {
      offsets.push(end)
      end += Math.ceil((length * bytes) / 64) * 64
    }
    if (end > maximumBytes) {
      throw new VideoMaeError(
        `Expected a matrix product that needs less than 3.5 GiB, but its operands need ${(end / 2 ** 30).toFixed(1)} GiB.`,
        {
          code: 'PRODUCT_TOO_LARGE',
          exit: 'environment',
          hint: 'Use more partitions (smaller base classifiers) or fewer rows at a time.',
        },
      )
    }
    const missing = end - this.memory.buffer.byteLength
    if (missing > 0) this.memory.grow(Math.ceil(missing / pageBytes))
    const { buffer } = this.memory
    return lengths.map((length, i) =>
      this.precision === 'f32'
        ? new Float32Array(buffer, offsets[i], length)
        : new Float64Array(buffer, offsets[i], length),
    ) as ArrayOf<P>[]
  }

  /** Length of the packed left operand [rows, depth]. */
  leftLength(rows: number, depth: number): number {
    return Math.ceil(rows / rowTile) * rowTile * depth
  }

  /** Length of the packed right operand [depth, columns]. */
  rightLength(columns: number, depth: number): number {
    return this.outputStride(columns) * depth
  }

  /** Elements from one output row to the next. */
  outputStride(columns: number): number {
    return Math.ceil(columns / columnTile[this.precision]) * columnTile[this.precision]
  }

  outputLength(rows: number, columns: number): number {
    return Math.ceil(rows / rowTile) * rowTile * this.outputStride(columns)
  }

  /** Packs element(row, k) as a left operand; missing rows of the last block are 0. */
  packLeft(target: ArrayOf<P>, rows: number, depth: number, source: ArrayLike<number>): void {
    pack(target, rows, depth, source, rowTile)
  }

  /** Packs the transposed right operand, `source` [columns, depth] row-major. */
  packRight(target: ArrayOf<P>, columns: number, depth: number, source: ArrayLike<number>): void {
    pack(target, columns, depth, source, columnTile[this.precision])
  }

  /** out [rows, outputStride] = left [rows, depth] x right [depth, columns]; operands packed, out row-major. */
  run(left: ArrayOf<P>, right: ArrayOf<P>, out: ArrayOf<P>, rows: number, depth: number, columns: number): void {
    if (rows === 0 || columns === 0) return
    if (depth === 0) {
      out.fill(0)
      return
    }
    const panels = Math.ceil(columns / columnTile[this.precision])
    this.kernel(left.byteOffset, right.byteOffset, out.byteOffset, Math.ceil(rows / rowTile), depth, panels)
  }
}

function pack(
  target: Float32Array | Float64Array,
  rows: number,
  depth: number,
  source: ArrayLike<number>,
  tile: number,
) {
  for (let block = 0; block * tile < rows; block++) {
    const base = block * tile * depth
    for (let r = 0; r < tile; r++) {
      const row = block * tile + r
      if (row < rows) {
        const from = row * depth
        for (let k = 0; k < depth; k++) target[base + k * tile + r] = source[from + k]
      } else {
        for (let k = 0; k < depth; k++) target[base + k * tile + r] = 0
      }
    }
  }
}
