import { elementCount } from '../../../graph/program.ts'
import { axisBlocks } from '../axis.ts'
import type { KernelOf } from '../kernel.ts'

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
