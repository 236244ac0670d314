import { Worker } from 'node:worker_threads'
import { compiledEntry, threadOptions } from '../../../core/entry.ts'
import { VideoMaeError } from '../../../core/errors.ts'
import type { WasmMemory, WasmModule } from '../../../numeric/wasm/webassembly.ts'
import { compileUpdateKernels, instantiateUpdateKernels, type UpdateKernels } from './kernels.ts'
import { type BlockTable, fieldsPerBlock } from './plan.ts'

/** What a phase does with every block. */
export const phases = { sumSquares: 0, adamw: 1, combine: 2 } as const
export type Phase = keyof typeof phases

/** Indices into the control block. */
const slots = { wake: 0, claim: 1, done: 2, kind: 3, table: 4, generation: 5, stop: 6, failed: 7 } as const
/** A claim is the phase's generation (12 bits) and the number of a block (20 bits). */
const claimBits = 20
const claimMask = (1 << claimBits) - 1
const scalarCount = 16

/** Everything a helper thread starts with; it survives being posted. */
export interface PoolShare {
  readonly module: WasmModule
  readonly memories: readonly WasmMemory[]
  readonly tables: readonly BlockTable[]
  readonly control: Int32Array
  /** Numbers that hold for a whole phase. */
  readonly scalars: Float64Array
  /** One sum per block. */
  readonly partials: Float64Array
}

/** Works off blocks until none is left in the current phase; every thread calls this. */
export class PoolMember {
  private readonly share: PoolShare
  private readonly kernels: readonly UpdateKernels[]

  constructor(share: PoolShare) {
    this.share = share
    this.kernels = share.memories.map((memory) => instantiateUpdateKernels(share.module, memory))
  }

  work(): void {
    const { control, tables } = this.share
    for (;;) {
      const claim = Atomics.add(control, slots.claim, 1)
      const table = tables[Atomics.load(control, slots.table)]
      const kind = Atomics.load(control, slots.kind)
      // A phase begins with its generation. So where that is still the claim's, what was read above belongs to the
      // claim's phase; and a phase with a block claimed and not done does not end.
      if (claim >>> claimBits !== Atomics.load(control, slots.generation)) return
      const block = claim & claimMask
      if (block >= table.count) return
      this.process(kind, table, block)
      if (Atomics.add(control, slots.done, 1) + 1 === table.count) Atomics.notify(control, slots.done)
    }
  }

  /** The life of a helper thread: sleeps between phases. */
  serve(): void {
    const { control } = this.share
    let seen = 0
    while (Atomics.load(control, slots.stop) === 0) {
      Atomics.wait(control, slots.wake, seen)
      seen = Atomics.load(control, slots.wake)
      try {
        this.work()
      } catch {
        Atomics.store(control, slots.failed, 1)
        Atomics.notify(control, slots.done)
        return
      }
    }
  }

  private process(kind: number, { fields, factors }: BlockTable, block: number): void {
    const { scalars, partials } = this.share
    const at = block * fieldsPerBlock
    const [memory, a, b, c, d, bytes] = fields.subarray(at, at + fieldsPerBlock)
    const kernels = this.kernels[memory]
    if (kind === phases.sumSquares) partials[block] = kernels.sumSquares(b, bytes)
    else if (kind === phases.combine) kernels.combine(a, b, bytes, scalars[0], scalars[1])
    else {
      const [scale, beta1, beta2, learningRate, weightDecay, correction1, correction2, epsilon] = scalars
      const rate = learningRate * factors[2 * block + 1]
      const keep = 1 - rate * weightDecay * factors[2 * block]
      const step = rate / correction1
      kernels.adamw(a, b, c, d, bytes, scale, beta1, 1 - beta1, beta2, 1 - beta2, keep, step, 1 / correction2, epsilon)
    }
  }
}

/**
 * Threads that share the blocks of an update. Which thread does a block makes no difference to any result; the caller's
 * thread works too, so a helper that is slow to wake costs nothing.
 */
export class UpdatePool {
  private readonly share: PoolShare
  private readonly member: PoolMember
  private readonly helpers: Worker[] = []

  /** @param threads threads in all; helpers start from compiled files (see `compiledEntry`) */
  constructor(memories: readonly WasmMemory[], tables: readonly BlockTable[], threads: number) {
    const blocks = Math.max(1, ...tables.map(({ count }) => count))
    if (blocks > claimMask - 1024) {
      throw new VideoMaeError(`Expected at most ${claimMask - 1024} blocks in an update, but received ${blocks}.`, {
        code: 'PROGRAM_UNSUPPORTED',
      })
    }
    this.share = {
      module: compileUpdateKernels(),
      memories,
      tables,
      control: new Int32Array(new SharedArrayBuffer(4 * 16)),
      scalars: new Float64Array(new SharedArrayBuffer(8 * scalarCount)),
      partials: new Float64Array(new SharedArrayBuffer(8 * blocks)),
    }
    this.member = new PoolMember(this.share)
    for (let i = 1; i < threads; i++) {
      const helper = new Worker(compiledEntry(import.meta.url, './pool-thread'), {
        workerData: this.share,
        execArgv: threadOptions(),
      })
      helper.unref()
      // A helper that dies idle leaves its blocks to the others.
      helper.on('error', () => undefined)
      this.helpers.push(helper)
    }
  }

  /** Runs one phase over a table; blocks this thread until all of it is done. */
  run(phase: Phase, table: number, scalars: readonly number[]): void {
    const { control, tables } = this.share
    const { count } = tables[table]
    if (count === 0) return
    const generation = (Atomics.load(control, slots.generation) + 1) % 2048
    Atomics.store(control, slots.generation, generation)
    Atomics.store(control, slots.kind, phases[phase])
    Atomics.store(control, slots.table, table)
    Atomics.store(control, slots.done, 0)
    this.share.scalars.set(scalars)
    Atomics.store(control, slots.claim, generation << claimBits)
    if (this.helpers.length > 0 && count > 1) {
      Atomics.add(control, slots.wake, 1)
      Atomics.notify(control, slots.wake)
    }
    this.member.work()
    for (let done = Atomics.load(control, slots.done); done < count; done = Atomics.load(control, slots.done)) {
      if (Atomics.load(control, slots.failed) !== 0) {
        throw new VideoMaeError('An update thread failed in the middle of an update.', { code: 'ENGINE_FAILED' })
      }
      Atomics.wait(control, slots.done, done, 1000)
    }
  }

  /** Partial sums of the last `sumSquares` phase over `table`, added up in order. */
  sum(table: number): number {
    let sum = 0
    for (let i = 0; i < this.share.tables[table].count; i++) sum += this.share.partials[i]
    return sum
  }

  async close(): Promise<void> {
    const { control } = this.share
    Atomics.store(control, slots.stop, 1)
    Atomics.add(control, slots.wake, 1)
    Atomics.notify(control, slots.wake)
    await Promise.all(this.helpers.map((helper) => helper.terminate()))
  }
}
