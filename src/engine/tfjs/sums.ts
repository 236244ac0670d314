import type { Tensor, Tfjs } from './runtime.ts'

/** Rows that are added one after another; WebAssembly adds in float32, and loses digits where a sum is long. */
const longest = 512

/** Sums the rows of x [R, S]: [S]. Long sums are sums of sums. */
export function sumRows(tf: Tfjs, x: Tensor): Tensor {
  const [rows, width] = x.shape
  if (rows <= longest) return tf.sum(x, 0)
  const length = Math.ceil(Math.sqrt(rows))
  const blocks = Math.floor(rows / length)
  const full = tf.reshape(tf.slice(x, [0, 0], [blocks * length, width]), [blocks, length, width])
  const sum = sumRows(tf, tf.sum(full, 1))
  const rest = rows - blocks * length
  return rest === 0 ? sum : tf.add(sum, tf.sum(tf.slice(x, [blocks * length, 0], [rest, width]), 0))
}

/** Sums all of x, of any shape: []. */
export function sumAll(tf: Tfjs, x: Tensor): Tensor {
  return tf.reshape(sumRows(tf, tf.reshape(x, [x.size, 1])), [])
}
