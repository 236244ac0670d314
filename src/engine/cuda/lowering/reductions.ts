import type { ProgramNode } from '../../../graph/program.ts'
import { leadingSum, type RowSum, tokenMean } from '../../plan/row-sums.ts'
import { f32, type Lowering, u32, value } from './lowering.ts'

/** Sums over rows in two stages: enough chunks of rows to fill the GPU, then the chunks in order. */
export function sumRows(lowering: Lowering, { x, type, batch, rows, columns, factor, to }: RowSum): void {
  const columnBlocks = Math.ceil(columns / 32)
  const wanted = Math.ceil((lowering.context.multiprocessors * 8) / (columnBlocks * batch))
  const rowsPerChunk = Math.max(64, Math.ceil(rows / wanted))
  const chunks = Math.ceil(rows / rowsPerChunk)
  const partial = lowering.temporary(batch * chunks * columns, 'float32')
  lowering.launch({
    kernel: 'sum-rows',
    entry: 'sumRows',
    element: type,
    grid: [columnBlocks, chunks, batch],
    block: [32, 8],
    arguments: [value(partial), value(x), u32(rows), u32(columns), u32(rowsPerChunk)],
  })
  const count = batch * columns
  lowering.launch({
    kernel: 'sum-rows',
    entry: lowering.typeOf(to) === 'float32' ? 'sumPartialsToFloat' : 'sumPartialsToElement',
    element: lowering.precision,
    grid: [Math.ceil(count / 128), 1, 1],
    block: [128, 1],
    arguments: [value(to), value(partial), ...[count, chunks, columns].map(u32), f32(factor)],
  })
}

export function lowerSumLeading(lowering: Lowering, node: ProgramNode): void {
  sumRows(lowering, leadingSum(lowering, node))
}

export function lowerBroadcastLeading(lowering: Lowering, { inputs: [x], outputs: [y] }: ProgramNode): void {
  const type = lowering.join([x])
  const from = lowering.read(x, type)
  const count = lowering.count(y)
  const list = [value(lowering.write(y, type)), value(from), u32(count), u32(lowering.count(x))]
  lowering.each('copy-blocks', 'repeatBlocks', type, count, lowering.pack(type), list)
}

export function lowerMeanTokens(lowering: Lowering, node: ProgramNode): void {
  sumRows(lowering, tokenMean(lowering, node))
}

export function lowerMeanTokensGradient(lowering: Lowering, { inputs: [dy], outputs: [dx] }: ProgramNode): void {
  const type = lowering.precision
  const from = lowering.read(dy, type)
  const [, tokens, width] = lowering.shape(dx)
  const count = lowering.count(dx)
  const list = [value(lowering.write(dx, type)), value(from), ...[count, tokens, width].map(u32)]
  lowering.each('tokens', 'spreadTokens', type, count, 1, list)
}
