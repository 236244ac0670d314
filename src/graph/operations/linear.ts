import type { Operation, Tensor } from '../graph.ts'
import { sameShape } from '../program.ts'
import { expectShape, spec } from '../shape-rules.ts'

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

/**
 * `x w^T + b`: x [..., I], w [O, I] and b [O] give [..., O].
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function linear(x: Tensor, w: Tensor, b: Tensor | null = null): Tensor {
  return x.graph.apply(linearOperation, b === null ? [x, w] : [x, w, b], {})[0]
}

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
