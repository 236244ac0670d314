import { VideoMaeError } from '../../core/errors.ts'
import type { DeviceReducer } from '../../distributed/nccl/device-reducer.ts'
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
import type { InputLayout } from '../plan/input-layout.ts'
import { align } from '../plan/memory-plan.ts'
import type { FloatType, ValueId } from '../plan/values.ts'
import { CompiledProgram, type Exchange } from './compiled-program.ts'
import type { Device, DeviceAddress, DeviceBuffer, DeviceEvent, HostBuffer, Stream } from './device.ts'
import { InputPrefetcher } from './input-prefetcher.ts'
import { requireDeviceMemory } from './memory-requirement.ts'
import { type PlannedProgram, planSession } from './session-plan.ts'

export interface CudaSessionOptions {
  readonly precision: FloatType
  /** Activations to compute again in the backward pass instead of keeping them. Default `none`. */
  readonly recompute?: RecomputeMode
  /** Run always operation by operation and wait for each, so that an error names it. Default false. */
  readonly debug?: boolean
  /** Give every value memory of its own, so that a memory checker sees accesses beyond it. Default false. */
  readonly isolateValues?: boolean
  /** Sums over the ranks; closed with the session. Default: a run in one process. */
  readonly reducer?: DeviceReducer | null
  /** For tests of kernels: store float inputs and states as activations. Default false. */
  readonly leavesAsActivations?: boolean
}

export interface StepTime {
  readonly label: string
  /** What the device did: an entry point, or the sizes of a product. */
  readonly work: string
  readonly milliseconds: number
}

interface OpenProgram {
  readonly program: Program
  readonly check: ReturnType<typeof inputCheck>
  readonly layout: InputLayout
  readonly compiled: CompiledProgram
  /** Page-locked, all outputs one behind the other, and where each begins. */
  readonly outputs: HostBuffer
  readonly addresses: readonly DeviceAddress[]
}

/** Programs on one GPU. Belongs to the thread that opened it. */
export class CudaSession implements EngineSession {
  readonly engine = 'cuda'
  private readonly use = new ExclusiveUse('The CUDA session')
  private readonly device: Device
  private readonly debug: boolean
  private readonly exchange: Exchange | null
  private readonly reducer: DeviceReducer | null
  private readonly shapes: StateShapes
  private readonly programs = new Map<string, OpenProgram>()
  private readonly stream: Stream
  private readonly started: DeviceEvent
  private readonly done: DeviceEvent
  private readonly prefetcher: InputPrefetcher
  private readonly buffers: DeviceBuffer[] = []
  private readonly stateAddresses = new Map<string, DeviceAddress>()
  private readonly copyAddresses = new Map<string, DeviceAddress>()
  /** Milliseconds that the last runs took, to know how long it is worth sleeping. */
  private expected = 0
  private busy = 0

  /**
   * Takes over the device and closes it with the session.
   *
   * @throws VideoMaeError `PROGRAM_UNSUPPORTED`, `OUT_OF_MEMORY` with what is needed and what there is,
   *   `KERNEL_COMPILATION_FAILED`
   */
  constructor(device: Device, programs: readonly Program[], options: CudaSessionOptions) {
    this.device = device
    this.debug = options.debug ?? false
    this.shapes = collectStates(programs)
    const { multiprocessors, sharedMemoryPerBlock } = device.description
    const { precision, leavesAsActivations, recompute = 'none' } = options
    const supportsMatmul = device.supportsMatmul.bind(device)
    const context = { precision, multiprocessors, sharedMemoryPerBlock, supportsMatmul, leavesAsActivations }
    const plan = planSession(programs, this.shapes, context, recompute)
    const leaner = recompute === 'blocks' ? null : () => planSession(programs, this.shapes, context, 'blocks').need
    requireDeviceMemory(device, programs, plan.need, leaner)
    this.stream = device.createStream()
    this.reducer = options.reducer ?? null
    this.exchange = this.reducer === null ? null : { reducer: this.reducer, stream: device.createStream() }
    this.started = device.createEvent(true)
    this.done = device.createEvent(true)
    this.allocateStates(plan.copies)
    this.prefetcher = new InputPrefetcher(device, plan.need.inputs)
    const shared = options.isolateValues !== true
    const arena = shared ? this.allocate(plan.need.workspace, 'activations and gradients') : null
    // Neither zeros nor NaN while algorithms are timed on it.
    if (arena !== null) device.fill(arena.address, 0x3c, arena.bytes, this.stream)
    for (const planned of plan.programs) this.open(planned, arena)
    device.synchronize(this.stream)
  }

