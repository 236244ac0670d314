import { elementCount, type ProgramNode } from '../../../graph/program.ts'
import { elementBytes, type FloatType, type ValueId } from '../../plan/values.ts'
import { integer, type Lowering, real, typed, value } from './lowering.ts'

interface RowSum {
  readonly x: ValueId
  readonly type: FloatType
  /** x is [batch, rows, columns]; the sum over rows goes to `to`. */
  readonly batch: number
  readonly rows: number
  readonly columns: number
  readonly factor: number
  readonly to: ValueId
}

/** Sums over rows in two stages: chunks of rows, then the chunks in order. */
function sumRows(lowering: Lowering, { x, type, batch, rows, columns, factor, to }: RowSum): void {
  const chunks = Math.min(16, Math.ceil(rows / 64))
  const partial = value(lowering.temporary(batch * chunks * columns, 'float32'))
  const sizes = [batch, rows, columns, chunks].map(integer)
  lowering.step(typed('sum_rows', type), [partial, value(x), ...sizes])
  const list = [value(to), partial, ...[batch, chunks, columns].map(integer), real(factor)]
  lowering.step(typed('sum_chunks', lowering.typeOf(to) as FloatType), list)
}

/** The sum is float32: it is mostly the gradient of a bias or a token. */
export function lowerSumLeading(lowering: Lowering, { inputs: [x], outputs: [y], attributes }: ProgramNode): void {
  const type = lowering.join([x])
  const from = lowering.read(x, type)
  const shape = lowering.shape(x)
  const rows = elementCount(shape.slice(0, shape.length - Number(attributes.keep)))
  const to = lowering.write(y, 'float32')
  sumRows(lowering, { x: from, type, batch: 1, rows, columns: lowering.count(y), factor: 1, to })
}

export function lowerBroadcastLeading(lowering: Lowering, { inputs: [x], outputs: [y] }: ProgramNode): void {
  const type = lowering.join([x])
  const from = lowering.read(x, type)
  const sizes = [lowering.count(y) / lowering.count(x), lowering.count(x) * elementBytes[type]].map(integer)
  lowering.step('repeat_blocks', [value(lowering.write(y, type)), value(from), ...sizes])
}

export function lowerMeanTokens(lowering: Lowering, { inputs: [x], outputs: [y] }: ProgramNode): void {
  const type = lowering.precision
  const from = lowering.read(x, type)
  const [batch, rows, columns] = lowering.shape(x)
  sumRows(lowering, { x: from, type, batch, rows, columns, factor: 1 / rows, to: lowering.write(y, type) })
}

export function lowerMeanTokensGradient(lowering: Lowering, { inputs: [dy], outputs: [dx] }: ProgramNode): void {
  const type = lowering.precision
  const from = lowering.read(dy, type)
  const places = [lowering.write(dx, type), from].map((id) => value(id))
  lowering.step(typed('spread_rows', type), [...places, ...lowering.shape(dx).map(integer)])
}
