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

/** One gradient per input; null where the input has none or it is not wanted. */
export type GradientRule<A extends Attributes> = (context: GradientContext<A>) => readonly (Tensor | null)[]

export interface Operation<A extends Attributes = Attributes> {
  readonly name: string
  /** The shape rule: checks the inputs and says what comes out. Throws `SHAPE_MISMATCH`. */
  readonly infer: (inputs: readonly TensorSpec[], attributes: A) => readonly TensorSpec[]
  /** Positions of the inputs that need not be float32; the shape rule checks those itself. Default: none. */
  readonly integerInputs?: readonly number[]
  /**
   * Null: nothing that needs a gradient may flow through this operation. Gradients flow through the first output alone;
   * further outputs are statistics that the gradient reads.
   */
  readonly gradient: GradientRule<A> | null
}

/** The shape rule of an operation, behind the check that all other inputs are float32. Throws `SHAPE_MISMATCH`. */
export function inferOutputs<A extends Attributes>(
  { name, infer, integerInputs = [] }: Operation<A>,
  inputs: readonly TensorSpec[],
  attributes: A,
): readonly TensorSpec[] {
  const ok = inputs.every(({ dtype }, i) => dtype === 'float32' || integerInputs.includes(i))
  expectShape(ok, name, 'float32 tensors', inputs)
  return infer(inputs, attributes)
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

/** Whether `axis` is an axis of the shape; axes are counted from 0 and never from the end. */
export function isAxis(axis: number, shape: readonly number[]): boolean {
  return Number.isInteger(axis) && axis >= 0 && axis < shape.length
}

/** Whether `suffix` is the end of `shape`: the only broadcasting that operations know. */
export function isSuffix(suffix: readonly number[], shape: readonly number[]): boolean {
  return suffix.length <= shape.length && sameShape(suffix, shape.slice(shape.length - suffix.length))
}
