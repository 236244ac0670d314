import { VideoMaeError } from '../../core/errors.ts'
import type { Attachment } from '../../distributed/communicator.ts'
import { type NativeValues, openReducer, type Reducer } from '../../distributed/reducer.ts'
import { elementCount, type Program } from '../../graph/program.ts'
import type { RecomputeMode } from '../../graph/recompute.ts'
import {
  checkStateNames,
  checkStateValues,
  collectStates,
  findProgram,
  inputCheck,
  type StateShapes,
} from '../check.ts'
import type { EngineSession, MemoryUse, RunInputs, RunOutputs } from '../engine.ts'
import { ExclusiveUse } from '../exclusive.ts'
import { alignment } from '../plan/memory-plan.ts'
import { mergedRanges } from '../plan/merged-ranges.ts'
import type { FloatType, ScheduledOutput, ValueId } from '../plan/values.ts'
import { type BoundProgram, bindCalls, bindSteps, packCall, type StepTime } from './bound-program.ts'
import type { NativeLibrary, NativeMemory, Region } from './library.ts'
import { floatsOf, Regions } from './memory.ts'
import { copyKey, type PlannedCopy, type PlannedProgram, planSession } from './session-plan.ts'
import type { Panels, UpdateTableContext } from './update-tables.ts'

export interface NativeSessionOptions {
  readonly threads: number
  readonly precision: FloatType
  /** Activations to compute again in the backward pass instead of keeping them. Default `none`. */
  readonly recompute?: RecomputeMode
  /** Give every value memory of its own, so that a memory checker sees accesses beyond it. Default false. */
  readonly isolateValues?: boolean
  /** The ranks that `reduce` updates sum over. Default: this process alone. */
  readonly ranks?: Attachment
  /** For tests of kernels: store float inputs and states as activations. Default false. */
  readonly leavesAsActivations?: boolean
  /** Parts of the rows of sums, for measurements: other than the default, results depend on it. */
  readonly rowParts?: number
}

interface OpenProgram {
  readonly program: Program
  readonly check: (inputs: RunInputs) => void
  /** Run one after the other; between two of them the reduction. */
  readonly stages: readonly BoundProgram[]
  readonly reduction: readonly NativeValues[]
  readonly inputs: ReadonlyMap<string, Region>
  readonly outputs: readonly { readonly name: string; readonly region: Region; readonly count: number }[]
}

/** Programs as tables of kernel calls over one state, run by a pool of threads. */
export class NativeSession implements EngineSession {
  readonly engine = 'native'
  private readonly use = new ExclusiveUse('The native session')
  private readonly library: NativeLibrary
  private readonly options: NativeSessionOptions
  private readonly shapes: StateShapes
  private readonly programs = new Map<string, OpenProgram>()
  private readonly states: Regions<string>
  private readonly copies: Regions<string>
  private readonly plannedCopies: ReadonlyMap<string, PlannedCopy>
  private readonly inputs: NativeMemory | null
  private readonly arena: NativeMemory | null
  private readonly scratch: NativeMemory
  private readonly scratchBytes: number
  private readonly pool: bigint
  /** Everything that has to be freed. */
  private readonly held: { free(): void; readonly bytes: number }[] = []
  /** States that were written from outside, whose panels have not followed yet. */
  private readonly unpacked = new Set<string>()
  private readonly reducer: Reducer
  private running: BoundProgram | null = null
  /** Whether the run under way is to end, also where its program has not begun. */
  private canceled = false

