/** A step moves clips and numbers to the device and a loss back, never weights. Computed on the CPU. */
import { expect, test } from 'vitest'
import { smallTransformer } from '../../../test/support/small-transformer.ts'
import { elementCount, type Program } from '../../graph/program.ts'
import { loadRuntime } from '../onnx/runtime.ts'
import { GraphProgram } from './graph-program.ts'

const inputBytes = ({ inputs, tensors }: Program): number =>
  inputs.reduce((sum, { tensor }) => {
    const { shape, dtype } = tensors[tensor]
    return sum + elementCount(shape) * (dtype === 'uint8' ? 1 : 4)
  }, 0)

test('a training step moves its inputs up, and its outputs and the gradient norm down', async () => {
  const [train] = smallTransformer().programs
  const graph = await GraphProgram.open(await loadRuntime(), train, new Set(), { provider: 'cpu' })
  // Learning rate, weight decay, step and decay become eight derived numbers: two shrinks for each of two paces, and so on.
  const derived = graph.traffic.up - (inputBytes(train) - 4 * 4)
  expect(derived).toBeGreaterThan(0)
  expect(derived).toBeLessThanOrEqual(4 * 12)
  const outputs = train.outputs.reduce((sum, { tensor }) => sum + 4 * elementCount(train.tensors[tensor].shape), 0)
  expect(graph.traffic.down).toBe(outputs + 4)
  await graph.close()
})
