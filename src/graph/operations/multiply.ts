import type { Tensor } from '../graph.ts'
import { expectShape, isSuffix, type Operation, spec } from '../operation.ts'
import { sumLeading } from './sum-leading.ts'

/** `a * b` element by element; a [..., S], b [S] with S any suffix of a's shape. Dropout is this with a mask as input. */
export const multiplyOperation: Operation<Record<string, never>> = {
  name: 'multiply',
  infer(inputs) {
    const [a, b] = inputs
    expectShape(inputs.length === 2 && isSuffix(b.shape, a.shape), 'multiply', 'a and a suffix of its shape', inputs)
    return [spec(a.shape)]
  },
  gradient({ inputs: [a, b], gradients: [dy], wanted }) {
    if (dy === null) return [null, null]
    return [wanted[0] ? multiply(dy, b) : null, wanted[1] ? sumLeading(multiply(dy, a), b.shape.length) : null]
  },
}

export function multiply(a: Tensor, b: Tensor): Tensor {
  return a.graph.apply(multiplyOperation, [a, b], {})[0]
}
