import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { broadcastLeading } from './broadcast-leading.ts'

export type SumLeadingAttributes = { readonly keep: number }

/** Sums over the leading axes: x [L..., S] -> [S], with S the last `keep` axes. */
export const sumLeadingOperation: Operation<SumLeadingAttributes> = {
  name: 'sumLeading',
  infer(inputs, { keep }) {
    const ok = inputs.length === 1 && Number.isInteger(keep) && keep >= 0 && keep <= inputs[0].shape.length
    expectShape(ok, 'sumLeading', `rank of at least ${keep}`, inputs)
    return [spec(inputs[0].shape.slice(inputs[0].shape.length - keep))]
  },
  gradient({ inputs: [x], attributes: { keep }, gradients: [dy] }) {
    return [dy && broadcastLeading(dy, x.shape.slice(0, x.shape.length - keep))]
  },
}

/** Returns x itself where there is nothing to sum. */
export function sumLeading(x: Tensor, keep: number): Tensor {
  return keep === x.shape.length ? x : x.graph.apply(sumLeadingOperation, [x], { keep })[0]
}
