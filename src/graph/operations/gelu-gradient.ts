import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { sameShape } from '../program.ts'

/** `dx = dy * (Phi(x) + x * phi(x))`, phi the standard normal density; dy and x of one shape. */
export const geluGradientOperation: Operation<Record<string, never>> = {
  name: 'geluGradient',
  infer(inputs) {
    const ok = inputs.length === 2 && sameShape(inputs[0].shape, inputs[1].shape)
    expectShape(ok, 'geluGradient', 'dy and x of one shape', inputs)
    return [spec(inputs[1].shape)]
  },
  gradient: null,
}

export function geluGradient(dy: Tensor, x: Tensor): Tensor {
  return dy.graph.apply(geluGradientOperation, [dy, x], {})[0]
}
