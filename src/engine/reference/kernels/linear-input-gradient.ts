import { asMatrix, type KernelOf } from '../kernel.ts'

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
