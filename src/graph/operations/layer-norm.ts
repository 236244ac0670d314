import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { layerNormGradient } from './layer-norm-gradient.ts'

export type LayerNormAttributes = { readonly epsilon: number }

/**
 * Layer normalisation over the last axis (Ba et al. 2016): `y = (x - mean) / sqrt(variance + epsilon) * gamma + beta`
 * with the biased variance; x [..., D], gamma [D], beta [D] -> y [..., D], mean [...], inverse deviation [...].
 */
export const layerNormOperation: Operation<LayerNormAttributes> = {
  name: 'layerNorm',
  infer(inputs) {
    const [x, gamma, beta] = inputs
    const width = x.shape[x.shape.length - 1]
    const ok = inputs.length === 3 && [gamma, beta].every(({ shape }) => shape.length === 1 && shape[0] === width)
    expectShape(ok, 'layerNorm', 'x [..., D], gamma [D] and beta [D]', inputs)
    const rows = x.shape.slice(0, -1)
    return [spec(x.shape), spec(rows), spec(rows)]
  },
  gradient({ inputs: [x, gamma], outputs: [, mean, inverseDeviation], gradients: [dy] }) {
    if (dy === null) return [null, null, null]
    const { dx, dgamma, dbeta } = layerNormGradient(dy, x, gamma, mean, inverseDeviation)
    return [dx, dgamma, dbeta]
  },
}

export function layerNorm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: number): Tensor {
  return x.graph.apply(layerNormOperation, [x, gamma, beta], { epsilon })[0]
}
