import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'

/** Gradient of `linear` with respect to x: `dx = dy w`; dy [..., O], w [O, I] -> dx [..., I]. */
export const linearInputGradientOperation: Operation<Record<string, never>> = {
  name: 'linearInputGradient',
  infer(inputs) {
    const [dy, w] = inputs
    const ok = inputs.length === 2 && w.shape.length === 2 && dy.shape[dy.shape.length - 1] === w.shape[0]
    expectShape(ok, 'linearInputGradient', 'dy [..., O] and w [O, I]', inputs)
    return [spec([...dy.shape.slice(0, -1), w.shape[1]])]
  },
  gradient: null,
}

export function linearInputGradient(dy: Tensor, w: Tensor): Tensor {
  return dy.graph.apply(linearInputGradientOperation, [dy, w], {})[0]
}
