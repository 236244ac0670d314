import { expect, test } from 'vitest'
import { loadTfjs } from '../../src/engine/tfjs/runtime.ts'
import { TfjsSession } from '../../src/engine/tfjs/session.ts'
import { smallTransformer, startingWeights, stepData } from '../support/small-transformer.ts'

const runtime = await loadTfjs('wasm')
const { tf } = runtime

test('runs leave nothing in memory, nor does a session that is closed, whatever becomes of the runs', async () => {
  const before = tf.memory()
  const { programs, parameters } = smallTransformer()
  const session = new TfjsSession(runtime, programs)
  await session.writeState(startingWeights(programs[0], parameters))
  const inputs = (step: number, decay = 0.9) => ({
    ...stepData(step),
    learningRate: Float32Array.of(1e-3),
    weightDecay: Float32Array.of(0.05),
    step: Float32Array.of(step),
    decay: Float32Array.of(decay),
  })
  await session.run('train', inputs(1))
  const { numTensors, numBytes } = tf.memory()
  for (let step = 2; step <= 4; step++) await session.run('train', inputs(step))
  // A gradient that is not finite: AdamW changes nothing.
  const { gradientNorm } = await session.run('train', { ...inputs(5), dropPath: Float32Array.of(Number.NaN, 1) })
  expect(gradientNorm[0]).toBeNaN()
  expect(tf.memory()).toMatchObject({ numTensors, numBytes })
  await session.close()
  expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes })
})

test('an operation that fails within a run leaves nothing in memory and the state as it was', async () => {
  const { programs, parameters } = smallTransformer()
  const session = new TfjsSession(runtime, programs)
  await session.writeState(startingWeights(programs[0], parameters))
  const before = tf.memory().numTensors
  const matMul = tf.matMul
  let left = 5
  const failing = {
    ...tf,
    matMul: (...values: Parameters<typeof matMul>) => {
      left -= 1
      if (left === 0) throw new Error('no memory')
      return matMul(...values)
    },
  } as typeof tf
  const broken = new TfjsSession({ ...runtime, tf: failing }, programs)
  const opened = tf.memory().numTensors
  const run = broken.run('evaluate', stepData(1))
  await expect(run).rejects.toThrow('no memory')
  expect(tf.memory().numTensors).toBe(opened)
  await broken.close()
  expect(tf.memory().numTensors).toBe(before)
  await session.close()
})
