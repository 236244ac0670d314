import { asMatrix, type KernelOf } from '../kernel.ts'

export const linear: KernelOf<'linear'> = ([x, w, b]) => {
  const { rows } = asMatrix(x)
  const [outer, inner] = w.shape
  const y = new Float64Array(rows * outer)
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outer; o++) {
      let sum = b === undefined ? 0 : b.data[o]
      for (let i = 0; i < inner; i++) sum += x.data[r * inner + i] * w.data[o * inner + i]
      y[r * outer + o] = sum
    }
  }
  return [y]
}
