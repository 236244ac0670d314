import type { Program } from '../../graph/program.ts'
import { elementCount } from '../../graph/program.ts'
import {
  checkStateNames,
  checkStateValues,
  collectStates,
  findProgram,
  inputCheck,
  type StateShapes,
  stateBytes,
} from '../check.ts'
import type { EngineSession, MemoryUse, RunInputs, RunOutputs } from '../engine.ts'
import { ExclusiveUse } from '../exclusive.ts'
import type { OnnxRuntime, Tensor } from '../onnx/runtime.ts'
import { type GraphOptions, GraphProgram } from './graph-program.ts'
import { StateCopies } from './state-copies.ts'

interface OpenProgram {
  readonly program: Program
  readonly check: (inputs: RunInputs) => void
  readonly graph: GraphProgram
  /** The same program without the AdamW updates that the key names; opened when a norm is not finite. */
  readonly variants: Map<string, GraphProgram>
}

/**
 * Programs on one WebGPU adapter. States are tensors of the device that are never written: a run makes new ones, which replace the
 * earlier ones once everything has succeeded. So a run that fails, or whose gradient norm is not finite, has changed nothing.
 */
export class WebgpuSession implements EngineSession {
  readonly engine = 'webgpu'
  private readonly use = new ExclusiveUse('The WebGPU session')
  private readonly runtime: OnnxRuntime
  private readonly options: GraphOptions
  private readonly shapes: StateShapes
  private readonly programs: ReadonlyMap<string, OpenProgram>
  private readonly copies: StateCopies
  private readonly states: Map<string, Tensor>
  /** One tensor of zeros for every shape; states share them. */
  private readonly zeros: ReadonlyMap<string, Tensor>

  private constructor(
    runtime: OnnxRuntime,
    options: GraphOptions,
    shapes: StateShapes,
    programs: ReadonlyMap<string, OpenProgram>,
    copies: StateCopies,
    zeros: ReadonlyMap<string, Tensor>,
  ) {
    this.runtime = runtime
    this.options = options
    this.shapes = shapes
    this.programs = programs
    this.copies = copies
    this.zeros = zeros
    this.states = new Map([...shapes].map(([name, shape]) => [name, zeros.get(shape.join())!]))
  }

  /** @throws VideoMaeError `PROGRAM_UNSUPPORTED`, `NAME_TAKEN`, `SHAPE_MISMATCH`, `INDEX_RANGE` */
  static async open(
    runtime: OnnxRuntime,
    programs: readonly Program[],
    options: GraphOptions = {},
  ): Promise<WebgpuSession> {
    const shapes = collectStates(programs)
    const opened = new Map<string, OpenProgram>()
    for (const program of programs) {
      const check = inputCheck(program)
      const graph = await GraphProgram.open(runtime, program, new Set(), options)
      opened.set(program.name, { program, check, graph, variants: new Map() })
    }
    const copies = new StateCopies(runtime, options.provider ?? 'webgpu')
    const zeros = new Map<string, Tensor>()
    for (const shape of shapes.values()) {
      const key = shape.join()
      if (!zeros.has(key)) zeros.set(key, await copies.upload(new Float32Array(elementCount(shape)), shape))
    }
    return new WebgpuSession(runtime, options, shapes, opened, copies, zeros)
  }

  run(name: string, inputs: RunInputs): Promise<RunOutputs> {
    return this.use.run(async () => {
      const opened = findProgram(this.programs, name)
      opened.check(inputs)
      let result = await opened.graph.run(inputs, this.states)
      const { outputs } = result
      const failed = normsOf(opened.program).filter((norm) => !Number.isFinite(outputs[norm][0]))
      if (failed.length > 0) {
        for (const tensor of result.next.values()) tensor.dispose()
        result = await (await this.without(opened, failed)).run(inputs, this.states)
      }
      for (const [state, tensor] of result.next) this.replace(state, tensor)
      for (const state of result.zeroed) this.replace(state, this.zeroOf(state))
      return outputs
    })
  }

  readState(names?: readonly string[]): Promise<Map<string, Float32Array>> {
    return this.use.run(async () => {
      const read = new Map<string, Float32Array>()
      for (const name of checkStateNames(this.shapes, names)) {
        read.set(name, await this.copies.download(this.states.get(name)!))
      }
      return read
    })
  }

  writeState(values: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.use.run(async () => {
      checkStateValues(this.shapes, values)
      for (const [name, data] of values) this.replace(name, await this.copies.upload(data, this.shapes.get(name)!))
    })
  }

  /** What ONNX Runtime holds next to the states is not known. */
  memory(): Promise<MemoryUse> {
    return this.use.run(() => ({ state: stateBytes(this.shapes), workspace: 0 }))
  }

  close(): Promise<void> {
    return this.use.close(async () => {
      for (const name of this.states.keys()) this.replace(name, this.zeroOf(name))
      for (const tensor of this.zeros.values()) tensor.dispose()
      for (const { graph, variants } of this.programs.values()) {
        await graph.close()
        for (const variant of variants.values()) await variant.close()
      }
      await this.copies.close()
    })
  }

  private async without({ program, variants }: OpenProgram, skipped: readonly string[]): Promise<GraphProgram> {
    const key = JSON.stringify(skipped)
    const known = variants.get(key)
    if (known !== undefined) return known
    const made = await GraphProgram.open(this.runtime, program, new Set(skipped), this.options)
    variants.set(key, made)
    return made
  }

  private zeroOf(state: string): Tensor {
    return this.zeros.get(this.shapes.get(state)!.join())!
  }

  private replace(state: string, tensor: Tensor): void {
    const earlier = this.states.get(state)!
    if (earlier !== this.zeroOf(state)) earlier.dispose()
    this.states.set(state, tensor)
  }
}

const normsOf = ({ updates }: Program): string[] =>
  updates.flatMap((update) => (update.kind === 'adamw' ? [update.gradientNormOutput] : []))
