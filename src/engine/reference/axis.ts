import { elementCount } from '../../graph/program.ts'

/** A shape seen from one axis: element (o, n, i) of it lies at `(o * along + n) * inner + i`. */
export interface AxisBlocks {
  readonly outer: number
  readonly along: number
  readonly inner: number
}

export function axisBlocks(shape: readonly number[], axis: number): AxisBlocks {
  return {
    outer: elementCount(shape.slice(0, axis)),
    along: shape[axis],
    inner: elementCount(shape.slice(axis + 1)),
  }
}
