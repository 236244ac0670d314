import { VideoMaeError } from '../../../core/errors.ts'
import { type Reducer, valuesOf } from '../../../distributed/reducer.ts'
import type { AdamwUpdate, Program, TensorId, Update } from '../../../graph/program.ts'
import type { RunInputs, RunOutputs } from '../../engine.ts'
import type { SharedBuffers } from './memory.ts'
import { stateKey } from './plan.ts'
import type { UpdatePool } from './pool.ts'

/** The updates of one program, bound to their block tables. */
export class ProgramUpdates {
  private readonly program: Program
  private readonly firstTable: number
  private readonly gradients: ReadonlyMap<TensorId, string>
  private readonly reducer: Reducer
  private readonly scalars: ReadonlyMap<TensorId, string | number>

  /**
   * @param firstTable number of the block table of the first update; the others follow
   * @param gradients buffers of the tensors that updates read
   * @param reducer for `reduce`
   * @throws VideoMaeError `PROGRAM_UNSUPPORTED` when a scalar of an update is neither an input nor a constant
   */
  constructor(program: Program, firstTable: number, gradients: ReadonlyMap<TensorId, string>, reducer: Reducer) {
    this.program = program
    this.gradients = gradients
    this.reducer = reducer
    this.firstTable = firstTable
    const scalars = new Map<TensorId, string | number>(program.inputs.map(({ name, tensor }) => [tensor, name]))
    for (const { tensor, data } of program.constants) scalars.set(tensor, data[0])
    this.scalars = scalars
    for (const tensor of program.updates.flatMap(scalarsOf)) {
      if (!scalars.has(tensor)) {
        throw new VideoMaeError(
          `An update of ${program.name} takes a scalar that is neither an input nor a constant.`,
          {
            code: 'PROGRAM_UNSUPPORTED',
          },
        )
      }
    }
  }

  /** Changes the state; adds the gradient norms to `outputs`. */
  apply(pool: UpdatePool, buffers: SharedBuffers, inputs: RunInputs, outputs: RunOutputs): void {
    const scalar = (tensor: TensorId): number => {
      const source = this.scalars.get(tensor)!
      return typeof source === 'number' ? source : inputs[source][0]
    }
    for (const [i, update] of this.program.updates.entries()) {
      const table = this.firstTable + i
      switch (update.kind) {
        case 'adamw':
          outputs[update.gradientNormOutput] = Float32Array.of(adamw(update, pool, table, scalar))
          break
        case 'ema':
          pool.run('combine', table, [scalar(update.decay), 1 - scalar(update.decay)])
          break
        case 'accumulate':
          pool.run('combine', table, [1, scalar(update.weight)])
          break
        case 'reduce':
          this.reducer.sum(
            update.gradients.map((gradient) => {
              const key = 'tensor' in gradient ? this.gradients.get(gradient.tensor)! : stateKey(gradient.state)
              return valuesOf(buffers.values.get(key)!)
            }),
          )
          break
        case 'zero':
          for (const name of update.states) buffers.values.get(stateKey(name))!.fill(0)
      }
    }
  }
}

function scalarsOf(update: Update): readonly TensorId[] {
  switch (update.kind) {
    case 'adamw':
      return [update.learningRate, update.weightDecay, update.step]
    case 'ema':
      return [update.decay]
    case 'accumulate':
      return [update.weight]
    case 'reduce':
    case 'zero':
      return []
  }
}

/** Returns the norm of the scaled gradients before clipping. */
function adamw(update: AdamwUpdate, pool: UpdatePool, table: number, scalar: (tensor: TensorId) => number): number {
  const { beta1, beta2, epsilon, gradientScale, clipNorm } = update
  pool.run('sumSquares', table, [])
  const norm = Math.abs(gradientScale) * Math.sqrt(pool.sum(table))
  if (!Number.isFinite(norm)) return norm
  const clip = clipNorm === null ? 1 : Math.min(1, clipNorm / (norm + 1e-6))
  const step = scalar(update.step)
  pool.run('adamw', table, [
    clip * gradientScale,
    beta1,
    beta2,
    scalar(update.learningRate),
    scalar(update.weightDecay),
    1 - beta1 ** step,
    Math.sqrt(1 - beta2 ** step),
    epsilon,
  ])
  return norm
}
