import type { DeviceReducer } from '../../distributed/nccl/device-reducer.ts'
import { mergedRanges } from '../plan/merged-ranges.ts'
import type { UpdateRow } from '../plan/update-rows.ts'
import type { ValueId } from '../plan/values.ts'
import type {
  Activity,
  CapturedGraph,
  Device,
  DeviceAddress,
  DeviceBuffer,
  KernelArgument,
  MatmulShape,
  PreparedMatmul,
  Stream,
} from './device.ts'
import type { LaunchStep, Step, StepArgument, StepSchedule, SumStep, TableStep } from './lowering/schedule.ts'
import { updateChunk } from './lowering/updates.ts'
import { ProgressCounter } from './progress.ts'

/** Where the session keeps what programs share. */
export interface Placement {
  /** Address of a value that is not a constant. */
  address(value: ValueId): DeviceAddress
  /** Address of the bfloat16 working copy of a state, where there is one. */
  copyOf(state: string): DeviceAddress | null
}

/** How a program sums over the ranks: next to its own stream. */
export interface Exchange {
  readonly reducer: Pick<DeviceReducer, 'sum' | 'waiting'>
  readonly stream: Stream
}

/** One step with its addresses: puts its work on a stream. */
export interface BoundStep {
  readonly label: string
  /** What the device does: an entry point, or the sizes of a product. */
  readonly work: string
  run(stream: Stream): void
}

/** Steps from one write of the progress counter to the next: these are launches that compute nothing. */
const stepsPerCount = 8

/**
 * A schedule with addresses and loaded kernels. The first run goes step by step and waits for each, so that everything
 * the libraries load late is loaded, and an error is known to be a step's; the second is recorded as a CUDA graph, which
 * all later runs replay.
 */
export class CompiledProgram {
  readonly schedule: StepSchedule
  readonly steps: readonly BoundStep[]
  private readonly device: Device
  private readonly exchange: Exchange | null
  private readonly constants: DeviceBuffer | null
  private readonly tables: DeviceBuffer[] = []
  private readonly matmuls: PreparedMatmul[] = []
  /** Position in `steps`, counted from 1, that the progress counter has reached. */
  private readonly progress: ProgressCounter
  private graph: CapturedGraph | null = null
  private ran = false
  /** Step that is being launched alone. */
  private current: string | null = null

  /** @param exchange null for a run in one process, whose sums are what is there already */
  constructor(
    device: Device,
    schedule: StepSchedule,
    placement: Placement,
    stream: Stream,
    exchange: Exchange | null = null,
  ) {
    this.device = device
    this.exchange = exchange
    this.schedule = schedule
    this.progress = new ProgressCounter(device)
    const constantAddresses = new Map<ValueId, DeviceAddress>()
    this.constants = this.uploadConstants(constantAddresses, stream)
    const addressOf = (value: ValueId): DeviceAddress => constantAddresses.get(value) ?? placement.address(value)
    this.steps = schedule.steps.map((step) => this.bind(step, addressOf, placement, stream))
  }

  /**
   * Puts one run on the stream.
   *
   * @param alone wait for every step, as the first run does
   */
  run(stream: Stream, alone: boolean): void {
    const { device } = this
    this.progress.reset()
    if (alone || !this.ran) {
      // The copies of the inputs are not the first step's.
      device.synchronize(stream)
      this.launchAll(stream, () => device.synchronize(stream))
    } else {
      this.graph ??= device.capture(stream, () => this.launchAll(stream))
      this.graph.launch(stream)
    }
    this.ran = true
  }

  /** What the run that was put on the stream last has come to, as far as it is known. */
  get activity(): Activity {
    const { name } = this.schedule
    if (this.current !== null) return { what: this.current, exact: true }
    const reached = this.progress.position
    if (reached === 0) return { what: `the program ${name}`, exact: false }
    const labels = this.steps.slice(reached - 1, reached - 1 + stepsPerCount).map(({ label }) => label)
    const [first, ...others] = [...new Set(labels)].map((label) => label.replace(`${name}: `, ''))
    if (others.length === 0) return { what: `${name}: ${first}`, exact: true }
    return { what: `one of the operations ${[first, ...others].join(', ')} of the program ${name}`, exact: false }
  }

