import { expect, test } from 'vitest'
import { loadTfjs } from './runtime.ts'
import { sumAll, sumRows } from './sums.ts'

const { tf } = await loadTfjs('wasm')

test('long sums keep their digits on WebAssembly, which adds in float32', async () => {
  const count = 3_000_001
  const values = Float32Array.from({ length: count }, (_, i) => 1 + (i % 7) / 8)
  const exact = values.reduce((sum, value) => sum + value, 0)
  const x = tf.tensor(values)
  const own = tf.tidy(() => sumAll(tf, x))
  const plain = tf.tidy(() => tf.sum(x))
  const error = async (sum: typeof own): Promise<number> => Math.abs((await sum.data())[0] / exact - 1)
  expect(await error(own)).toBeLessThan(1e-6)
  // The backend's own sum is why there is another one.
  expect(await error(plain)).toBeGreaterThan(1e-6)
  const rows = tf.tidy(() => sumRows(tf, tf.reshape(tf.slice(x, 0, 3_000_000), [1_500_000, 2])))
  const sums = await rows.data()
  expect(Math.abs((sums[0] + sums[1]) / (exact - values[count - 1]) - 1)).toBeLessThan(1e-6)
  for (const tensor of [x, own, plain, rows]) tensor.dispose()
})
