/** What the shape rules of operations are written with. */
import { VideoMaeError } from '../core/errors.ts'
import { type DataType, formatSpec, sameShape, type TensorSpec } from './program.ts'

function shapeError(operation: string, expected: string, inputs: readonly TensorSpec[]): VideoMaeError {
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
