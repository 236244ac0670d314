import { VideoMaeError } from '../../core/errors.ts'
import { openReducer } from '../../distributed/reducer.ts'
import { encodeModel, type OnnxTensorType } from '../../format/onnx.ts'
import { elementCount, type Program } from '../../graph/program.ts'
import {
  checkStateNames,
  checkStateValues,
  collectStates,
  findProgram,
  inputCheck,
  type StateShapes,
  stateBytes,
} from '../check.ts'
import type { EngineOptions, EngineSession, InputValue, MemoryUse, RunInputs, RunOutputs } from '../engine.ts'
import { ExclusiveUse } from '../exclusive.ts'
import { refusingOutputs, runInPlace } from './in-place.ts'
import { lower, outputName, stateInput } from './lowering/lower-program.ts'
import { requireProvider } from './providers.ts'
import { type InferenceSession, type OnnxRuntime, sessionOptions, type Tensor } from './runtime.ts'
import { allocateBuffers, type SharedBuffers } from './update/memory.ts'
import { ProgramUpdates } from './update/optimizer.ts'
import { blockTable, planBuffers, stateKey, updateTensors } from './update/plan.ts'
import { UpdatePool } from './update/pool.ts'

interface OpenProgram {
  readonly program: Program
  readonly check: (inputs: RunInputs) => void
  readonly updates: ProgramUpdates
  /** Null where there is nothing to compute but updates. */
  readonly graph: CompiledGraph | null
}

interface CompiledGraph {
  readonly session: InferenceSession
  /** Inputs of the program that the graph reads. */
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[]
  /** State tensors, over the buffers themselves. */
  readonly states: Readonly<Record<string, Tensor>>
  /** Where the graph has gradients: what all of its outputs are written into, gradients into their buffers. */
  readonly fetches: Readonly<Record<string, Tensor>> | null
}

/** Programs compiled to ONNX over buffers that ONNX Runtime and the update threads share. */
export class OnnxSession implements EngineSession {
  readonly engine = 'onnx'
  private readonly use = new ExclusiveUse('The ONNX session')
  private readonly runtime: OnnxRuntime
  private readonly shapes: StateShapes
  private readonly programs: ReadonlyMap<string, OpenProgram>
  private readonly buffers: SharedBuffers
  private readonly pool: UpdatePool

  private constructor(
    runtime: OnnxRuntime,
    shapes: StateShapes,
    programs: ReadonlyMap<string, OpenProgram>,
    buffers: SharedBuffers,
    pool: UpdatePool,
  ) {
    this.runtime = runtime
    this.shapes = shapes
    this.programs = programs
    this.buffers = buffers
    this.pool = pool
  }

  /** @throws VideoMaeError `PROGRAM_UNSUPPORTED`, `ENGINE_UNAVAILABLE`, `NAME_TAKEN`, `SHAPE_MISMATCH`, `INDEX_RANGE`, `OUT_OF_MEMORY` */
  static async open(
    runtime: OnnxRuntime,
    programs: readonly Program[],
    threads: number,
    options: EngineOptions,
  ): Promise<OnnxSession> {
    const reducer = openReducer(options.ranks ?? { transport: 'self' })
    const shapes = collectStates(programs)
    const checks = programs.map(inputCheck)
    const plan = planBuffers(programs, shapes)
    const buffers = allocateBuffers(plan.groups)
    const tables = programs.flatMap(({ updates }, i) =>
      updates.map((update) => blockTable(update, plan.gradients[i], buffers)),
    )
    const opened = new Map<string, OpenProgram>()
    let firstTable = 0
    for (const [i, program] of programs.entries()) {
      opened.set(program.name, {
        program,
        check: checks[i],
        updates: new ProgramUpdates(program, firstTable, plan.gradients[i], reducer),
        graph: await compile(runtime, program, plan.gradients[i], buffers, sessionOptions(threads, options)),
      })
      firstTable += program.updates.length
    }
    const pool = new UpdatePool(buffers.memories, tables, tables.length === 0 ? 1 : threads)
    return new OnnxSession(runtime, shapes, opened, buffers, pool)
  }

  run(name: string, inputs: RunInputs): Promise<RunOutputs> {
    return this.use.run(async () => {
      const { program, check, updates, graph } = findProgram(this.programs, name)
      check(inputs)
      const outputs: RunOutputs = {}
      if (graph !== null) await this.runGraph(program, graph, inputs, outputs)
      updates.apply(this.pool, this.buffers, inputs, outputs)
      return outputs
    })
  }

