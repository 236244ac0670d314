import { openReducer, type Reducer, valuesOf } from '../../distributed/reducer.ts'
import type {
  AccumulateUpdate,
  AdamwUpdate,
  EmaUpdate,
  GradientSource,
  Program,
  ZeroUpdate,
} from '../../graph/program.ts'
import type { EvaluatedTensors } from './evaluate.ts'

export type MutableState = ReadonlyMap<string, Float64Array>

/**
 * Applies a program's updates in order; each sees what those before it left.
 *
 * @param state changed in place
 * @param reducer for `reduce`; default: this process alone
 * @returns the gradient norms, by output name
 */
export function applyUpdates(
  program: Program,
  values: EvaluatedTensors,
  state: MutableState,
  reducer: Reducer = openReducer({ transport: 'self' }),
): Map<string, number> {
  const norms = new Map<string, number>()
  for (const update of program.updates) {
    switch (update.kind) {
      case 'adamw':
        norms.set(update.gradientNormOutput, adamw(update, values, state))
        break
      case 'ema':
        ema(update, values, state)
        break
      case 'accumulate':
        accumulate(update, values, state)
        break
      case 'reduce':
        reducer.sum(update.gradients.map((gradient) => valuesOf(gradientOf(gradient, values, state))))
        break
      case 'zero':
        zero(update, state)
    }
  }
  return norms
}

function gradientOf(source: GradientSource, values: EvaluatedTensors, state: MutableState): Float64Array {
  return 'tensor' in source ? values.get(source.tensor)! : state.get(source.state)!
}

/** Returns the gradient norm after `gradientScale` and before clipping. */
function adamw(update: AdamwUpdate, values: EvaluatedTensors, state: MutableState): number {
  let squares = 0
  for (const entry of update.entries) {
    for (const g of gradientOf(entry.gradient, values, state)) squares += (update.gradientScale * g) ** 2
  }
  const norm = Math.sqrt(squares)
  if (!Number.isFinite(norm)) return norm

  const clip = update.clipNorm === null ? 1 : Math.min(1, update.clipNorm / (norm + 1e-6))
  const { beta1, beta2, epsilon } = update
  const step = values.get(update.step)![0]
  const correction1 = 1 - beta1 ** step
  const correction2 = Math.sqrt(1 - beta2 ** step)
  for (const entry of update.entries) {
    const learningRate = values.get(update.learningRate)![0] * entry.learningRateScale
    const decay = learningRate * values.get(update.weightDecay)![0] * entry.decayScale
    const gradient = gradientOf(entry.gradient, values, state)
    const p = state.get(entry.parameter)!
    const m = state.get(entry.firstMoment)!
    const v = state.get(entry.secondMoment)!
    for (let i = 0; i < p.length; i++) {
      const g = clip * update.gradientScale * gradient[i]
      m[i] = beta1 * m[i] + (1 - beta1) * g
      v[i] = beta2 * v[i] + (1 - beta2) * g * g
      p[i] -= decay * p[i]
      p[i] -= ((learningRate / correction1) * m[i]) / (Math.sqrt(v[i]) / correction2 + epsilon)
    }
  }
  return norm
}

function ema(update: EmaUpdate, values: EvaluatedTensors, state: MutableState): void {
  const decay = values.get(update.decay)![0]
  for (const entry of update.entries) {
    const target = state.get(entry.ema)!
    const source = state.get(entry.source)!
    for (let i = 0; i < target.length; i++) target[i] = decay * target[i] + (1 - decay) * source[i]
  }
}

function accumulate(update: AccumulateUpdate, values: EvaluatedTensors, state: MutableState): void {
  const weight = values.get(update.weight)![0]
  for (const entry of update.entries) {
    const target = state.get(entry.accumulator)!
    const gradient = values.get(entry.gradient)!
    for (let i = 0; i < target.length; i++) target[i] += weight * gradient[i]
  }
}

function zero(update: ZeroUpdate, state: MutableState): void {
  for (const name of update.states) state.get(name)!.fill(0)
}
