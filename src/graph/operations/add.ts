import type { Tensor } from '../graph.ts'
import { expectShape, isSuffix, type Operation, spec } from '../operation.ts'
import { sumLeading } from './sum-leading.ts'

/** `a + b`; a [..., S], b [S] with S any suffix of a's shape (b repeats over the leading axes). */
export const addOperation: Operation<Record<string, never>> = {
  name: 'add',
  infer(inputs) {
    const [a, b] = inputs
    expectShape(inputs.length === 2 && isSuffix(b.shape, a.shape), 'add', 'a and a suffix of its shape', inputs)
    return [spec(a.shape)]
  },
  gradient({ inputs: [, b], gradients: [dy], wanted }) {
    return [dy, wanted[1] && dy !== null ? sumLeading(dy, b.shape.length) : null]
  },
}

export function add(a: Tensor, b: Tensor): Tensor {
  return a.graph.apply(addOperation, [a, b], {})[0]
}
