import { asMatrix, type KernelOf } from '../kernel.ts'

export const linear: KernelOf<'linear'> = ([x, w, b]) => {
  const { rows } = asMatrix(x)
  const [outer, inner] = w.shape
  const [xs, ws] = [x.data, w.data]
  const y = new Float64Array(rows * outer)
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outer; o++) {
      let sum = b === undefined ? 0 : b.data[o]
      for (let i = 0; i < inner; i++) sum += xs[r * inner + i] * ws[o * inner + i]
      y[r * outer + o] = sum
    }
  }
  return [y]
}
