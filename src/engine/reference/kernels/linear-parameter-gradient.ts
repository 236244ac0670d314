import { asMatrix, type KernelOf } from '../kernel.ts'

export const linearParameterGradient: KernelOf<'linearParameterGradient'> = ([dy, x], { bias }) => {
  const { rows, width: outer } = asMatrix(dy)
  const { width: inner } = asMatrix(x)
  const [dys, xs] = [dy.data, x.data]
  const dw = new Float64Array(outer * inner)
  const db = new Float64Array(outer)
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outer; o++) {
      db[o] += dys[r * outer + o]
      for (let i = 0; i < inner; i++) dw[o * inner + i] += dys[r * outer + o] * xs[r * inner + i]
    }
  }
  return bias ? [dw, db] : [dw]
}
