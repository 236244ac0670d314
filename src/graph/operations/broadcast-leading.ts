import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { sumLeading } from './sum-leading.ts'

export type BroadcastLeadingAttributes = { readonly leading: readonly number[] }

/** Repeats x [S] over new leading axes: [leading..., S]. */
export const broadcastLeadingOperation: Operation<BroadcastLeadingAttributes> = {
  name: 'broadcastLeading',
  infer(inputs, { leading }) {
    expectShape(inputs.length === 1, 'broadcastLeading', 'one tensor', inputs)
    return [spec([...leading, ...inputs[0].shape])]
  },
  gradient({ inputs: [x], gradients: [dy] }) {
    return [dy && sumLeading(dy, x.shape.length)]
  },
}

export function broadcastLeading(x: Tensor, leading: readonly number[]): Tensor {
  return leading.length === 0 ? x : x.graph.apply(broadcastLeadingOperation, [x], { leading })[0]
}
