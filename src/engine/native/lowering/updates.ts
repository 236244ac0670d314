import { VideoMaeError } from '../../../core/errors.ts'
import type { AdamwUpdate, ReduceUpdate, Update } from '../../../graph/program.ts'
import type { StateSizes } from '../../plan/state-sizes.ts'
import { type UpdateRow, UpdateRows } from '../../plan/update-rows.ts'
import type { ScheduledOutput } from '../../plan/values.ts'
import { type Lowering, optional, real, typed, value } from './lowering.ts'
import type { StepArgument, UpdateTable } from './schedule.ts'

/** Elements of a chunk, the piece of an update that one thread takes; a packed weight's are rounded to whole panels. */
export const chunkElements = 32_768

/** @returns the outputs that the update reports */
export function lowerUpdate(lowering: Lowering, update: Update, sizes: StateSizes): ScheduledOutput[] {
  const of = new UpdateRows(lowering, sizes)
  switch (update.kind) {
    case 'adamw':
      return [lowerAdamw(lowering, update, of.adamw(update))]
    case 'ema':
      simple(lowering, 'average', of.ema(update), value(lowering.read(update.decay, 'float32')))
      return []
    case 'accumulate':
      simple(lowering, 'accumulate', of.accumulate(update), optional(lowering.read(update.weight, 'float32')))
      return []
    case 'reduce':
      lowerReduction(lowering, update, sizes)
      return []
    case 'zero':
      simple(lowering, 'zero', of.zero(update), { kind: 'null' })
      return []
  }
}

/** The steps up to here are one call of the library, those behind it another: the sum over the ranks is made between them. */
function lowerReduction(lowering: Lowering, { gradients }: ReduceUpdate, sizes: StateSizes): void {
  if (lowering.reduction !== null || lowering.commits)
    throw new VideoMaeError(
      `${lowering.label}: a program of the native engine can sum over ranks only once, before it changes states.`,
      {
        code: 'PROGRAM_UNSUPPORTED',
      },
    )
  const values = gradients.map((gradient) =>
    'tensor' in gradient
      ? lowering.read(gradient.tensor, 'float32')
      : lowering.state(gradient.state, sizes.get(gradient.state) ?? 0),
  )
  lowering.reduction = { values, stepsBefore: lowering.steps.length }
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

function lowerAdamw(lowering: Lowering, update: AdamwUpdate, rows: readonly UpdateRow[]): ScheduledOutput {
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
