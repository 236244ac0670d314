import type { Tensor } from '../graph.ts'
import { expectShape, isAxis, type Operation, spec } from '../operation.ts'
import { pad } from './pad.ts'

export type SliceAttributes = { readonly axis: number; readonly start: number; readonly size: number }

/** `size` entries of one axis from `start` on. */
export const sliceOperation: Operation<SliceAttributes> = {
  name: 'slice',
  infer(inputs, { axis, start, size }) {
    const ok =
      inputs.length === 1 && isAxis(axis, inputs[0].shape) && start >= 0 && start + size <= inputs[0].shape[axis]
    expectShape(ok, 'slice', `at least ${start + size} entries along axis ${axis}`, inputs)
    const shape = [...inputs[0].shape]
    shape[axis] = size
    return [spec(shape)]
  },
  gradient({ inputs: [x], attributes: { axis, start, size }, gradients: [dy] }) {
    return [dy && pad(dy, axis, start, x.shape[axis] - start - size)]
  },
}

export function slice(x: Tensor, axis: number, start: number, size: number): Tensor {
  return x.graph.apply(sliceOperation, [x], { axis, start, size })[0]
}
