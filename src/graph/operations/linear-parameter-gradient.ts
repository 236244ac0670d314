import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { sameShape } from '../program.ts'

export type LinearParameterGradientAttributes = { readonly bias: boolean }

/**
 * Gradient of `linear` with respect to w and b over all rows: `dw = dy^T x`, `db = sum of dy's rows`;
 * dy [..., O], x [..., I] -> dw [O, I] and, with `bias`, db [O].
 */
export const linearParameterGradientOperation: Operation<LinearParameterGradientAttributes> = {
  name: 'linearParameterGradient',
  infer(inputs, { bias }) {
    const [dy, x] = inputs
    const ok = inputs.length === 2 && sameShape(dy.shape.slice(0, -1), x.shape.slice(0, -1))
    expectShape(ok, 'linearParameterGradient', 'dy [..., O] and x [..., I]', inputs)
    const o = dy.shape[dy.shape.length - 1]
    const i = x.shape[x.shape.length - 1]
    return bias ? [spec([o, i]), spec([o])] : [spec([o, i])]
  },
  gradient: null,
}

export function linearParameterGradient(
  dy: Tensor,
  x: Tensor,
  bias: boolean,
): { readonly dw: Tensor; readonly db: Tensor | null } {
  const outputs = dy.graph.apply(linearParameterGradientOperation, [dy, x], { bias })
  return { dw: outputs[0], db: outputs[1] ?? null }
}