  /** @param after called behind every step */
  private launchAll(stream: Stream, after?: () => void): void {
    for (const [i, step] of this.steps.entries()) {
      this.current = step.label
      if (i % stepsPerCount === 0) this.progress.put(i + 1, stream)
      step.run(stream)
      after?.()
    }
    this.current = null
  }

  private uploadConstants(addresses: Map<ValueId, DeviceAddress>, stream: Stream): DeviceBuffer | null {
    const pieces: { readonly id: ValueId; readonly data: Uint8Array }[] = []
    for (const [id, { home }] of this.schedule.values.entries()) {
      if (home.kind === 'constant') pieces.push({ id, data: home.data })
    }
    if (pieces.length === 0) return null
    const { buffer, offsets } = upload(
      this.device,
      pieces.map(({ data }) => data),
      'the constants of a program',
      stream,
    )
    for (const [i, { id }] of pieces.entries()) addresses.set(id, buffer.address + BigInt(offsets[i]))
    return buffer
  }

  private bind(
    step: Step,
    addressOf: (value: ValueId) => DeviceAddress,
    placement: Placement,
    stream: Stream,
  ): BoundStep {
    const { device } = this
    const maybe = (value: ValueId | null): DeviceAddress | null => (value === null ? null : addressOf(value))
    switch (step.kind) {
      case 'launch':
        return this.bindLaunch(
          step,
          step.arguments.map((argument) => bindArgument(argument, addressOf)),
        )
      case 'copy': {
        const [to, from] = [addressOf(step.to), addressOf(step.from)]
        return { label: step.label, work: 'copy', run: (on) => device.copyOnDevice(to, from, step.bytes, on) }
      }
      case 'matmul': {
        const operands = {
          a: addressOf(step.a),
          b: addressOf(step.b),
          d: addressOf(step.d),
          addend: maybe(step.addend),
          bias: maybe(step.bias),
          auxiliary: maybe(step.auxiliary),
        }
        const matmul = device.matmul(step.shape, operands, step.label)
        this.matmuls.push(matmul)
        return { label: step.label, work: describeMatmul(step.shape), run: (on) => matmul.run(on) }
      }
      case 'table':
        return this.bindTable(step, addressOf, placement, stream)
      case 'sum':
        return this.bindSum(step, addressOf)
      case 'join': {
        const { exchange } = this
        const done = exchange === null ? null : device.createEvent()
        const run = (on: Stream): void => {
          if (exchange === null || done === null) return
          device.record(done, exchange.stream)
          device.wait(on, done)
        }
        return { label: step.label, work: 'wait for the sums', run }
      }
    }
  }

  private bindSum({ label, pieces }: SumStep, addressOf: (value: ValueId) => DeviceAddress): BoundStep {
    const { device, exchange } = this
    if (exchange === null) return { label, work: 'nothing', run: () => {} }
    const ready = device.createEvent()
    const ranges = mergedRanges(
      pieces.map(({ value, count }) => ({ address: addressOf(value), bytes: count * 4 })),
      1,
    )
    return {
      label,
      work: 'sum over the ranks',
      run(on) {
        device.record(ready, on)
        device.wait(exchange.stream, ready)
        exchange.reducer.sum(ranges, exchange.stream.handle as bigint)
      },
    }
  }

  /** Whether a run waits for other ranks. */
  get sums(): boolean {
    return this.exchange !== null && this.schedule.steps.some(({ kind }) => kind === 'sum')
  }

  private bindLaunch(step: Omit<LaunchStep, 'arguments' | 'touches'>, list: readonly KernelArgument[]): BoundStep {
    const { device } = this
    const kernel = device.kernel(step.kernel)
    const { grid, block, shared, label } = step
    return { label, work: step.kernel.entry, run: (on) => device.launch(kernel, { grid, block, shared }, list, on) }
  }

