import type { AccumulateUpdate, AdamwUpdate, AverageUpdate, Update } from '../../../graph/program.ts'
import type { StateSizes } from '../../plan/state-sizes.ts'
import type { ScheduledOutput } from '../../plan/values.ts'
import { f32, type Lowering, u32, value } from './lowering.ts'
import type { TableRow } from './schedule.ts'

/** Values that one block of updates.cu takes (CHUNK there). */
export const updateChunk = 8192

/** @returns the outputs that the update reports */
export function lowerUpdate(lowering: Lowering, update: Update, sizes: StateSizes): ScheduledOutput[] {
  switch (update.kind) {
    case 'adamw':
      return [lowerAdamw(lowering, update, sizes)]
    case 'average':
      lowerAverage(lowering, update, sizes)
      return []
    case 'accumulate':
      lowerAccumulate(lowering, update, sizes)
      return []
    case 'zero':
      table(
        lowering,
        'zero',
        update.states.map((name) => row(lowering, sizes, name, {})),
      )
      return []
  }
}

function row(lowering: Lowering, sizes: StateSizes, name: string, more: Partial<TableRow>): TableRow {
  const count = sizes.get(name) ?? 0
  return {
    target: lowering.state(name, count),
    source: null,
    first: null,
    second: null,
    count,
    decayScale: 0,
    learningRateScale: 0,
    state: name,
    ...more,
  }
}

function table(
  lowering: Lowering,
  entry: 'adamw' | 'accumulate' | 'average' | 'zero',
  rows: readonly TableRow[],
  list: readonly ReturnType<typeof value>[] = [],
): void {
  if (rows.length === 0) return
  lowering.steps.push({ kind: 'table', label: lowering.label, entry, rows, before: [], arguments: list })
}

function lowerAdamw(lowering: Lowering, update: AdamwUpdate, sizes: StateSizes): ScheduledOutput {
  const stateOf = (name: string) => lowering.state(name, sizes.get(name) ?? 0)
  const rows = update.entries.map((entry) =>
    row(lowering, sizes, entry.parameter, {
      source:
        'tensor' in entry.gradient ? lowering.read(entry.gradient.tensor, 'float32') : stateOf(entry.gradient.state),
      first: stateOf(entry.firstMoment),
      second: stateOf(entry.secondMoment),
      decayScale: entry.decayScale,
      learningRateScale: entry.learningRateScale,
    }),
  )
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

function lowerAverage(lowering: Lowering, update: AverageUpdate, sizes: StateSizes): void {
  const rows = update.entries.map(({ average, source }) =>
    row(lowering, sizes, average, { source: lowering.state(source, sizes.get(source) ?? 0) }),
  )
  table(lowering, 'average', rows, [value(lowering.read(update.decay, 'float32'))])
}

function lowerAccumulate(lowering: Lowering, update: AccumulateUpdate, sizes: StateSizes): void {
  const rows = update.entries.map(({ accumulator, gradient }) =>
    row(lowering, sizes, accumulator, { source: lowering.read(gradient, 'float32') }),
  )
  table(lowering, 'accumulate', rows, [value(lowering.read(update.weight, 'float32'))])
}
