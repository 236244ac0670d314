import type { Attachment } from '../../distributed/communicator.ts'
import { openReducer, type Reducer } from '../../distributed/reducer.ts'
import type { Program, TensorId } from '../../graph/program.ts'
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
import { evaluate, upload } from './evaluate.ts'
import type { Tensor, TfjsRuntime } from './runtime.ts'
import { RunUpdates } from './updates.ts'

interface OpenProgram {
  readonly program: Program
  readonly check: (inputs: RunInputs) => void
  readonly constants: ReadonlyMap<TensorId, Tensor>
}

/**
 * Programs computed node by node with TensorFlow.js. States are tensors of the backend that are never written: a run makes new ones,
 * which replace the earlier ones once everything has succeeded.
 */
export class TfjsSession implements EngineSession {
  readonly engine = 'tfjs'
  private readonly use = new ExclusiveUse('The TensorFlow.js session')
  private readonly runtime: TfjsRuntime
  private readonly reducer: Reducer
  private readonly shapes: StateShapes
  private readonly programs = new Map<string, OpenProgram>()
  private readonly states = new Map<string, Tensor>()

  /** @throws VideoMaeError `NAME_TAKEN`, `SHAPE_MISMATCH`, `INDEX_RANGE` */
  constructor(runtime: TfjsRuntime, programs: readonly Program[], ranks: Attachment = { transport: 'self' }) {
    this.runtime = runtime
    this.reducer = openReducer(ranks)
    this.shapes = collectStates(programs)
    const checks = programs.map(inputCheck)
    for (const [i, program] of programs.entries()) {
      const constants = new Map<TensorId, Tensor>()
      for (const { tensor, data } of program.constants) {
        const { shape, dtype } = program.tensors[tensor]
        constants.set(tensor, upload(runtime.tf, data, shape, dtype))
      }
      this.programs.set(program.name, { program, check: checks[i], constants })
    }
    for (const [name, shape] of this.shapes) this.states.set(name, runtime.tf.zeros([...shape]))
  }

  run(name: string, inputs: RunInputs): Promise<RunOutputs> {
    return this.use.run(async () => {
      const { program, check, constants } = findProgram(this.programs, name)
      check(inputs)
      const { tf } = await this.chooseBackend()
      const tensors = evaluate(tf, program, { inputs, constants, states: this.states })
      try {
        const outputs: RunOutputs = {}
        for (const output of program.outputs) {
          outputs[output.name] = Float32Array.from(await tensors.get(output.tensor)!.data())
        }
        const updates = new RunUpdates(tf, program, { inputs, tensors, states: this.states, reducer: this.reducer })
        for (const [state, tensor] of await updates.apply()) this.replace(state, tensor)
        for (const [output, norm] of updates.norms) outputs[output] = Float32Array.of(norm)
        return outputs
      } finally {
        const borrowed = new Set([...constants.values(), ...this.states.values()])
        for (const tensor of tensors.values()) if (!borrowed.has(tensor)) tensor.dispose()
      }
    })
  }

  readState(names?: readonly string[]): Promise<Map<string, Float32Array>> {
    return this.use.run(async () => {
      await this.chooseBackend()
      const read = new Map<string, Float32Array>()
      for (const name of checkStateNames(this.shapes, names)) {
        read.set(name, Float32Array.from(await this.states.get(name)!.data()))
      }
      return read
    })
  }

  writeState(values: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.use.run(async () => {
      checkStateValues(this.shapes, values)
      const { tf } = await this.chooseBackend()
      for (const [name, data] of values) this.replace(name, upload(tf, data, this.shapes.get(name)!))
    })
  }

  memory(): Promise<MemoryUse> {
    return this.use.run(() => ({ state: stateBytes(this.shapes), workspace: 0 }))
  }

  close(): Promise<void> {
    return this.use.close(() => {
      for (const { constants } of this.programs.values()) for (const tensor of constants.values()) tensor.dispose()
      for (const tensor of this.states.values()) tensor.dispose()
    })
  }

  /** TensorFlow.js has one backend at a time, and another session of this thread may use another one. */
  private async chooseBackend(): Promise<TfjsRuntime> {
    await this.runtime.tf.setBackend(this.runtime.backend)
    return this.runtime
  }

  private replace(state: string, tensor: Tensor): void {
    this.states.get(state)!.dispose()
    this.states.set(state, tensor)
  }
}
