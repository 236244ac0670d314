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

export const linearInputGradient: KernelOf<'linearInputGradient'> = ([dy, w]) => {
  const { rows } = asMatrix(dy)
  const [outer, inner] = w.shape
  const [dys, ws] = [dy.data, w.data]
  const dx = new Float64Array(rows * inner)
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) dx[r * inner + i] += dys[r * outer + o] * ws[o * inner + i]
    }
  }
  return [dx]
}

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
