import { invalidArgument } from '../core/errors.ts'
import type { Precision } from './engine.ts'

/** The default first. Engines that are not here compute in one way and take no notice of the option. */
const choices = {
  native: ['float32', 'bfloat16'],
  onnx: ['float32'],
  cuda: ['float32', 'bfloat16'],
  webgpu: ['float32', 'float16'],
  tfjs: ['float32'],
} as const satisfies Readonly<Record<string, readonly Precision[]>>

type Choices = typeof choices

/** The precisions that an engine computes in, the default first. */
export function precisionsOf(engine: string): readonly Precision[] {
  return Object.hasOwn(choices, engine) ? choices[engine as keyof Choices] : ['float32']
}

/**
 * The precision that a session of an engine computes in.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for one that the engine does not have, naming the engines that have it
 */
export function requirePrecision<E extends keyof Choices>(
  engine: E,
  precision: Precision = 'float32',
): Choices[E][number] {
  const allowed: readonly Choices[E][number][] = choices[engine]
  const found = allowed.find((one) => one === precision)
  if (found !== undefined) return found
  const others = Object.keys(choices).filter((name) => precisionsOf(name).includes(precision))
  const hint = `The engines that have ${precision}: ${others.join(', ') || 'none'}.`
  throw invalidArgument('precision', `${allowed.join(' or ')} on the engine ${engine}`, precision, hint)
}