  /** @throws VideoMaeError `PROGRAM_UNSUPPORTED`, `NAME_TAKEN`, `SHAPE_MISMATCH`, `INDEX_RANGE`, `OUT_OF_MEMORY` */
  constructor(library: NativeLibrary, programs: readonly Program[], options: NativeSessionOptions) {
    this.library = library
    this.options = options
    this.shapes = collectStates(programs)
    this.reducer = openReducer(options.ranks ?? { transport: 'self' })
    const checks = programs.map(inputCheck)
    const {
      precision,
      leavesAsActivations,
      rowParts,
      recompute = 'none',
      threads,
      isolateValues: apart = false,
    } = options
    const panelBytes = library.panelBytes.bind(library)
    const plan = planSession(programs, { precision, panelBytes, leavesAsActivations, rowParts }, recompute)
    const stateBytes = new Map([...this.shapes].map(([name, shape]) => [name, elementCount(shape) * 4]))
    const copyBytes = new Map([...plan.copies].map(([key, { bytes }]) => [key, bytes]))
    this.plannedCopies = plan.copies
    try {
      this.states = this.hold(new Regions(library, stateBytes, 'parameters, moments and other state', apart))
      this.copies = this.hold(new Regions(library, copyBytes, 'weights as products read them', apart))
      this.arena = apart ? null : this.hold(library.allocate(plan.workspace, 'activations and gradients'))
      this.inputs = apart ? null : this.hold(library.allocate(plan.inputs, 'inputs'))
      for (const [i, planned] of plan.programs.entries()) this.open(planned, checks[i])
      const bound = [...this.programs.values()].flatMap(({ stages }) => stages)
      this.scratchBytes = Math.max(64, ...bound.map(({ scratchBytes }) => scratchBytes))
      this.scratch = this.hold(library.allocate(this.scratchBytes * threads, 'working memory of threads'))
      this.pool = library.openPool(threads)
    } catch (error) {
      this.free() // or a process that tries smaller and smaller runs would lose memory each time
      throw error
    }
  }

  private free(): void {
    for (const memory of this.held) memory.free()
  }

  private open({ program, schedule, layout, plan }: PlannedProgram, check: (inputs: RunInputs) => void): void {
    const constants = new Map<ValueId, number>()
    const own = new Map<string | ValueId, number>()
    for (const [id, { home, bytes }] of schedule.values.entries()) {
      if (home.kind === 'constant') constants.set(id, bytes)
      else if (this.arena === null && home.kind === 'arena') own.set(id, bytes)
      else if (this.arena === null && home.kind === 'input') own.set(home.name, bytes)
    }
    const constantRegions = this.hold(new Regions(this.library, constants, 'constants', this.arena === null))
    const ownRegions = this.hold(new Regions(this.library, own, 'activations and gradients', this.arena === null))
    const regionOf = (id: ValueId): Region => {
      const { home, bytes, label } = schedule.values[id]
      switch (home.kind) {
        case 'input':
          return this.inputs === null
            ? required(ownRegions.get(home.name), label)
            : this.inputs.part(layout.offset(home.name), bytes)
        case 'state':
          return required(this.states.get(home.name), label)
        case 'view':
          return regionOf(home.of).part(home.offset, bytes)
        case 'copy':
          return required(
            home.rows === null ? undefined : this.copies.get(copyKey({ ...home, rows: home.rows })),
            label,
          )
        case 'constant':
          return required(constantRegions.get(id), label)
        case 'arena':
          return this.arena === null
            ? required(ownRegions.get(id), label)
            : this.arena.part(required(plan.offsets.get(id), label), bytes)
      }
    }
    for (const [id, { home }] of schedule.values.entries()) {
      if (home.kind === 'constant') regionOf(id).data.set(home.data)
    }
    const { precision, threads } = this.options
    const context = this.updateContext((id) => regionOf(id).address)
    const { steps, reduction } = schedule
    const cuts =
      reduction === null ? [steps] : [steps.slice(0, reduction.stepsBefore), steps.slice(reduction.stepsBefore)]
    const stages = cuts.map((part) =>
      this.hold(bindSteps(this.library, { name: schedule.name, steps: part }, context, precision, threads)),
    )
    const reduced = (reduction?.values ?? []).map((id) => ({
      address: regionOf(id).address,
      bytes: schedule.values[id].count * 4,
    }))
    const inputs = new Map<string, Region>()
    for (const [id, { home }] of schedule.values.entries()) {
      if (home.kind === 'input') inputs.set(home.name, regionOf(id))
    }
    const outputs = schedule.outputs.map(({ name, value, count }: ScheduledOutput) => {
      return { name, region: regionOf(value), count }
    })
    this.programs.set(program.name, {
      program,
      check,
      stages,
      reduction: mergedRanges(reduced, this.arena === null ? 1 : alignment),
      inputs,
      outputs,
    })
  }

