import type { KernelOf } from '../kernel.ts'

export const gatherRows: KernelOf<'gatherRows'> = ([table, indices]) => {
  const width = table.shape[1]
  const y = new Float64Array(indices.data.length * width)
  for (let m = 0; m < indices.data.length; m++) {
    for (let d = 0; d < width; d++) y[m * width + d] = table.data[indices.data[m] * width + d]
  }
  return [y]
}
