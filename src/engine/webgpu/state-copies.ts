import { encodeModel, type OnnxModel } from '../../format/onnx.ts'
import type { InferenceSession, OnnxRuntime, Tensor } from '../onnx/runtime.ts'
import { type Provider, webgpuSessionOptions } from './runtime-options.ts'

/**
 * Moves states to the device and back. ONNX Runtime ends the process where a tensor of the device is read directly (`getData`), so
 * a graph of one copy reads it.
 */
export class StateCopies {
  private readonly runtime: OnnxRuntime
  private readonly provider: Provider
  private readonly sessions = new Map<string, Promise<InferenceSession>>()

  constructor(runtime: OnnxRuntime, provider: Provider) {
    this.runtime = runtime
    this.provider = provider
  }

  async upload(values: Float32Array, shape: readonly number[]): Promise<Tensor> {
    const plain = values.buffer instanceof ArrayBuffer ? values : values.slice()
    return this.copy(new this.runtime.Tensor('float32', plain, shape), true)
  }

  async download(tensor: Tensor): Promise<Float32Array> {
    return (await this.copy(tensor, false)).data as Float32Array
  }

  async close(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
  }

  private async copy(x: Tensor, toDevice: boolean): Promise<Tensor> {
    const rank = x.dims.length
    const key = `${rank}:${toDevice}`
    const made = (): Promise<InferenceSession> =>
      this.runtime.create(encodeModel(copyModel(rank)), options(this.provider, toDevice))
    const session = this.sessions.get(key) ?? made()
    this.sessions.set(key, session)
    const { y } = await (await session).run({ x })
    return y
  }
}

function options(provider: Provider, toDevice: boolean): InferenceSession.SessionOptions {
  const { outputs } = copyModel(0).graph
  return webgpuSessionOptions(provider, new Set(toDevice ? outputs.map(({ name }) => name) : []), outputs)
}

/** y = x, of any sizes. */
function copyModel(rank: number): OnnxModel {
  const shape = Array.from({ length: rank }, (_, axis) => `size${axis}`)
  const value = (name: string) => ({ name, type: 'float32' as const, shape })
  return {
    irVersion: 8,
    opsets: [{ domain: '', version: 17 }],
    graph: {
      name: 'copy',
      nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
      initializers: [],
      inputs: [value('x')],
      outputs: [value('y')],
    },
  }
}
