import { elementCount } from '../../../graph/program.ts'
import { axisBlocks } from '../axis.ts'
import type { KernelOf } from '../kernel.ts'

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
