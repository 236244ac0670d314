import type { Operation } from '../../graph/graph.ts'
import type { OperationName, operations } from '../../graph/operations/index.ts'
import type { Attributes, TensorSpec } from '../../graph/program.ts'
import type { Tensor, Tfjs } from './runtime.ts'

/** What a rule may ask next to its tensors: bytes are int32 in TensorFlow.js. */
export interface NodeSpecs {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}

/**
 * Computes an operation with the functions of TensorFlow.js; its formula is in `src/graph/operations`. What a rule makes and does
 * not return is disposed by its caller.
 *
 * @returns one tensor for each output
 */
export type TfjsRule<A extends Attributes = Attributes> = (
  tf: Tfjs,
  inputs: readonly Tensor[],
  attributes: A,
  specs: NodeSpecs,
) => readonly Tensor[]

/** The rule type that belongs to an operation. */
export type RuleOf<K extends OperationName> = (typeof operations)[K] extends Operation<infer A> ? TfjsRule<A> : never
