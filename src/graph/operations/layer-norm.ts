import type { Operation, Tensor } from '../graph.ts'
import { sameShape } from '../program.ts'
import { expectShape, spec } from '../shape-rules.ts'

/** Attributes of `layerNorm`. */
export type LayerNormAttributes = {
  /** Added to the variance. */
  readonly epsilon: number
}

/**
 * Layer normalization over the last axis (Ba et al. 2016): `y = (x - mean) / sqrt(variance + epsilon) * gamma + beta`
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

/**
 * Layer normalization over the last axis: x [..., D], gamma and beta [D].
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function layerNorm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: number): Tensor {
  return x.graph.apply(layerNormOperation, [x, gamma, beta], { epsilon })[0]
}

/**
 * Gradient of `layerNorm`. With n = (x - mean) * inverse and g = dy * gamma:
 * `dx = inverse * (g - average(g) - n * average(g * n))`, `dgamma = sum over rows of dy * n`, `dbeta = sum of dy`.
 * Inputs dy [..., D], x [..., D], gamma [D], mean [...], inverse [...] -> dx [..., D], dgamma [D], dbeta [D].
 */
export const layerNormGradientOperation: Operation<Record<string, never>> = {
  name: 'layerNormGradient',
  infer(inputs) {
    const [dy, x, gamma, mean, inverse] = inputs
    const rows = x.shape.slice(0, -1)
    const ok =
      inputs.length === 5 &&
      sameShape(gamma.shape, x.shape.slice(-1)) &&
      sameShape(dy.shape, x.shape) &&
      sameShape(mean.shape, rows) &&
      sameShape(inverse.shape, rows)
    expectShape(ok, 'layerNormGradient', 'dy and x [..., D], gamma [D], mean and inverse [...]', inputs)
    return [spec(x.shape), spec(gamma.shape), spec(gamma.shape)]
  },
  gradient: null,
}

export function layerNormGradient(
  dy: Tensor,
  x: Tensor,
  gamma: Tensor,
  mean: Tensor,
  inverseDeviation: Tensor,
): { readonly dx: Tensor; readonly dgamma: Tensor; readonly dbeta: Tensor } {
  const inputs = [dy, x, gamma, mean, inverseDeviation]
  const [dx, dgamma, dbeta] = dy.graph.apply(layerNormGradientOperation, inputs, {})
  return { dx, dgamma, dbeta }
}
