import type { AccumulateUpdate, AdamwUpdate, AverageUpdate, Update } from '../../../graph/program.ts'
import type { StateSizes } from '../../plan/state-sizes.ts'
import type { ScheduledOutput } from '../../plan/values.ts'
import { type Lowering, optional, real, typed, value } from './lowering.ts'
import type { StepArgument, UpdateRow, UpdateTable } from './schedule.ts'

/** Elements of a chunk, the piece of an update that one thread takes; a packed weight's are rounded to whole panels. */
export const chunkElements = 32_768

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
    case 'zero': {
      const rows = update.states.map((name) => row(lowering, sizes, name, {}))
      simple(lowering, 'zero', rows, { kind: 'null' })
      return []
    }
  }
}

function row(lowering: Lowering, sizes: StateSizes, name: string, more: Partial<UpdateRow>): UpdateRow {
  const count = sizes.get(name) ?? 0
  return {
    state: name,
    target: lowering.state(name, count),
    source: null,
    first: null,
    second: null,
    count,
    decayScale: 0,
    learningRateScale: 0,
    ...more,
  }
}

/** Updates that read nothing but their sources and one number. */
function simple(
  lowering: Lowering,
  kernel: 'accumulate' | 'average' | 'zero',
  rows: readonly UpdateRow[],
  factor: StepArgument,
): void {
  if (rows.length === 0) return
  lowering.commits = true
  const table: UpdateTable = { rows, writes: true }
  lowering.step(typed(kernel, lowering.precision), [
    { kind: 'rows', table },
    { kind: 'chunks', table },
    factor,
    { kind: 'chunkCount', table },
  ])
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
  const { beta1, beta2, epsilon, gradientScale, clipNorm } = update
  const reading: UpdateTable = { rows, writes: false }
  const chunks = rows.reduce((sum, { count }) => sum + Math.ceil(count / chunkElements), 0)
  const partial = lowering.memory(Math.max(1, chunks) * 8)
  const scalars = lowering.memory(6 * 8)
  const norm = lowering.temporary(1, 'float32')
  lowering.step('gradient_squares', [
    value(partial),
    { kind: 'rows', table: reading },
    { kind: 'chunks', table: reading },
    { kind: 'chunkCount', table: reading },
    real(gradientScale),
  ])
  const inputs = [update.learningRate, update.weightDecay, update.step].map((tensor) =>
    value(lowering.read(tensor, 'float32')),
  )
  lowering.step('prepare_adamw', [
    ...[scalars, norm, partial].map((id) => value(id)),
    ...inputs,
    { kind: 'chunkCount', table: reading },
    ...[beta1, beta2, gradientScale, clipNorm ?? 0].map(real),
  ])
  lowering.commits = true
  const table: UpdateTable = { rows, writes: true }
  lowering.step(typed('adamw', lowering.precision), [
    { kind: 'rows', table },
    { kind: 'chunks', table },
    value(scalars),
    { kind: 'chunkCount', table },
    ...[beta1, beta2, epsilon].map(real),
  ])
  return { name: update.gradientNormOutput, value: norm, count: 1 }
}

function lowerAverage(lowering: Lowering, update: AverageUpdate, sizes: StateSizes): void {
  const rows = update.entries.map(({ average, source }) =>
    row(lowering, sizes, average, { source: lowering.state(source, sizes.get(source) ?? 0) }),
  )
  simple(lowering, 'average', rows, value(lowering.read(update.decay, 'float32')))
}

function lowerAccumulate(lowering: Lowering, update: AccumulateUpdate, sizes: StateSizes): void {
  const rows = update.entries.map(({ accumulator, gradient }) =>
    row(lowering, sizes, accumulator, { source: lowering.read(gradient, 'float32') }),
  )
  simple(lowering, 'accumulate', rows, optional(lowering.read(update.weight, 'float32')))
}
