import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'

/**
 * Multiplies every sample by its own number: x [B, ...], s [B]. Drop path (Huang et al. 2016) is this with
 * s = keep / (1 - rate); s comes in as an input and has no gradient.
 */
export const scaleSamplesOperation: Operation<Record<string, never>> = {
  name: 'scaleSamples',
  infer(inputs) {
    const [x, s] = inputs
    expectShape(
      inputs.length === 2 && s.shape.length === 1 && x.shape[0] === s.shape[0],
      'scaleSamples',
      'x [B, ...] and s [B]',
      inputs,
    )
    return [spec(x.shape)]
  },
  gradient({ inputs: [, s], gradients: [dy] }) {
    return [dy && scaleSamples(dy, s), null]
  },
}

export function scaleSamples(x: Tensor, s: Tensor): Tensor {
  return x.graph.apply(scaleSamplesOperation, [x, s], {})[0]
}
