import { VideoMaeError } from '../core/errors.ts'
import type { Tensor } from './graph.ts'
import { type Attributes, type DataType, formatSpec, sameShape, type TensorSpec } from './program.ts'

/** What a gradient rule is given. `gradients[i]` is null where output i does not reach the loss. */
export interface GradientContext<A extends Attributes> {
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  readonly attributes: A
  readonly gradients: readonly (Tensor | null)[]
  /** Whether the gradient of input i is wanted at all; a rule may skip the work for others and return null. */
  readonly wanted: readonly boolean[]
}

/** One gradient per input, null where there is none. */
export type GradientRule<A extends Attributes> = (context: GradientContext<A>) => readonly (Tensor | null)[]

export interface Operation<A extends Attributes = Attributes> {
  readonly name: string
  /** The shape rule: checks the inputs and says what comes out. Throws `SHAPE_MISMATCH`. */
  readonly infer: (inputs: readonly TensorSpec[], attributes: A) => readonly TensorSpec[]
  /** Null: nothing that needs a gradient may flow through this operation. */
  readonly gradient: GradientRule<A> | null
}

export function shapeError(operation: string, expected: string, inputs: readonly TensorSpec[]): VideoMaeError {
  return new VideoMaeError(
    `${operation}: expected ${expected}, received ${inputs.map(formatSpec).join(', ') || 'nothing'}.`,
    { code: 'SHAPE_MISMATCH' },
  )
}

/** Throws `SHAPE_MISMATCH` unless the condition holds. */
export function expectShape(
  condition: boolean,
  operation: string,
  expected: string,
  inputs: readonly TensorSpec[],
): void {
  if (!condition) throw shapeError(operation, expected, inputs)
}

export function spec(shape: readonly number[], dtype: DataType = 'float32'): TensorSpec {
  return { shape: [...shape], dtype }
}

/** Whether `suffix` is the end of `shape`: the only broadcasting that operations know. */
export function isSuffix(suffix: readonly number[], shape: readonly number[]): boolean {
  return suffix.length <= shape.length && sameShape(suffix, shape.slice(shape.length - suffix.length))
}
