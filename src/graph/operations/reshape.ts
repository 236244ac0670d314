import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { elementCount } from '../program.ts'

export type ReshapeAttributes = { readonly shape: readonly number[] }

/** The same values in row-major order under another shape. Costs nothing. */
export const reshapeOperation: Operation<ReshapeAttributes> = {
  name: 'reshape',
  integerInputs: [0],
  infer(inputs, { shape }) {
    expectShape(
      inputs.length === 1 && elementCount(inputs[0].shape) === elementCount(shape),
      'reshape',
      `a tensor of ${elementCount(shape)} values`,
      inputs,
    )
    return [spec(shape, inputs[0].dtype)]
  },
  gradient({ inputs: [x], gradients: [dy] }) {
    return [dy && reshape(dy, x.shape)]
  },
}

export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  return x.graph.apply(reshapeOperation, [x], { shape })[0]
}
