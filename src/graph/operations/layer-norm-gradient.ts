import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { sameShape } from '../program.ts'

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