  private hold<T extends { free(): void; readonly bytes: number }>(made: T): T {
    this.held.push(made)
    return made
  }

  private updateContext(addressOf: (id: ValueId) => bigint): UpdateTableContext {
    return { addressOf, panelsOf: (state) => this.panelsOf(state), panelColumns: this.library.panelColumns }
  }

  /** Panels of a state, those of the same rows in one entry. */
  private panelsOf(state: string): Panels[] {
    const found = new Map<string, Panels>()
    for (const [key, { state: own, form, rows }] of this.plannedCopies) {
      if (own !== state) continue
      const shape = this.shapes.get(state) ?? []
      const columns = elementCount(shape) / (shape[0] ?? 1)
      const group = `${rows.first} ${rows.count}`
      const before = found.get(group) ?? { ...rows, inner: columns, forward: 0n, gradient: 0n }
      const { address } = required(this.copies.get(key), state)
      found.set(group, { ...before, [form === 'panels' ? 'forward' : 'gradient']: address })
    }
    return [...found.values()]
  }

  run(name: string, inputs: RunInputs): Promise<RunOutputs> {
    return this.use.run(async () => {
      const { check, stages, reduction, inputs: regions, outputs } = findProgram(this.programs, name)
      check(inputs)
      this.canceled = false
      for (const [input, region] of regions) {
        const { buffer, byteOffset, byteLength } = inputs[input]
        region.data.set(new Uint8Array(buffer, byteOffset, byteLength))
      }
      await this.packStates()
      for (const [i, stage] of stages.entries()) {
        if (i > 0) this.reducer.sum(reduction)
        await this.runBound(stage)
      }
      return Object.fromEntries(
        outputs.map(({ name, region, count }) => [name, floatsOf(region).slice(0, count)] as const),
      )
    })
  }

  private async runBound(bound: BoundProgram): Promise<void> {
    this.running = bound
    try {
      const running = bound.run(this.pool, this.scratch, this.scratchBytes)
      if (this.canceled) bound.cancel()
      await running
    } finally {
      this.running = null
    }
  }

  cancel(): void {
    this.canceled = true
    this.running?.cancel()
  }

  /** One run with the time of each step. Updates the state like any run. */
  async profile(name: string, inputs: RunInputs): Promise<StepTime[]> {
    await this.run(name, inputs)
    return findProgram(this.programs, name).stages.flatMap((stage) => stage.stepTimes())
  }

  /** Panels of the states that were written from outside. */
  private async packStates(): Promise<void> {
    if (this.unpacked.size === 0) return
    const { precision, threads } = this.options
    const calls = [...this.unpacked].flatMap((state) => {
      const { address } = required(this.states.get(state), state)
      return this.panelsOf(state).map((panels) => packCall(`packing of ${state}`, address, panels, precision))
    })
    if (calls.length > 0) {
      const bound = bindCalls(this.library, 'packing of weights', calls, threads)
      try {
        await bound.run(this.pool, this.scratch, this.scratchBytes)
      } finally {
        bound.free()
      }
    }
    this.unpacked.clear()
  }

  readState(names?: readonly string[]): Promise<Map<string, Float32Array>> {
    return this.use.run(() => {
      const known = checkStateNames(this.shapes, names)
      return new Map(known.map((name) => [name, floatsOf(required(this.states.get(name), name)).slice()]))
    })
  }

  writeState(values: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.use.run(() => {
      checkStateValues(this.shapes, values)
      for (const [name, data] of values) {
        floatsOf(required(this.states.get(name), name)).set(data)
        this.unpacked.add(name)
      }
    })
  }

  memory(): Promise<MemoryUse> {
    return this.use.run(() => {
      const all = this.held.reduce((sum, { bytes }) => sum + bytes, 0)
      const state = this.states.bytes + this.copies.bytes
      return { state, workspace: all - state }
    })
  }

  close(): Promise<void> {
    return this.use.close(() => {
      this.library.closePool(this.pool)
      this.free()
    })
  }
}

function required<T>(found: T | undefined, what: string): T {
  if (found === undefined) throw new VideoMaeError(`There is no memory for ${what}.`, { code: 'PROGRAM_INVALID' })
  return found
}