  private count(state: string): number {
    return elementCount(this.shapes.get(state) ?? [])
  }

  private allocate(bytes: number, purpose: string): DeviceBuffer {
    const buffer = this.device.allocate(bytes, purpose)
    this.buffers.push(buffer)
    return buffer
  }

  /** All states, then their working copies, in one allocation, zero. */
  private allocateStates(copies: ReadonlySet<string>): void {
    let bytes = 0
    const assignments: (() => void)[] = []
    let base = 0n
    const reserve = (into: Map<string, DeviceAddress>, name: string, size: number): void => {
      const offset = BigInt(bytes)
      assignments.push(() => into.set(name, base + offset))
      bytes += align(size)
    }
    for (const name of this.shapes.keys()) reserve(this.stateAddresses, name, this.count(name) * 4)
    for (const name of copies) reserve(this.copyAddresses, name, this.count(name) * 2)
    const buffer = this.allocate(bytes, 'parameters, moments and other state')
    base = buffer.address
    for (const assign of assignments) assign()
    this.device.fill(buffer.address, 0, buffer.bytes, this.stream)
  }

  private open({ program, schedule, layout, plan }: PlannedProgram, arena: DeviceBuffer | null): void {
    const own = new Map<ValueId, DeviceAddress>()
    const address = (value: ValueId): DeviceAddress => {
      const { home, bytes, label } = schedule.values[value]
      switch (home.kind) {
        case 'input':
          return this.prefetcher.address + BigInt(layout.offset(home.name))
        case 'state':
          return required(this.stateAddresses.get(home.name), home.name)
        case 'view':
          return address(home.of) + BigInt(home.offset)
        case 'copy':
          return required(this.copyAddresses.get(home.state), home.state)
        case 'constant':
          throw new VideoMaeError(`${label} has not been uploaded.`, { code: 'PROGRAM_INVALID' })
        case 'arena': {
          if (arena !== null) return arena.address + BigInt(required(plan.offsets.get(value), label))
          const known = own.get(value) ?? this.allocate(bytes, label).address
          own.set(value, known)
          return known
        }
      }
    }
    const copyOf = (state: string): DeviceAddress | null => this.copyAddresses.get(state) ?? null
    const compiled = new CompiledProgram(this.device, schedule, { address, copyOf }, this.stream, this.exchange)
    const outputBytes = schedule.outputs.reduce((sum, { count }) => sum + align(count * 4), 0)
    const outputs = this.device.allocateHost(outputBytes, 'the outputs of a program')
    const addresses = schedule.outputs.map(({ value }) => address(value))
    this.programs.set(program.name, { program, check: inputCheck(program), layout, compiled, outputs, addresses })
  }

  run(name: string, inputs: RunInputs): Promise<RunOutputs> {
    return this.use.run(async () => {
      const open = findProgram(this.programs, name)
      open.check(inputs)
      const { device, stream } = this
      device.doing = () => open.compiled.activity
      if (open.compiled.sums) this.reducer?.waiting()
      device.record(this.started, stream)
      this.prefetcher.deliver(name, inputs, open.layout, stream)
      open.compiled.run(stream, this.debug)
      const reads = this.readOutputs(open)
      device.record(this.done, stream)
      await this.settle()
      if (open.compiled.sums) this.reducer?.waiting()
      device.doing = null
      this.busy += device.elapsedMilliseconds(this.started, this.done)
      return reads()
    })
  }

  /** Milliseconds that the GPU has been at work for `run` so far, copies included. The rest of the time it idled. */
  get busyMilliseconds(): number {
    return this.busy
  }

  /** Starts copying inputs of the program's next run on a second stream; see `EngineSession`. */
  async prefetch(name: string, inputs: RunInputs): Promise<void> {
    this.use.requireOpen()
    const { check, layout } = findProgram(this.programs, name)
    check(inputs, 'some')
    this.prefetcher.prefetch(name, inputs, layout)
  }

