import { expect, test } from 'vitest'
import { Graph } from '../../graph/graph.ts'
import { broadcastLeading, sumLeading } from '../../graph/operations/reductions.ts'
import { deviceFailure } from './refused-buffer.ts'

const graph = new Graph('large')
const program = graph.build({ y: sumLeading(broadcastLeading(graph.input('x', [3]), [1000]), 1) })

test('a refused buffer is an error that names the limits, the largest tensor and what to reduce', () => {
  const said = 'WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error.\n - While'
  const error = deviceFailure(program, new Error(said))
  expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', exit: 'environment' })
  expect(error.message).toContain('float32[1000,3] of broadcastLeading, 12000 bytes')
  expect(error.message).toContain('maxStorageBufferBindingSize')
  expect(error.message).not.toContain('While')
  expect(error.hint).toContain('batch.perRun')
})

test.each([
  'Buffer size (1073741828) exceeds the max buffer size limit (1073741824).',
  'Too many storage buffers in shader. Current: 34, Max is 16',
  'Binding size (268435456) of [Buffer] is larger than the maximum storage buffer binding size (134217728).',
])('%s', (said) => {
  const error = deviceFailure(program, new Error(said))
  expect(error.code).toBe('OUT_OF_MEMORY')
  expect(error.message).toContain(said)
})

test('other failures keep what ONNX Runtime said', () => {
  const error = deviceFailure(program, new Error('device lost'))
  expect(error).toMatchObject({ code: 'ENGINE_FAILED', exit: 'environment' })
  expect(error.message).toContain('device lost')
})
