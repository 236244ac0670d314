import type { ProgramNode } from '../../../graph/program.ts'
import { leadingSum, type RowSum, tokenMean } from '../../plan/row-sums.ts'
import { elementBytes, type FloatType } from '../../plan/values.ts'
import { integer, type Lowering, real, typed, value } from './lowering.ts'

/** Sums over rows in two stages: chunks of rows, then the chunks in order. */
function sumRows(lowering: Lowering, { x, type, batch, rows, columns, factor, to }: RowSum): void {
  const chunks = Math.min(lowering.rowParts, Math.ceil(rows / 64))
  const partial = value(lowering.temporary(batch * chunks * columns, 'float32'))
  const sizes = [batch, rows, columns, chunks].map(integer)
  lowering.step(typed('sum_rows', type), [partial, value(x), ...sizes, real(factor)])
  const list = [value(to), partial, ...[batch, chunks, columns].map(integer)]
  lowering.step(typed('sum_chunks', lowering.typeOf(to) as FloatType), list)
}

export function lowerSumLeading(lowering: Lowering, node: ProgramNode): void {
  sumRows(lowering, leadingSum(lowering, node))
}

export function lowerBroadcastLeading(lowering: Lowering, { inputs: [x], outputs: [y] }: ProgramNode): void {
  const type = lowering.join([x])
  const from = lowering.read(x, type)
  const sizes = [lowering.count(y) / lowering.count(x), lowering.count(x) * elementBytes[type]].map(integer)
  lowering.step('repeat_blocks', [value(lowering.write(y, type)), value(from), ...sizes])
}

export function lowerMeanTokens(lowering: Lowering, node: ProgramNode): void {
  sumRows(lowering, tokenMean(lowering, node))
}

export function lowerMeanTokensGradient(lowering: Lowering, { inputs: [dy], outputs: [dx] }: ProgramNode): void {
  const type = lowering.precision
  const from = lowering.read(dy, type)
  const tensors = [lowering.write(dx, type), from].map((id) => value(id))
  lowering.step(typed('spread_rows', type), [...tensors, ...lowering.shape(dx).map(integer)])
}
