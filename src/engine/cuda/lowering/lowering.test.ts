import { expect, test } from 'vitest'
import { Lowering } from './lowering.ts'

test('a constant is stored in bfloat16 as format/half.ts rounds it', () => {
  const words = Uint32Array.of(0x3f808000, 0x3f818000, 0x3f818001, 0x7f7fffff, 0x7f800001) // ties, overflow, a NaN
  const data = new Float32Array(words.buffer)
  const program = {
    name: 'constant',
    tensors: [{ shape: [5], dtype: 'float32' as const }],
    inputs: [],
    state: [],
    constants: [{ tensor: 0, data }],
    nodes: [],
    outputs: [],
    updates: [],
    updateState: [],
  }
  const context = {
    precision: 'bfloat16' as const,
    multiprocessors: 1,
    sharedMemoryPerBlock: 0,
    supportsMatmul: () => true,
  }
  const lowering = new Lowering(program, context)
  const { home } = lowering.values[lowering.read(0, 'bfloat16')]
  if (home.kind !== 'constant') throw new Error(`expected a constant, not ${home.kind}`)
  const stored = new Uint16Array(home.data.slice().buffer)
  expect([...stored]).toEqual([0x3f80, 0x3f82, 0x3f82, 0x7f80, 0x7fc0])
})
