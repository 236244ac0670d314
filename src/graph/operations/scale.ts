import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'

export type ScaleAttributes = { readonly factor: number }

/** `factor * x`, any shape. */
export const scaleOperation: Operation<ScaleAttributes> = {
  name: 'scale',
  infer(inputs) {
    expectShape(inputs.length === 1, 'scale', 'one tensor', inputs)
    return [spec(inputs[0].shape)]
  },
  gradient({ attributes: { factor }, gradients: [dy] }) {
    return [dy && scale(dy, factor)]
  },
}

export function scale(x: Tensor, factor: number): Tensor {
  return x.graph.apply(scaleOperation, [x], { factor })[0]
}
