/** Entry of a process that adds two numbers on the WebGPU adapter and prints what it is, as JSON (`AdapterReport`). */
import { encodeModel, type OnnxModel } from '../../format/onnx.ts'
import { loadRuntime } from '../onnx/runtime.ts'
import { sessionOptions } from './runtime-options.ts'
import { vulkanDevice } from './vulkan-device.ts'

const value = (name: string) => ({ name, type: 'float32' as const, shape: [1] })

const model: OnnxModel = {
  irVersion: 8,
  opsets: [{ domain: '', version: 17 }],
  graph: {
    name: 'adapter',
    nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
    initializers: [],
    inputs: [value('x')],
    outputs: [value('y')],
  },
}

/** @throws Error where the adapter does not compute */
async function compute(): Promise<void> {
  const { create, Tensor, providers } = await loadRuntime()
  if (!providers.includes('webgpu')) {
    throw new Error(`this build of ONNX Runtime has no WebGPU; it has ${providers.join(', ')}`)
  }
  const session = await create(encodeModel(model), sessionOptions('webgpu', new Set(), model.graph.outputs))
  const { y } = await session.run({ x: new Tensor('float32', Float32Array.of(2), [1]) })
  if (y.data[0] !== 4) throw new Error(`it computed 2 + 2 = ${y.data[0]}`)
}

try {
  await compute()
  process.stdout.write(JSON.stringify({ device: await vulkanDevice().catch(() => null) }))
} catch (error) {
  const [line] = (error instanceof Error ? error.message : String(error)).split('\n')
  // Without the line in the source of ONNX Runtime.
  const reason = /Failed to get a WebGPU (?:adapter|device): (.*)/.exec(line)?.[1] ?? line
  process.stdout.write(JSON.stringify({ reason }))
}
// Not through the teardown of drivers.
process.exit(0)