  private bindTable(
    step: TableStep,
    addressOf: (value: ValueId) => DeviceAddress,
    placement: Placement,
    stream: Stream,
  ): BoundStep {
    const chunks = step.rows.flatMap(({ count }, entry) =>
      Array.from({ length: Math.ceil(count / updateChunk) }, (_, i) => [entry, i * updateChunk]),
    )
    const pieces = [
      packEntries(step.rows, addressOf, placement),
      new Uint8Array(Uint32Array.from(chunks.flat()).buffer),
    ]
    const { buffer, offsets } = upload(this.device, pieces, 'the tables of state updates', stream)
    this.tables.push(buffer)
    const tables = offsets.map((offset) => ({ kind: 'address', value: buffer.address + BigInt(offset) }) as const)
    const bound = (list: readonly StepArgument[]): KernelArgument[] =>
      list.map((argument) => bindArgument(argument, addressOf))
    return this.bindLaunch(
      {
        kind: 'launch',
        label: step.label,
        kernel: { file: 'updates', entry: step.entry, defines: { CHUNK: updateChunk } },
        grid: [chunks.length, 1, 1],
        block: [256, 1],
        shared: 0,
      },
      [...bound(step.before), ...tables, ...bound(step.arguments)],
    )
  }

  close(): void {
    this.graph?.free()
    this.progress.free()
    for (const matmul of this.matmuls) matmul.free()
    for (const table of this.tables) table.free()
    this.constants?.free()
  }
}

function bindArgument(argument: StepArgument, addressOf: (value: ValueId) => DeviceAddress): KernelArgument {
  switch (argument.kind) {
    case 'value':
      return { kind: 'address', value: addressOf(argument.value) + BigInt(argument.offset) }
    case 'null':
      return { kind: 'address', value: 0n }
    case 'u32':
      return { kind: 'u32', value: argument.number }
    case 'f32':
      return { kind: 'f32', value: argument.number }
  }
}

/** `struct Entry` of updates.cu: five addresses, the count, two factors, padding: 56 bytes. */
function packEntries(
  rows: readonly UpdateRow[],
  addressOf: (value: ValueId) => DeviceAddress,
  placement: Placement,
): Uint8Array {
  const bytes = Buffer.alloc(rows.length * 56)
  for (const [i, row] of rows.entries()) {
    const base = i * 56
    for (const [k, value] of [row.target, row.source, row.first, row.second].entries()) {
      bytes.writeBigUInt64LE(value === null ? 0n : addressOf(value), base + k * 8)
    }
    bytes.writeBigUInt64LE(placement.copyOf(row.state) ?? 0n, base + 32)
    bytes.writeUInt32LE(row.count, base + 40)
    bytes.writeFloatLE(row.decayScale, base + 44)
    bytes.writeFloatLE(row.learningRateScale, base + 48)
  }
  return bytes
}

/** Puts pieces one behind the other on the device, each at a multiple of 256 bytes. Waits for the copy. */
export function upload(
  device: Device,
  pieces: readonly Uint8Array[],
  purpose: string,
  stream: Stream,
): { readonly buffer: DeviceBuffer; readonly offsets: readonly number[] } {
  const offsets: number[] = []
  let bytes = 0
  for (const piece of pieces) {
    offsets.push(bytes)
    bytes += Math.ceil(piece.length / 256) * 256
  }
  const buffer = device.allocate(bytes, purpose)
  const staging = device.allocateHost(bytes, purpose)
  for (const [i, piece] of pieces.entries()) staging.data.set(piece, offsets[i])
  if (bytes > 0) device.copyToDevice(buffer.address, staging, 0, bytes, stream)
  device.synchronize(stream)
  staging.free()
  return { buffer, offsets }
}

function describeMatmul({ rows, columns, inner, addend, epilogue }: MatmulShape): string {
  const more = [...(addend ? ['add'] : []), ...(epilogue === 'none' ? [] : [epilogue])]
  return [`[${rows}, ${inner}] x [${inner}, ${columns}]`, ...more].join(' ')
}
