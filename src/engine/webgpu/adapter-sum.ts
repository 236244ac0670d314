import { VideoMaeError } from '../../core/errors.ts'
import { encodeModel, type OnnxModel, onnxTypes } from '../../format/onnx.ts'
import type { Precision } from '../engine.ts'
import type { OnnxRuntime } from '../onnx/runtime.ts'
import { webgpuSessionOptions } from './runtime-options.ts'

const value = (name: string) => ({ name, type: 'float32' as const, shape: [1] })

const cast = (from: string, to: 'float16' | 'float32', output: string) => ({
  ...{ op: 'Cast', inputs: [from], outputs: [output] },
  attributes: { to: { int: onnxTypes[to].id } },
})

const nodes = {
  float32: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
  float16: [
    cast('x', 'float16', 'narrow'),
    { op: 'Add', inputs: ['narrow', 'narrow'], outputs: ['sum'] },
    cast('sum', 'float32', 'y'),
  ],
}

/**
 * Adds two numbers on the adapter.
 *
 * @throws Error where it does not compute in this precision
 */
export async function addOnAdapter({ create, Tensor }: OnnxRuntime, precision: keyof typeof nodes): Promise<void> {
  const model: OnnxModel = {
    irVersion: 8,
    opsets: [{ domain: '', version: 17 }],
    graph: {
      ...{ name: 'adapter', nodes: nodes[precision], initializers: [] },
      ...{ inputs: [value('x')], outputs: [value('y')] },
    },
  }
  const session = await create(encodeModel(model), webgpuSessionOptions('webgpu', new Set(), model.graph.outputs))
  try {
    const { y } = await session.run({ x: new Tensor('float32', Float32Array.of(2), [1]) })
    if (y.data[0] !== 4) throw new Error(`it computed 2 + 2 = ${y.data[0]}`)
  } finally {
    await session.release()
  }
}

/** @param adapter its name */
export function noFloat16(adapter: string, cause?: unknown): VideoMaeError {
  return new VideoMaeError(
    `Expected a WebGPU adapter with float16 arithmetic (the feature shader-f16), but ${adapter} has none.`,
    { code: 'ENGINE_UNAVAILABLE', exit: 'environment', hint: 'Use engine.precision=float32.', cause },
  )
}

/**
 * Refuses a precision that the adapter lacks before a program is compiled.
 *
 * @throws VideoMaeError `ENGINE_UNAVAILABLE`
 */
export async function requireOnAdapter(runtime: OnnxRuntime, precision: Precision): Promise<void> {
  if (precision !== 'float16') return
  try {
    await addOnAdapter(runtime, precision)
  } catch (cause) {
    throw noFloat16('this one', cause)
  }
}
