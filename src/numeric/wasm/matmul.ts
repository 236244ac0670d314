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
import { assemble, op } from './assembler.ts'

export type Precision = 'f32' | 'f64'
type ArrayOf<P extends Precision> = P extends 'f32' ? Float32Array<ArrayBuffer> : Float64Array<ArrayBuffer>

const rowTile = 4
const pageBytes = 65_536
const maximumBytes = 3.5 * 2 ** 30

/** The part of the WebAssembly interface used here; the type library of plain ES2023 does not declare it. */
interface WasmMemory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}
interface WasmInterface {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> }
}
const wasm = (globalThis as unknown as { readonly WebAssembly: WasmInterface }).WebAssembly

/** Columns of one panel. */
export const columnTile = { f32: 8, f64: 4 } as const

function kernel(precision: Precision): Uint8Array<ArrayBuffer> {
  const { bytes, splat, add, multiply } = op[precision]
  const panelStep = 2 * 16
  const [x, w, out, rowBlocks, depth, panels] = [0, 1, 2, 3, 4, 5]
  const [xAt, wAt, wEnd, outAt, block, stride, firstW, secondW, splatted, accumulator] = [
    6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  ]
  const accumulators = Array.from({ length: rowTile * 2 }, (_, i) => accumulator + i)
  const advance = (local: number, amount: readonly number[]) => [
    ...op.get(local),
    ...amount,
    ...op.add,
    ...op.set(local),
  ]

  const depthLoop = op.loopWhile([
    ...op.get(wAt),
    ...op.load(0),
    ...op.set(firstW),
    ...op.get(wAt),
    ...op.load(16),
    ...op.set(secondW),
    ...Array.from({ length: rowTile }, (_, row) => [
      ...op.get(xAt),
      ...splat(row * bytes),
      ...op.set(splatted),
      ...[firstW, secondW].flatMap((vector, half) => {
        const acc = accumulators[row * 2 + half]
        return [...op.get(acc), ...op.get(splatted), ...op.get(vector), ...multiply, ...add, ...op.set(acc)]
      }),
    ]).flat(),
    ...advance(xAt, op.constant(rowTile * bytes)),
    ...advance(wAt, op.constant(panelStep)),
    ...op.get(wAt),
    ...op.get(wEnd),
    ...op.notEqual,
  ])
  const rowLoop = op.loopWhile([
    ...accumulators.flatMap((acc) => [...op.zeroVector, ...op.set(acc)]),
    ...op.get(w),
    ...op.set(wAt),
    ...depthLoop,
    ...accumulators.flatMap((acc, i) => [
      ...op.get(outAt),
      ...op.get(acc),
      ...op.store((i % 2) * 16),
      ...(i % 2 === 1 ? advance(outAt, op.get(stride)) : []),
    ]),
    ...op.get(block),
    ...op.constant(1),
    ...op.subtract,
    ...op.set(block),
    ...op.get(block),
  ])
  const panelLoop = op.loopWhile([
    ...op.get(x),
    ...op.set(xAt),
    ...op.get(out),
    ...op.set(outAt),
    ...op.get(rowBlocks),
    ...op.set(block),
    ...op.get(w),
    ...op.get(depth),
    ...op.constant(panelStep),
    ...op.multiply,
    ...op.add,
    ...op.set(wEnd),
    ...rowLoop,
    ...op.get(wEnd),
    ...op.set(w),
    ...advance(out, op.constant(panelStep)),
    ...op.get(panels),
    ...op.constant(1),
    ...op.subtract,
    ...op.set(panels),
    ...op.get(panels),
  ])
  const body = [...op.get(panels), ...op.constant(panelStep), ...op.multiply, ...op.set(stride), ...panelLoop]
  const integers = new Array<'i32'>(6).fill('i32')
  return assemble(6, [...integers, ...new Array<'v128'>(3 + accumulators.length).fill('v128')], body)
}

/** One WebAssembly memory and the product kernel over it. Not shared between threads. */
export class Matmul<P extends Precision> {
  readonly precision: P
  private readonly memory: WasmMemory
  private readonly kernel: (x: number, w: number, out: number, rows: number, depth: number, panels: number) => void

  constructor(precision: P) {
    const { run, memory } = new wasm.Instance(new wasm.Module(kernel(precision))).exports
    this.precision = precision
    this.memory = memory as WasmMemory
    this.kernel = run as typeof this.kernel
  }

  /**
   * Room for arrays of these lengths; everything reserved before becomes invalid.
   *
   * @throws VideoMaeError `PRODUCT_TOO_LARGE` above 3.5 GiB
   */
  reserve(...lengths: readonly number[]): ArrayOf<P>[] {
    const bytes = op[this.precision].bytes
    const offsets: number[] = []
    let end = 0
    for (const length of lengths) {
      offsets.push(end)
      end += Math.ceil((length * bytes) / 64) * 64
    }
    if (end > maximumBytes) {
      throw new VideoMaeError(
        `Expected a product below 3.5 GiB, but its operands need ${(end / 2 ** 30).toFixed(1)} GiB.`,
        {
          code: 'PRODUCT_TOO_LARGE',
          exit: 'environment',
          hint: 'Use more partitions (smaller learners) or fewer rows at a time.',
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
