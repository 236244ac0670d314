import { VideoMaeError } from '../core/errors.ts'
import { formatSpec, sameShape, type TensorId, type TensorSpec, type Update } from './program.ts'

export interface UpdateContext {
  /** Names of the program's outputs. */
  readonly outputs: readonly string[]
  readonly tensor: (id: TensorId) => TensorSpec
  readonly isInput: (id: TensorId) => boolean
  /** Throws `STATE_UNKNOWN`. */
  readonly state: (name: string) => TensorSpec
}

/**
 * Checks that updates fit the graph: states exist, gradients and moments have the shape of what they belong to, scalars
 * are float32 inputs of shape [].
 *
 * @throws VideoMaeError `STATE_UNKNOWN`, `SHAPE_MISMATCH`, `NAME_TAKEN` for a gradient norm under an output's name
 */
export function checkUpdates(updates: readonly Update[], context: UpdateContext): void {
  const { tensor, state } = context
  const names = new Set(context.outputs)
  const scalar = (what: string, id: TensorId): void => {
    const spec = tensor(id)
    if (!context.isInput(id) || spec.dtype !== 'float32' || spec.shape.length > 0) {
      throw mismatch(`the ${what} to be an input float32[]`, context.isInput(id) ? formatSpec(spec) : 'another tensor')
    }
  }
  const alike = (what: string, spec: TensorSpec, like: string): void => {
    if (spec.dtype !== 'float32' || !sameShape(spec.shape, state(like).shape)) {
      throw mismatch(`${what} to be ${formatSpec(state(like))}, as the state ${like} is`, formatSpec(spec))
    }
  }
  for (const update of updates) {
    switch (update.kind) {
      case 'adamw':
        if (names.has(update.gradientNormOutput)) {
          throw new VideoMaeError(`The output ${update.gradientNormOutput} already exists.`, { code: 'NAME_TAKEN' })
        }
        names.add(update.gradientNormOutput)
        scalar('learning rate', update.learningRate)
        scalar('weight decay', update.weightDecay)
        scalar('step', update.step)
        for (const { parameter, gradient, firstMoment, secondMoment } of update.entries) {
          alike('the gradient', 'tensor' in gradient ? tensor(gradient.tensor) : state(gradient.state), parameter)
          alike(`the state ${firstMoment}`, state(firstMoment), parameter)
          alike(`the state ${secondMoment}`, state(secondMoment), parameter)
        }
        break
      case 'ema':
        scalar('decay', update.decay)
        for (const entry of update.entries) alike(`the state ${entry.ema}`, state(entry.ema), entry.source)
        break
      case 'accumulate':
        scalar('weight', update.weight)
        for (const entry of update.entries) alike('the gradient', tensor(entry.gradient), entry.accumulator)
        break
      case 'reduce':
        for (const gradient of update.gradients) {
          const spec = 'tensor' in gradient ? tensor(gradient.tensor) : state(gradient.state)
          if (spec.dtype !== 'float32') throw mismatch('gradients of float32', formatSpec(spec))
        }
        break
      case 'zero':
        for (const name of update.states) state(name)
    }
  }
}

function mismatch(expected: string, received: string): VideoMaeError {
  return new VideoMaeError(`An update expects ${expected}, received ${received}.`, { code: 'SHAPE_MISMATCH' })
}
