import type { Operation } from '../../graph/graph.ts'
import type { OperationName, operations } from '../../graph/operations/index.ts'
import type { Attributes, TensorSpec } from '../../graph/program.ts'

/** A tensor's numbers in row-major order; integers and bytes are held in float64 as well, exactly. */
export interface Values extends TensorSpec {
  readonly data: Float64Array
}

/**
 * What an operation does. Its formula is with the operation in `src/graph/operations`; a kernel follows it
 * literally, in float64, with one loop per index.
 *
 * @param outputs shapes of what comes out, as the operation's shape rule says
 * @returns the numbers of each output
 */
export type ReferenceKernel<A extends Attributes = Attributes> = (
  inputs: readonly Values[],
  attributes: A,
  outputs: readonly TensorSpec[],
) => readonly Float64Array[]

/** The kernel type that belongs to an operation. */
export type KernelOf<K extends OperationName> =
  (typeof operations)[K] extends Operation<infer A> ? ReferenceKernel<A> : never

/** Rows and width of a tensor seen as a matrix over its last axis. */
export function asMatrix({ shape, data }: Values): { readonly rows: number; readonly width: number } {
  const width = shape[shape.length - 1]
  return { rows: data.length / width, width }
}
