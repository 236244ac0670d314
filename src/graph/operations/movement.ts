/** Operations that move numbers and compute none, each next to the one that is its gradient. */
import type { Operation, Tensor } from '../graph.ts'
import { elementCount } from '../program.ts'
import { expectShape, isAxis, spec } from '../shape-rules.ts'

/** Attributes of `reshape`. */
export type ReshapeAttributes = {
  /** The new shape, with as many values. */
  readonly shape: readonly number[]
}

/** The same values in row-major order under another shape. Costs nothing. */
export const reshapeOperation: Operation<ReshapeAttributes> = {
  name: 'reshape',
  integerInputs: [0],
  infer(inputs, { shape }) {
    expectShape(
      inputs.length === 1 && elementCount(inputs[0].shape) === elementCount(shape),
      'reshape',
      `a tensor of ${elementCount(shape)} values`,
      inputs,
    )
    return [spec(shape, inputs[0].dtype)]
  },
  gradient({ inputs: [x], gradients: [dy] }) {
    return [dy && reshape(dy, x.shape)]
  },
}

/**
 * The same values in row-major order under another shape.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  return x.graph.apply(reshapeOperation, [x], { shape })[0]
}

/** Attributes of `slice`. */
export type SliceAttributes = {
  /** Along which the part is taken, from 0. */
  readonly axis: number
  /** First position that is taken. */
  readonly start: number
  /** Number of positions that are taken. */
  readonly size: number
}

/** `size` entries of one axis from `start` on. */
export const sliceOperation: Operation<SliceAttributes> = {
  name: 'slice',
  infer(inputs, { axis, start, size }) {
    const ok =
      inputs.length === 1 && isAxis(axis, inputs[0].shape) && start >= 0 && start + size <= inputs[0].shape[axis]
    expectShape(ok, 'slice', `at least ${start + size} entries along axis ${axis}`, inputs)
    const shape = [...inputs[0].shape]
    shape[axis] = size
    return [spec(shape)]
  },
  gradient({ inputs: [x], attributes: { axis, start, size }, gradients: [dy] }) {
    return [dy && pad(dy, axis, start, x.shape[axis] - start - size)]
  },
}

/**
 * `size` entries of one axis from `start` on.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function slice(x: Tensor, axis: number, start: number, size: number): Tensor {
  return x.graph.apply(sliceOperation, [x], { axis, start, size })[0]
}

/** Attributes of `pad`. */
export type PadAttributes = {
  /** Along which zeros are added, from 0. */
  readonly axis: number
  /** Zeros before the values. */
  readonly before: number
  /** Zeros behind the values. */
  readonly after: number
}

/** Zeros before and behind along one axis: the gradient of `slice`. */
export const padOperation: Operation<PadAttributes> = {
  name: 'pad',
  infer(inputs, { axis, before, after }) {
    const ok = inputs.length === 1 && isAxis(axis, inputs[0].shape) && before >= 0 && after >= 0
    expectShape(ok, 'pad', `an axis ${axis} to pad by ${before} and ${after}`, inputs)
    const shape = [...inputs[0].shape]
    shape[axis] += before + after
    return [spec(shape)]
  },
  gradient({ inputs: [x], attributes: { axis, before }, gradients: [dy] }) {
    return [dy && slice(dy, axis, before, x.shape[axis])]
  },
}

/**
 * Zeros before and behind along one axis.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function pad(x: Tensor, axis: number, before: number, after: number): Tensor {
  return x.graph.apply(padOperation, [x], { axis, before, after })[0]
}

/** Attributes of `concat`. */
export type ConcatAttributes = {
  /** Along which inputs are joined, from 0. */
  readonly axis: number
}

