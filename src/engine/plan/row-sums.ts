import { elementCount, type ProgramNode } from '../../graph/program.ts'
import type { FloatType, ValueId } from './values.ts'

/** A sum over rows, as kernels of two stages compute it: chunks of rows, then the chunks in order. */
export interface RowSum {
  readonly x: ValueId
  readonly type: FloatType
  /** x is [batch, rows, columns]; the sum over rows goes to `to`. */
  readonly batch: number
  readonly rows: number
  readonly columns: number
  readonly factor: number
  readonly to: ValueId
}

/** What row sums need of an engine's lowering. */
interface RowSumLowering {
  readonly precision: FloatType
  shape(tensor: number): readonly number[]
  count(tensor: number): number
  join(tensors: readonly number[]): FloatType
  read(tensor: number, type: FloatType): ValueId
  write(tensor: number, type: FloatType): ValueId
}

/** `sumLeading`. The sum is float32: it is mostly the gradient of a bias or a token. */
export function leadingSum(lowering: RowSumLowering, { inputs: [x], outputs: [y], attributes }: ProgramNode): RowSum {
  const type = lowering.join([x])
  const from = lowering.read(x, type)
  const shape = lowering.shape(x)
  const rows = elementCount(shape.slice(0, shape.length - Number(attributes.keep)))
  const to = lowering.write(y, 'float32')
  return { x: from, type, batch: 1, rows, columns: lowering.count(y), factor: 1, to }
}

/** `meanTokens`. */
export function tokenMean(lowering: RowSumLowering, { inputs: [x], outputs: [y] }: ProgramNode): RowSum {
  const type = lowering.precision
  const from = lowering.read(x, type)
  const [batch, rows, columns] = lowering.shape(x)
  return { x: from, type, batch, rows, columns, factor: 1 / rows, to: lowering.write(y, type) }
}
