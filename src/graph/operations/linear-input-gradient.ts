import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { linear } from './linear.ts'
import { linearParameterGradient } from './linear-parameter-gradient.ts'

/**
 * Gradient of `linear` with respect to x: `dx = dy w`; dy [..., O], w [O, I] -> dx [..., I]. A model may use it as the
 * product with a matrix that is not transposed.
 */
export const linearInputGradientOperation: Operation<Record<string, never>> = {
  name: 'linearInputGradient',
  infer(inputs) {
    const [dy, w] = inputs
    const ok = inputs.length === 2 && w.shape.length === 2 && dy.shape[dy.shape.length - 1] === w.shape[0]
    expectShape(ok, 'linearInputGradient', 'dy [..., O] and w [O, I]', inputs)
    return [spec([...dy.shape.slice(0, -1), w.shape[1]])]
  },
  gradient({ inputs: [dy, w], gradients: [g], wanted }) {
    if (g === null) return [null, null]
    return [wanted[0] ? linear(g, w) : null, wanted[1] ? linearParameterGradient(dy, g, false).dw : null]
  },
}

export function linearInputGradient(dy: Tensor, w: Tensor): Tensor {
  return dy.graph.apply(linearInputGradientOperation, [dy, w], {})[0]
}
