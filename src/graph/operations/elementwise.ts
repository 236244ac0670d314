/** Operations on each number by itself; `add` and `multiply` repeat b over the leading axes of a. */
import type { Operation, Tensor } from '../graph.ts'
import { sameShape } from '../program.ts'
import { expectShape, isSuffix, spec } from '../shape-rules.ts'
import { sumLeading } from './reductions.ts'

/** `a + b`; a [..., S], b [S] with S any suffix of a's shape (b repeats over the leading axes). */
export const addOperation: Operation<Record<string, never>> = {
  name: 'add',
  infer(inputs) {
    const [a, b] = inputs
    expectShape(inputs.length === 2 && isSuffix(b.shape, a.shape), 'add', 'a and a suffix of its shape', inputs)
    return [spec(a.shape)]
  },
  gradient({ inputs: [, b], gradients: [dy], wanted }) {
    return [dy, wanted[1] && dy !== null ? sumLeading(dy, b.shape.length) : null]
  },
}

/**
 * Sum of two tensors of the same shape.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function add(a: Tensor, b: Tensor): Tensor {
  return a.graph.apply(addOperation, [a, b], {})[0]
}

/** `a * b` element by element; a [..., S], b [S] with S any suffix of a's shape. Dropout is this with a mask as input. */
export const multiplyOperation: Operation<Record<string, never>> = {
  name: 'multiply',
  infer(inputs) {
    const [a, b] = inputs
    expectShape(inputs.length === 2 && isSuffix(b.shape, a.shape), 'multiply', 'a and a suffix of its shape', inputs)
    return [spec(a.shape)]
  },
  gradient({ inputs: [a, b], gradients: [dy], wanted }) {
    if (dy === null) return [null, null]
    return [wanted[0] ? multiply(dy, b) : null, wanted[1] ? sumLeading(multiply(dy, a), b.shape.length) : null]
  },
}

/**
 * Product of two tensors of the same shape, element by element.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function multiply(a: Tensor, b: Tensor): Tensor {
  return a.graph.apply(multiplyOperation, [a, b], {})[0]
}

/** Attributes of `scale`. */
export type ScaleAttributes = {
  /** What every value is multiplied by. */
  readonly factor: number
}

/** `factor * x`, any shape. */
export const scaleOperation: Operation<ScaleAttributes> = {
  name: 'scale',
  infer(inputs) {
    expectShape(inputs.length === 1, 'scale', 'one tensor', inputs)
    return [spec(inputs[0].shape)]
  },
  gradient({ attributes: { factor }, gradients: [dy] }) {
    return [dy && scale(dy, factor)]
  },
}

/**
 * Multiplies every value by one number; x of any shape.
 *
 * @returns `factor * x`, of the shape of x
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function scale(x: Tensor, factor: number): Tensor {
  return x.graph.apply(scaleOperation, [x], { factor })[0]
}

/**
 * Multiplies every sample by its own number: x [B, ...], s [B]. Drop path (Huang et al. 2016) is this with
 * s = keep / (1 - rate); s comes in as an input and has no gradient.
 */
export const scaleSamplesOperation: Operation<Record<string, never>> = {
  name: 'scaleSamples',
  infer(inputs) {
    const [x, s] = inputs
    expectShape(
      inputs.length === 2 && s.shape.length === 1 && x.shape[0] === s.shape[0],
      'scaleSamples',
      'x [B, ...] and s [B]',
      inputs,
    )
    return [spec(x.shape)]
  },
  gradient({ inputs: [, s], gradients: [dy] }) {
    return [dy && scaleSamples(dy, s), null]
  },
}

/**
 * Multiplies each sample of x [B, ...] by its number of s [B].
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function scaleSamples(x: Tensor, s: Tensor): Tensor {
  return x.graph.apply(scaleSamplesOperation, [x, s], {})[0]
}

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

/**
 * `x * Phi(x)` with the exact normal distribution function, any shape.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function gelu(x: Tensor): Tensor {
  return x.graph.apply(geluOperation, [x], {})[0]
}

/** `dx = dy * (Phi(x) + x * phi(x))`, phi the standard normal density; dy and x of one shape. */
export const geluGradientOperation: Operation<Record<string, never>> = {
  name: 'geluGradient',
  infer(inputs) {
    const ok = inputs.length === 2 && sameShape(inputs[0].shape, inputs[1].shape)
    expectShape(ok, 'geluGradient', 'dy and x of one shape', inputs)
    return [spec(inputs[1].shape)]
  },
  gradient: null,
}

export function geluGradient(dy: Tensor, x: Tensor): Tensor {
  return dy.graph.apply(geluGradientOperation, [dy, x], {})[0]
}

/** An operation of one tensor of any shape, without a gradient: readouts of frozen tokens use it. */
function frozenUnary(name: string): Operation<Record<string, never>> {
  return {
    name,
    infer(inputs) {
      expectShape(inputs.length === 1, name, 'one tensor', inputs)
      return [spec(inputs[0].shape)]
    },
    gradient: null,
  }
}

/** `|x|`, any shape; no gradient. */
export const absoluteOperation = frozenUnary('absolute')

/**
 * The absolute value of each element, any shape.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function absolute(x: Tensor): Tensor {
  return x.graph.apply(absoluteOperation, [x], {})[0]
}

/** The square root of x >= 0, any shape; no gradient. */
export const squareRootOperation = frozenUnary('squareRoot')

/**
 * The square root of each element, any shape.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function squareRoot(x: Tensor): Tensor {
  return x.graph.apply(squareRootOperation, [x], {})[0]
}
