/** Entry of a process that adds two numbers on the WebGPU adapter and prints what it is, as JSON (`AdapterReport`). */
import { loadRuntime } from '../onnx/runtime.ts'
import { addOnAdapter } from './adapter-sum.ts'
import { vulkanDevice } from './vulkan-device.ts'

try {
  const runtime = await loadRuntime()
  if (!runtime.providers.includes('webgpu')) {
    throw new Error(`this build of ONNX Runtime has no WebGPU; it has ${runtime.providers.join(', ')}`)
  }
  await addOnAdapter(runtime, 'float32')
  const float16 = await addOnAdapter(runtime, 'float16').then(
    () => true,
    () => false,
  )
  process.stdout.write(JSON.stringify({ device: await vulkanDevice().catch(() => null), float16 }))
} catch (error) {
  const [line] = (error instanceof Error ? error.message : String(error)).split('\n')
  // Without the line in the source of ONNX Runtime.
  const reason = /Failed to get a WebGPU (?:adapter|device): (.*)/.exec(line)?.[1] ?? line
  process.stdout.write(JSON.stringify({ reason }))
}
// Not through the teardown of drivers.
process.exit(0)
