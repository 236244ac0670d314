import type { AdamwUpdate, ReduceUpdate, Update } from '../../../graph/program.ts'
import type { StateSizes } from '../../plan/state-sizes.ts'
import { type UpdateRow, UpdateRows } from '../../plan/update-rows.ts'
import type { ScheduledOutput } from '../../plan/values.ts'
import { f32, type Lowering, u32, value } from './lowering.ts'

/** Values that one block of updates.cu takes (CHUNK there). */
export const updateChunk = 8192

/** @returns the outputs that the update reports */
export function lowerUpdate(lowering: Lowering, update: Update, sizes: StateSizes): ScheduledOutput[] {
  const of = new UpdateRows(lowering, sizes)
  switch (update.kind) {
    case 'adamw':
      return [lowerAdamw(lowering, update, of.adamw(update))]
    case 'ema':
      table(lowering, 'average', of.ema(update), [value(lowering.read(update.decay, 'float32'))])
      return []
    case 'accumulate':
      table(lowering, 'accumulate', of.accumulate(update), [value(lowering.read(update.weight, 'float32'))])
      return []
    case 'reduce':
      lowerReduction(lowering, update, sizes)
      return []
    case 'zero':
      table(lowering, 'zero', of.zero(update))
      return []
  }
}

function lowerReduction(lowering: Lowering, { gradients }: ReduceUpdate, sizes: StateSizes): void {
  const { label } = lowering
  const pieces = gradients.map((gradient) => {
    if ('tensor' in gradient)
      return { value: lowering.read(gradient.tensor, 'float32'), count: lowering.count(gradient.tensor) }
    const count = sizes.get(gradient.state) ?? 0
    return { value: lowering.state(gradient.state, count), count }
  })
  lowering.steps.push({ kind: 'sum', label, pieces }, { kind: 'join', label })
}

function table(
  lowering: Lowering,
  entry: 'adamw' | 'accumulate' | 'average' | 'zero',
  rows: readonly UpdateRow[],
  list: readonly ReturnType<typeof value>[] = [],
): void {
  if (rows.length === 0) return
  lowering.steps.push({ kind: 'table', label: lowering.label, entry, rows, before: [], arguments: list })
}

function lowerAdamw(lowering: Lowering, update: AdamwUpdate, rows: readonly UpdateRow[]): ScheduledOutput {
  const blocks = rows.reduce((sum, { count }) => sum + Math.ceil(count / updateChunk), 0)
  const partial = lowering.temporary(Math.max(1, blocks), 'float32')
  const scalars = lowering.temporary(8, 'float32')
  if (rows.length > 0) {
    lowering.steps.push({
      kind: 'table',
      label: lowering.label,
      entry: 'gradientSquares',
      rows,
      before: [value(partial)],
      arguments: [f32(update.gradientScale)],
    })
  }
  const { beta1, beta2, epsilon, gradientScale, clipNorm } = update
  const inputs = [update.learningRate, update.weightDecay, update.step].map((tensor) =>
    lowering.read(tensor, 'float32'),
  )
  lowering.launch({
    kernel: 'updates',
    entry: 'prepareAdamw',
    grid: [1, 1, 1],
    block: [32, 1],
    arguments: [
      ...[value(scalars), value(partial), u32(blocks)],
      ...inputs.map((id) => value(id)),
      ...[beta1, beta2, gradientScale, clipNorm ?? 0].map(f32),
    ],
  })
  table(lowering, 'adamw', rows, [value(scalars), f32(beta1), f32(beta2), f32(epsilon)])
  return { name: update.gradientNormOutput, value: scalars, count: 1 }
}
