/** Entry of a process that opens a session with one execution provider and runs it: exit code 0 where that works. */
import { encodeModel, type OnnxModel } from '../../format/onnx.ts'
import { loadRuntime } from './runtime.ts'

const value = { type: 'float32' as const, shape: [1] }

const model: OnnxModel = {
  irVersion: 8,
  opsets: [{ domain: '', version: 17 }],
  graph: {
    name: 'provider',
    nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
    initializers: [],
    inputs: [{ name: 'x', ...value }],
    outputs: [{ name: 'y', ...value }],
  },
}

const [, , provider] = process.argv
try {
  const { create, Tensor } = await loadRuntime()
  const session = await create(encodeModel(model), { executionProviders: [provider] })
  const { y } = await session.run({ x: new Tensor('float32', Float32Array.of(2), [1]) })
  process.exitCode = y.data[0] === 2 ? 0 : 1
} catch {
  process.exitCode = 1
}
