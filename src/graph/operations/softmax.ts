import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'

/** Softmax over the last axis, for reading probabilities out; training uses `softmaxCrossEntropy`. No gradient. */
export const softmaxOperation: Operation<Record<string, never>> = {
  name: 'softmax',
  infer(inputs) {
    expectShape(inputs.length === 1 && inputs[0].shape.length >= 1, 'softmax', 'one tensor of rank 1 or more', inputs)
    return [spec(inputs[0].shape)]
  },
  gradient: null,
}

export function softmax(x: Tensor): Tensor {
  return x.graph.apply(softmaxOperation, [x], {})[0]
}
