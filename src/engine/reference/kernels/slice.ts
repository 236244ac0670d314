import { elementCount } from '../../../graph/program.ts'
import { axisBlocks } from '../axis.ts'
import type { KernelOf } from '../kernel.ts'

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
