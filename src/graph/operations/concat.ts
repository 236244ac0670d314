import type { Tensor } from '../graph.ts'
import { expectShape, isAxis, type Operation, spec } from '../operation.ts'
import { slice } from './slice.ts'

export type ConcatAttributes = { readonly axis: number }

/** Joins tensors along one axis; all other sizes agree. Tokens [B, N, D] are joined along axis 1. */
export const concatOperation: Operation<ConcatAttributes> = {
  name: 'concat',
  infer(inputs, { axis }) {
    const [first] = inputs
    const agree = inputs.every(
      ({ shape }) => shape.length === first.shape.length && shape.every((n, i) => i === axis || n === first.shape[i]),
    )
    expectShape(
      inputs.length > 0 && isAxis(axis, first.shape) && agree,
      'concat',
      `equal sizes but axis ${axis}`,
      inputs,
    )
    const shape = [...first.shape]
    shape[axis] = inputs.reduce((sum, input) => sum + input.shape[axis], 0)
    return [spec(shape)]
  },
  gradient({ inputs, attributes: { axis }, gradients: [dy], wanted }) {
    let start = 0
    return inputs.map((input, i) => {
      const from = start
      start += input.shape[axis]
      return dy !== null && wanted[i] ? slice(dy, axis, from, input.shape[axis]) : null
    })
  },
}

export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  return tensors[0].graph.apply(concatOperation, tensors, { axis })[0]
}
