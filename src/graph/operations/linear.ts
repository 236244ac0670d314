import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { linearInputGradient } from './linear-input-gradient.ts'
import { linearParameterGradient } from './linear-parameter-gradient.ts'

/** `y = x w^T + b`: x [..., I], w [O, I] (the layout of torch.nn.Linear), optional b [O] -> y [..., O]. */
export const linearOperation: Operation<Record<string, never>> = {
  name: 'linear',
  infer(inputs) {
    const [x, w, b] = inputs
    const inner = x.shape[x.shape.length - 1]
    const ok =
      (inputs.length === 2 || inputs.length === 3) &&
      x.shape.length >= 2 &&
      w.shape.length === 2 &&
      w.shape[1] === inner &&
      (b === undefined || (b.shape.length === 1 && b.shape[0] === w.shape[0]))
    expectShape(ok, 'linear', 'x [..., I], w [O, I] and optionally b [O]', inputs)
    return [spec([...x.shape.slice(0, -1), w.shape[0]])]
  },
  gradient({ inputs, gradients: [dy], wanted }) {
    if (dy === null) return inputs.map(() => null)
    const [x, w] = inputs
    const dx = wanted[0] ? linearInputGradient(dy, w) : null
    if (!wanted[1] && !wanted[2]) return [dx, null, null]
    const { dw, db } = linearParameterGradient(dy, x, inputs.length === 3)
    return [dx, dw, db]
  },
}

export function linear(x: Tensor, w: Tensor, b: Tensor | null = null): Tensor {
  return x.graph.apply(linearOperation, b === null ? [x, w] : [x, w, b], {})[0]
}
