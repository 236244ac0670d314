import { asMatrix, type KernelOf } from '../kernel.ts'

export const linearParameterGradient: KernelOf<'linearParameterGradient'> = ([dy, x], { bias }) => {
  const { rows, width: outer } = asMatrix(dy)
  const { width: inner } = asMatrix(x)
  const dw = new Float64Array(outer * inner)
  const db = new Float64Array(outer)
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outer; o++) {
      db[o] += dy.data[r * outer + o]
      for (let i = 0; i < inner; i++) dw[o * inner + i] += dy.data[r * outer + o] * x.data[r * inner + i]
    }
  }
  return bias ? [dw, db] : [dw]
}