  private async runGraph(program: Program, graph: CompiledGraph, inputs: RunInputs, outputs: RunOutputs) {
    const feeds: Record<string, Tensor> = { ...graph.states }
    for (const { name, shape } of graph.inputs) {
      feeds[name] = new this.runtime.Tensor(plainMemory(inputs[name]), shape)
    }
    let results: Readonly<Record<string, Tensor>>
    try {
      if (graph.fetches === null) results = await graph.session.run(feeds)
      else {
        await runInPlace(graph.session, feeds, graph.fetches)
        results = graph.fetches
      }
    } catch (cause) {
      throw new VideoMaeError(
        `ONNX Runtime failed in ${program.name}: ${cause instanceof Error ? cause.message : cause}`,
        {
          code: 'ENGINE_FAILED',
          exit: 'environment',
          cause,
        },
      )
    }
    const inputNames = new Set(program.inputs.map(({ name }) => name))
    for (const { name } of program.outputs) {
      const data = results[outputName(name, inputNames)].data as InputValue
      // What was given to the run is written again by the next one.
      outputs[name] = graph.fetches !== null || !(data instanceof Float32Array) ? Float32Array.from(data) : data
    }
  }

  readState(names?: readonly string[]): Promise<Map<string, Float32Array>> {
    return this.use.run(() => {
      const known = checkStateNames(this.shapes, names)
      return new Map(known.map((name) => [name, this.buffers.values.get(stateKey(name))!.slice()]))
    })
  }

  writeState(values: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.use.run(() => {
      checkStateValues(this.shapes, values)
      for (const [name, data] of values) this.buffers.values.get(stateKey(name))!.set(data)
    })
  }

  /** The workspace counts gradients; what ONNX Runtime holds during a run is not known. */
  memory(): Promise<MemoryUse> {
    const state = stateBytes(this.shapes)
    return this.use.run(() => ({ state, workspace: this.buffers.bytes - state }))
  }

  close(): Promise<void> {
    return this.use.close(async () => {
      for (const { graph } of this.programs.values()) await graph?.session.release()
      await this.pool.close()
    })
  }
}

async function compile(
  runtime: OnnxRuntime,
  program: Program,
  gradients: ReadonlyMap<number, string>,
  buffers: SharedBuffers,
  options: InferenceSession.SessionOptions,
): Promise<CompiledGraph | null> {
  const { model, updateOutputs } = lower(program, {}, updateTensors(program))
  const { graph } = model
  if (graph.outputs.length === 0) return null
  let session: InferenceSession
  try {
    session = await runtime.create(encodeModel(gradients.size > 0 ? refusingOutputs(model) : model), options)
  } catch (cause) {
    await requireProvider(String(options.executionProviders?.[0] ?? 'cpu'), cause)
    throw new VideoMaeError(
      `ONNX Runtime refused the program ${program.name}: ${cause instanceof Error ? cause.message : cause}`,
      { code: 'PROGRAM_UNSUPPORTED', cause },
    )
  }
  const read = new Set(graph.inputs.map(({ name }) => name))
  const tensorOver = (key: string, tensor: number): Tensor =>
    new runtime.Tensor('float32', buffers.values.get(key)!, program.tensors[tensor].shape)
  const states: Record<string, Tensor> = {}
  for (const { name, tensor } of program.state) {
    if (read.has(stateInput(name))) states[stateInput(name)] = tensorOver(stateKey(name), tensor)
  }
  const fetches: Record<string, Tensor> = {}
  for (const [tensor, key] of gradients) fetches[updateOutputs.get(tensor)!] = tensorOver(key, tensor)
  for (const { name, type, shape } of graph.outputs) fetches[name] ??= emptyTensor(runtime, type, shape as number[])
  const inputs = program.inputs
    .filter(({ name }) => read.has(name))
    .map(({ name, tensor }) => ({ name, shape: program.tensors[tensor].shape }))
  return { session, inputs, states, fetches: gradients.size > 0 ? fetches : null }
}

function emptyTensor(runtime: OnnxRuntime, type: OnnxTensorType, shape: readonly number[]): Tensor {
  const length = elementCount(shape)
  const data =
    type === 'int32' ? new Int32Array(length) : type === 'uint8' ? new Uint8Array(length) : new Float32Array(length)
  return new runtime.Tensor(data, shape)
}

/** Copies what is in shared memory, which the binding of ONNX Runtime refuses. */
function plainMemory(value: InputValue): InputValue {
  return value.buffer instanceof ArrayBuffer ? value : value.slice()
}
