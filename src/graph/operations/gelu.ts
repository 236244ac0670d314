import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { geluGradient } from './gelu-gradient.ts'

/** Exact GELU (Hendrycks & Gimpel 2016): `x * Phi(x)`, `Phi(x) = (1 + erf(x / sqrt(2))) / 2`; any shape. */
export const geluOperation: Operation<Record<string, never>> = {
  name: 'gelu',
  infer(inputs) {
    expectShape(inputs.length === 1, 'gelu', 'one tensor', inputs)
    return [spec(inputs[0].shape)]
  },
  gradient({ inputs: [x], gradients: [dy] }) {
    return [dy && geluGradient(dy, x)]
  },
}

export function gelu(x: Tensor): Tensor {
  return x.graph.apply(geluOperation, [x], {})[0]
}
