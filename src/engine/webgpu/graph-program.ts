import { VideoMaeError } from '../../core/errors.ts'
import { encodeModel, type OnnxGraph, type OnnxValue, onnxTypes } from '../../format/onnx.ts'
import { elementCount, type Program } from '../../graph/program.ts'
import type { InputValue, Precision, RunInputs, RunOutputs } from '../engine.ts'
import { lower, outputName, stateInput } from '../onnx/lowering/lower-program.ts'
import type { InferenceSession, OnnxRuntime, Tensor } from '../onnx/runtime.ts'
import { guaranteedBinding } from './lowering/attention.ts'
import { webgpuRules } from './lowering/operations.ts'
import { gradientTensors, type LoweredUpdates, lowerUpdates } from './lowering/updates.ts'
import { deviceFailure } from './refused-buffer.ts'
import { type Provider, webgpuSessionOptions } from './runtime-options.ts'

/** What one run of a graph has made. */
export interface GraphResult {
  /** Outputs of the program, and gradient norms. */
  readonly outputs: RunOutputs
  /** Next values of states, on the device; whoever takes them disposes of the earlier ones. */
  readonly next: ReadonlyMap<string, Tensor>
  /** States that become zero. */
  readonly zeroed: readonly string[]
}

export interface Traffic {
  readonly up: number
  readonly down: number
}

/** Bytes of inputs or outputs of static shape. */
export function valueBytes(values: readonly OnnxValue[]): number {
  return values.reduce((sum, { type, shape }) => sum + onnxTypes[type].bytes * elementCount(shape as number[]), 0)
}

export interface GraphOptions {
  /** Bytes of attention scores that are one matrix at most. */
  readonly largestScores?: number
  /** Of matrix products. Default `float32`. */
  readonly precision?: Precision
  readonly provider?: Provider
}

/** A program with its updates as one ONNX graph, whose states come in and go out as tensors of the device. */
export class GraphProgram {
  readonly program: Program
  /** States that a run needs. */
  readonly states: readonly string[]
  /** Bytes that one run moves to the device and back. */
  readonly traffic: Traffic
  private readonly runtime: OnnxRuntime
  private readonly updates: LoweredUpdates
  /** Null where there is nothing to compute. */
  private readonly session: InferenceSession | null
  private readonly inputs: Program['inputs']

  private constructor(
    runtime: OnnxRuntime,
    program: Program,
    updates: LoweredUpdates,
    session: InferenceSession | null,
    { inputs, outputs }: OnnxGraph,
  ) {
    const read = new Set(inputs.map(({ name }) => name))
    const states = new Set([...program.state, ...program.updateState].map(({ name }) => stateInput(name)))
    const resident = new Set(updates.next.values())
    this.traffic = {
      up: valueBytes(inputs.filter(({ name }) => !states.has(name))),
      down: valueBytes(outputs.filter(({ name }) => !resident.has(name))),
    }
    this.runtime = runtime
    this.program = program
    this.updates = updates
    this.session = session
    this.inputs = program.inputs.filter(({ name }) => read.has(name))
    const names = [...program.state, ...program.updateState].map(({ name }) => name)
    this.states = [...new Set(names)].filter((name) => read.has(stateInput(name)))
  }

  /**
   * @param skipped see `lowerUpdates`
   * @throws VideoMaeError `PROGRAM_UNSUPPORTED`
   */
  static async open(
    runtime: OnnxRuntime,
    program: Program,
    skipped: ReadonlySet<string>,
    { largestScores = guaranteedBinding, provider = 'webgpu', precision = 'float32' }: GraphOptions,
  ): Promise<GraphProgram> {
    let updates: LoweredUpdates | undefined
    const { model } = lower(program, {}, [], {
      rules: webgpuRules(largestScores, precision),
      read: gradientTensors(program),
      finish: (context) => {
        updates = lowerUpdates(program, context, skipped)
        return updates
      },
    })
    if (updates === undefined) throw new Error('The lowering has not called `finish`.')
    const { graph } = model
    if (graph.outputs.length === 0) return new GraphProgram(runtime, program, updates, null, graph)
    try {
      const options = webgpuSessionOptions(provider, new Set(updates.next.values()), graph.outputs)
      return new GraphProgram(runtime, program, updates, await runtime.create(encodeModel(model), options), graph)
    } catch (cause) {
      throw new VideoMaeError(
        `ONNX Runtime refused the program ${program.name} on WebGPU: ${cause instanceof Error ? cause.message : cause}`,
        { code: 'PROGRAM_UNSUPPORTED', cause },
      )
    }
  }

  /** @throws VideoMaeError `ENGINE_FAILED`, `OUT_OF_MEMORY` */
  async run(inputs: RunInputs, states: ReadonlyMap<string, Tensor>): Promise<GraphResult> {
    const { next, zeroed, norms, scalars } = this.updates
    if (this.session === null) return { outputs: {}, next: new Map(), zeroed }
    const feeds: Record<string, Tensor> = {}
    for (const name of this.states) feeds[stateInput(name)] = states.get(name)!
    for (const { name, tensor } of this.inputs) {
      feeds[name] = new this.runtime.Tensor(plainMemory(inputs[name]), this.program.tensors[tensor].shape)
    }
    for (const { name, compute } of scalars) {
      feeds[name] = new this.runtime.Tensor('float32', Float32Array.of(compute(inputs)), [1])
    }
    let results: Readonly<Record<string, Tensor>>
    try {
      results = await this.session.run(feeds)
    } catch (cause) {
      throw deviceFailure(this.program, cause)
    }
    const outputs: RunOutputs = {}
    const taken = new Set(this.program.inputs.map(({ name }) => name))
    for (const { name } of this.program.outputs) outputs[name] = floats(results[outputName(name, taken)])
    for (const name of norms) outputs[name] = floats(results[name])
    return { outputs, next: new Map([...next].map(([name, output]) => [name, results[output]])), zeroed }
  }

  async close(): Promise<void> {
    await this.session?.release()
  }
}

function floats({ data }: Tensor): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data as Int32Array | Uint8Array)
}

/** Copies what is in shared memory, which the binding of ONNX Runtime refuses. */
function plainMemory(value: InputValue): InputValue {
  return value.buffer instanceof ArrayBuffer ? value : value.slice()
}
