import type { Tensor } from '../graph.ts'
import { expectShape, isAxis, type Operation, spec } from '../operation.ts'
import { slice } from './slice.ts'

export type PadAttributes = { readonly axis: number; readonly before: number; readonly after: number }

/** Zeros before and behind along one axis: the gradient of `slice`. */
export const padOperation: Operation<PadAttributes> = {
  name: 'pad',
  infer(inputs, { axis, before, after }) {
    const ok = inputs.length === 1 && isAxis(axis, inputs[0].shape) && before >= 0 && after >= 0
    expectShape(ok, 'pad', `an axis ${axis} to pad by ${before} and ${after}`, inputs)
    const shape = [...inputs[0].shape]
    shape[axis] += before + after
    return [spec(shape)]
  },
  gradient({ inputs: [x], attributes: { axis, before }, gradients: [dy] }) {
    return [dy && slice(dy, axis, before, x.shape[axis])]
  },
}

export function pad(x: Tensor, axis: number, before: number, after: number): Tensor {
  return x.graph.apply(padOperation, [x], { axis, before, after })[0]
}
