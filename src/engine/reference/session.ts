import type { Attachment } from '../../distributed/communicator.ts'
import { openReducer, type Reducer } from '../../distributed/reducer.ts'
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
import type { EngineSession, MemoryUse, RunInputs, RunOutputs } from '../engine.ts'
import { ExclusiveUse } from '../exclusive.ts'
import { evaluate } from './evaluate.ts'
import { applyUpdates } from './updates.ts'

interface OpenProgram {
  readonly program: Program
  readonly check: (inputs: RunInputs) => void
}

/** State is kept in float64 and rounded only where it is read. */
export class ReferenceSession implements EngineSession {
  readonly engine = 'reference'
  private readonly use = new ExclusiveUse('The reference session')
  private readonly programs: ReadonlyMap<string, OpenProgram>
  private readonly shapes: StateShapes
  private readonly state: Map<string, Float64Array>
  private readonly reducer: Reducer

  /** @throws VideoMaeError `NAME_TAKEN`, `SHAPE_MISMATCH`, `INDEX_RANGE` for programs that do not fit together */
  constructor(programs: readonly Program[], ranks: Attachment = { transport: 'self' }) {
    this.reducer = openReducer(ranks)
    this.shapes = collectStates(programs)
    this.programs = new Map(programs.map((program) => [program.name, { program, check: inputCheck(program) }]))
    this.state = new Map([...this.shapes].map(([name, shape]) => [name, new Float64Array(elementCount(shape))]))
  }

  run(name: string, inputs: RunInputs): Promise<RunOutputs> {
    return this.use.run(() => {
      const { program, check } = findProgram(this.programs, name)
      check(inputs)
      const values = evaluate(program, inputs, this.state)
      const outputs: RunOutputs = {}
      for (const output of program.outputs) outputs[output.name] = Float32Array.from(values.get(output.tensor)!)
      for (const [output, norm] of applyUpdates(program, values, this.state, this.reducer))
        outputs[output] = Float32Array.of(norm)
      return outputs
    })
  }

  readState(names?: readonly string[]): Promise<Map<string, Float32Array>> {
    return this.use.run(() => {
      const known = checkStateNames(this.shapes, names)
      return new Map(known.map((name) => [name, Float32Array.from(this.state.get(name)!)]))
    })
  }

  writeState(values: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.use.run(() => {
      checkStateValues(this.shapes, values)
      for (const [name, data] of values) this.state.get(name)!.set(data)
    })
  }

  memory(): Promise<MemoryUse> {
    return this.use.run(() => ({ state: stateBytes(this.shapes, 8), workspace: 0 }))
  }

  close(): Promise<void> {
    return this.use.close(() => this.state.clear())
  }
}