  /** One run, operation by operation, with the time of each. Updates the state like any run. */
  profile(name: string, inputs: RunInputs): Promise<StepTime[]> {
    return this.use.run(() => {
      const { check, layout, compiled } = findProgram(this.programs, name)
      check(inputs)
      const { device, stream } = this
      this.prefetcher.deliver(name, inputs, layout, stream)
      device.synchronize(stream)
      const events = Array.from({ length: compiled.steps.length + 1 }, () => device.createEvent(true))
      device.record(events[0], stream)
      for (const [i, step] of compiled.steps.entries()) {
        step.run(stream)
        device.record(events[i + 1], stream)
      }
      device.synchronize(stream)
      return compiled.steps.map(({ label, work }, i) => ({
        label,
        work,
        milliseconds: device.elapsedMilliseconds(events[i], events[i + 1]),
      }))
    })
  }

  /** Puts the copies to the host on the stream; what it returns reads them once they are there. */
  private readOutputs({ compiled, outputs, addresses }: OpenProgram): () => RunOutputs {
    const slots: { readonly name: string; readonly offset: number; readonly count: number }[] = []
    let offset = 0
    for (const [i, { name, count }] of compiled.schedule.outputs.entries()) {
      this.device.copyToHost(outputs, offset, addresses[i], count * 4, this.stream)
      slots.push({ name, offset, count })
      offset += align(count * 4)
    }
    const { buffer, byteOffset } = outputs.data
    return () =>
      Object.fromEntries(
        slots.map((slot) => [slot.name, new Float32Array(buffer, byteOffset + slot.offset, slot.count).slice()]),
      )
  }

  /** Waits without blocking the thread: asleep for most of what the last run took, then asking again and again. */
  private async settle(): Promise<void> {
    const start = performance.now()
    const sleep = this.expected * 0.9 - 1
    if (sleep >= 1) await new Promise((resolve) => setTimeout(resolve, sleep))
    while (!this.device.finished(this.done)) await new Promise((resolve) => setImmediate(resolve))
    this.expected = performance.now() - start
  }

  readState(names?: readonly string[]): Promise<Map<string, Float32Array>> {
    return this.use.run(() => {
      const known = checkStateNames(this.shapes, names)
      return this.withStaging(known, (staging) => {
        const result = new Map<string, Float32Array>()
        for (const name of known) {
          const count = this.count(name)
          const address = required(this.stateAddresses.get(name), name)
          this.device.copyToHost(staging, 0, address, count * 4, this.stream)
          this.device.synchronize(this.stream)
          result.set(name, new Float32Array(staging.data.buffer, staging.data.byteOffset, count).slice())
        }
        return result
      })
    })
  }

  writeState(values: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.use.run(() => {
      checkStateValues(this.shapes, values)
      const { device, stream } = this
      this.withStaging([...values.keys()], (staging) => {
        for (const [name, data] of values) {
          const address = required(this.stateAddresses.get(name), name)
          staging.data.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
          device.copyToDevice(address, staging, 0, data.byteLength, stream)
          this.refreshCopy(name, address, data.length)
          device.synchronize(stream)
        }
      })
    })
  }

  private refreshCopy(name: string, from: DeviceAddress, count: number): void {
    const to = this.copyAddresses.get(name)
    if (to === undefined) return
    const kernel = this.device.kernel({ file: 'cast', entry: 'castToBfloat16', defines: {} })
    const size = { grid: [Math.ceil(count / 1024), 1, 1], block: [256, 1], shared: 0 } as const
    const list = [
      { kind: 'address', value: to },
      { kind: 'address', value: from },
      { kind: 'u32', value: count },
    ] as const
    this.device.launch(kernel, size, list, this.stream)
  }

  /** Page-locked memory as large as the largest of the states. */
  private withStaging<T>(names: readonly string[], work: (staging: HostBuffer) => T): T {
    const bytes = names.reduce((largest, name) => Math.max(largest, this.count(name) * 4), 0)
    const staging = this.device.allocateHost(bytes, 'the transfer of parameters and other state')
    try {
      return work(staging)
    } finally {
      staging.free()
    }
  }

  memory(): Promise<MemoryUse> {
    return this.use.run(() => {
      const [state, ...rest] = this.buffers
      return { state: state.bytes, workspace: rest.reduce((sum, { bytes }) => sum + bytes, this.prefetcher.bytesHeld) }
    })
  }

  close(): Promise<void> {
    return this.use.close(() => {
      for (const { compiled } of this.programs.values()) compiled.close()
      this.reducer?.close()
      this.device.close()
    })
  }
}

function required<T>(found: T | undefined, what: string): T {
  if (found === undefined) throw new VideoMaeError(`There is no memory for ${what}.`, { code: 'PROGRAM_INVALID' })
  return found
}