/** Joins tensors along one axis; all other sizes agree. Tokens [B, N, D] are joined along axis 1. */
export const concatOperation: Operation<ConcatAttributes> = {
  name: 'concat',
  infer(inputs, { axis }) {
    const [first] = inputs
    const agree = inputs.every(
      ({ shape }) => shape.length === first.shape.length && shape.every((n, i) => i === axis || n === first.shape[i]),
    )
    expectShape(
      inputs.length > 0 && isAxis(axis, first.shape) && agree,
      'concat',
      `equal sizes but axis ${axis}`,
      inputs,
    )
    const shape = [...first.shape]
    shape[axis] = inputs.reduce((sum, input) => sum + input.shape[axis], 0)
    return [spec(shape)]
  },
  gradient({ inputs, attributes: { axis }, gradients: [dy], wanted }) {
    let start = 0
    return inputs.map((input, i) => {
      const from = start
      start += input.shape[axis]
      return dy !== null && wanted[i] ? slice(dy, axis, from, input.shape[axis]) : null
    })
  },
}

/**
 * Joins tensors along one axis; all other sizes agree.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  return tensors[0].graph.apply(concatOperation, tensors, { axis })[0]
}

/** Picks tokens per sample: x [B, N, D], indices int32 [B, M] in [0, N) -> [B, M, D]. */
export const gatherTokensOperation: Operation<Record<string, never>> = {
  name: 'gatherTokens',
  integerInputs: [1],
  infer(inputs) {
    const [x, indices] = inputs
    const ok =
      inputs.length === 2 &&
      x.shape.length === 3 &&
      indices.shape.length === 2 &&
      indices.dtype === 'int32' &&
      indices.shape[0] === x.shape[0]
    expectShape(ok, 'gatherTokens', 'x [B, N, D] and int32 indices [B, M]', inputs)
    return [spec([x.shape[0], indices.shape[1], x.shape[2]])]
  },
  gradient({ inputs: [x, indices], gradients: [dy] }) {
    return [dy && scatterTokens(dy, indices, x.shape[1]), null]
  },
}

/**
 * Tokens of x [B, N, D] by int32 indices [B, M], as [B, M, D].
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function gatherTokens(x: Tensor, indices: Tensor): Tensor {
  return x.graph.apply(gatherTokensOperation, [x, indices], {})[0]
}

/** Attributes of `scatterTokens`. */
export type ScatterTokensAttributes = {
  /** Tokens of the output. */
  readonly tokens: number
}

/**
 * The transpose of `gatherTokens`: y [B, M, D], int32 indices [B, M] -> [B, tokens, D], zero where no index points,
 * summed where several do.
 */
export const scatterTokensOperation: Operation<ScatterTokensAttributes> = {
  name: 'scatterTokens',
  integerInputs: [1],
  infer(inputs, { tokens }) {
    const [y, indices] = inputs
    const ok =
      inputs.length === 2 &&
      y.shape.length === 3 &&
      indices.dtype === 'int32' &&
      indices.shape.length === 2 &&
      indices.shape[0] === y.shape[0] &&
      indices.shape[1] === y.shape[1]
    expectShape(ok, 'scatterTokens', 'y [B, M, D] and int32 indices [B, M]', inputs)
    return [spec([y.shape[0], tokens, y.shape[2]])]
  },
  gradient({ inputs: [, indices], gradients: [dy] }) {
    return [dy && gatherTokens(dy, indices), null]
  },
}

/**
 * y [B, M, D] at int32 indices [B, M] of zeros [B, tokens, D]; the transpose of `gatherTokens`.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function scatterTokens(y: Tensor, indices: Tensor, tokens: number): Tensor {
  return y.graph.apply(scatterTokensOperation, [y, indices], { tokens })[0]
}

/**
 * Rows of a table that all samples share, a position table say: table [N, D], int32 indices [B, M] -> [B, M, D].
 * The table is fixed: there is no gradient.
 */
export const gatherRowsOperation: Operation<Record<string, never>> = {
  name: 'gatherRows',
  integerInputs: [1],
  infer(inputs) {
    const [table, indices] = inputs
    const ok =
      inputs.length === 2 && table.shape.length === 2 && indices.dtype === 'int32' && indices.shape.length === 2
    expectShape(ok, 'gatherRows', 'table [N, D] and int32 indices [B, M]', inputs)
    return [spec([...indices.shape, table.shape[1]])]
  },
  gradient: null,
}

/**
 * Rows of table [N, D] by int32 indices [B, M], as [B, M, D].
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function gatherRows(table: Tensor, indices: Tensor): Tensor {
  return table.graph.apply(gatherRowsOperation, [table, indices], {})[0]
}
