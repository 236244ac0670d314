import { elementCount } from '../../../graph/program.ts'
import type { KernelOf } from '../kernel.ts'

/** A shape seen from one axis: element (o, n, i) of it is at `(o * along + n) * inner + i`. */
interface AxisBlocks {
  readonly outer: number
  readonly along: number
  readonly inner: number
}

function axisBlocks(shape: readonly number[], axis: number): AxisBlocks {
  return {
    outer: elementCount(shape.slice(0, axis)),
    along: shape[axis],
    inner: elementCount(shape.slice(axis + 1)),
  }
}

/** Row-major order stays as it is. */
export const reshape: KernelOf<'reshape'> = ([x]) => [x.data]

export const slice: KernelOf<'slice'> = ([x], { axis, start, size }, [output]) => {
  const { outer, along, inner } = axisBlocks(x.shape, axis)
  const y = new Float64Array(elementCount(output.shape))
  for (let o = 0; o < outer; o++) {
    for (let n = 0; n < size; n++) {
      for (let i = 0; i < inner; i++) y[(o * size + n) * inner + i] = x.data[(o * along + start + n) * inner + i]
    }
  }
  return [y]
}

export const pad: KernelOf<'pad'> = ([x], { axis, before, after }, [output]) => {
  const { outer, along, inner } = axisBlocks(x.shape, axis)
  const padded = before + along + after
  const y = new Float64Array(elementCount(output.shape))
  for (let o = 0; o < outer; o++) {
    for (let n = 0; n < along; n++) {
      for (let i = 0; i < inner; i++) y[(o * padded + before + n) * inner + i] = x.data[(o * along + n) * inner + i]
    }
  }
  return [y]
}

export const concat: KernelOf<'concat'> = (inputs, { axis }, [output]) => {
  const y = new Float64Array(elementCount(output.shape))
  const total = output.shape[axis]
  let start = 0
  for (const x of inputs) {
    const { outer, along, inner } = axisBlocks(x.shape, axis)
    for (let o = 0; o < outer; o++) {
      for (let n = 0; n < along; n++) {
        for (let i = 0; i < inner; i++) y[(o * total + start + n) * inner + i] = x.data[(o * along + n) * inner + i]
      }
    }
    start += along
  }
  return [y]
}

export const gatherTokens: KernelOf<'gatherTokens'> = ([x, indices]) => {
  const [batch, tokens, width] = x.shape
  const picked = indices.shape[1]
  const y = new Float64Array(batch * picked * width)
  for (let b = 0; b < batch; b++) {
    for (let m = 0; m < picked; m++) {
      const n = indices.data[b * picked + m]
      for (let d = 0; d < width; d++) y[(b * picked + m) * width + d] = x.data[(b * tokens + n) * width + d]
    }
  }
  return [y]
}

export const scatterTokens: KernelOf<'scatterTokens'> = ([y, indices], { tokens }) => {
  const [batch, picked, width] = y.shape
  const x = new Float64Array(batch * tokens * width)
  for (let b = 0; b < batch; b++) {
    for (let m = 0; m < picked; m++) {
      const n = indices.data[b * picked + m]
      for (let d = 0; d < width; d++) x[(b * tokens + n) * width + d] += y.data[(b * picked + m) * width + d]
    }
  }
  return [x]
}

export const gatherRows: KernelOf<'gatherRows'> = ([table, indices]) => {
  const width = table.shape[1]
  const y = new Float64Array(indices.data.length * width)
  for (let m = 0; m < indices.data.length; m++) {
    for (let d = 0; d < width; d++) y[m * width + d] = table.data[indices.data[m] * width + d]
  }
  return [y]
}
