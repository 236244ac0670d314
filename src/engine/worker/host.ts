import type { Program } from '../../graph/program.ts'
import { checkStateValues, collectStates, type StateShapes, stateBytes } from '../check.ts'
import type { Engine, EngineOptions, EngineSession, InputValue, MemoryUse, RunInputs, RunOutputs } from '../engine.ts'
import { ExclusiveUse } from '../exclusive.ts'
import type { EngineThread } from './engine-thread.ts'
import { IdleThreads } from './idle-threads.ts'
import type { Results } from './protocol.ts'

export interface ThreadedEngineOptions {
  /** The engine as it runs in one thread; its sessions are opened in the thread. */
  readonly engine: Engine
  /** URL of the compiled module that exports the engine (see `compiledEntry`), asked for when a session is opened. */
  readonly module: () => URL
  readonly exportName: string
}

/**
 * An engine whose sessions live in worker threads, one each, so that no run blocks the caller's event loop. Inputs are
 * copied once, unless they are in shared memory; outputs and state that is read move over without a copy. The thread of a
 * session that was closed waits some seconds for the next one.
 *
 * A thread that ends by itself makes the call under way and every later one fail with `ENGINE_DIED`. An idle session
 * does not keep the process alive.
 */
export function threadedEngine({ engine, module, exportName }: ThreadedEngineOptions): Engine {
  const threads = new IdleThreads(engine.name)
  return {
    name: engine.name,
    probe: () => engine.probe(),
    variant: () => engine.variant?.() ?? null,
    requireOptions: async (options) => engine.requireOptions?.(options),
    async open(programs, options = {}) {
      const shapes = collectStates(programs)
      const thread = threads.take({ module: module().href, exportName })
      return ThreadedSession.open(engine, { thread, threads, shapes, programs: plain(programs), options })
    },
  }
}

/** Programs hold nothing but data, though their arrays may be views of larger buffers, which would be copied whole. */
function plain(programs: readonly Program[]): readonly Program[] {
  return programs.map((program) => ({
    ...program,
    constants: program.constants.map(({ tensor, data }) => ({ tensor, data: ownCopy(data) })),
  }))
}

/** Floats that `writeState` moves at once: 8 MiB. */
const stagingLength = 2 ** 21

/**
 * Bytes of state, 64 MiB. The thread of a larger session ends with it: what JavaScript holds in it goes at once then, and the time
 * to start another thread does not count.
 */
const largestKept = 2 ** 26

interface Opening {
  readonly thread: EngineThread
  /** Where the thread goes at `close`. */
  readonly threads: IdleThreads
  readonly shapes: StateShapes
  readonly programs: readonly Program[]
  readonly options: EngineOptions
}

class ThreadedSession implements EngineSession {
  readonly engine: string
  readonly variant: string | null
  private readonly thread: EngineThread
  private readonly threads: IdleThreads
  private readonly shapes: StateShapes
  private readonly use: ExclusiveUse
  private readonly prefetches: boolean
  private readonly cancels: boolean
  private readonly reusable: boolean
  private announced: { readonly program: string; readonly inputs: RunInputs } | null = null

  private constructor({ name, variant }: Engine, { thread, threads, shapes, options }: Opening, can: Results['open']) {
    this.engine = name
    this.variant = variant?.() ?? null
    this.thread = thread
    this.threads = threads
    this.shapes = shapes
    this.use = new ExclusiveUse(`The ${name} session`)
    this.prefetches = can.prefetches
    this.cancels = can.cancels
    // The connections to other ranks end with the thread.
    this.reusable = (options.ranks?.transport ?? 'self') === 'self' && stateBytes(shapes) <= largestKept
  }

  static async open(engine: Engine, opening: Opening): Promise<ThreadedSession> {
    const { thread, programs, options } = opening
    try {
      return new ThreadedSession(engine, opening, await thread.call<'open'>({ call: 'open', programs, options }))
    } catch (error) {
      await thread.end()
      throw error
    }
  }

  run(program: string, inputs: RunInputs): Promise<RunOutputs> {
    return this.use.run(() => {
      const known = this.announced?.program === program ? this.announced.inputs : {}
      if (this.announced?.program === program) this.announced = null
      const announced = Object.keys(inputs).filter((name) => Object.hasOwn(known, name) && known[name] === inputs[name])
      const rest = Object.entries(inputs).filter(([name]) => !announced.includes(name))
      const { copies, moved } = ownCopies(Object.fromEntries(rest))
      return this.thread.call<'run'>({ call: 'run', program, inputs: copies, announced }, moved)
    })
  }

  /** Copies the inputs to the thread at once; the run that is given the same arrays then names them. */
  async prefetch(program: string, inputs: RunInputs): Promise<void> {
    this.use.requireOpen()
    if (!this.prefetches) return
    const { copies, moved } = ownCopies(inputs)
    this.announced = { program, inputs: { ...inputs } }
    await this.thread.call<'prefetch'>({ call: 'prefetch', program, inputs: copies }, moved)
  }

  /** Reaches a run only where the engine leaves the event loop of its thread free meanwhile. */
  cancel(): void {
    if (!this.cancels || this.thread.ended) return
    this.thread.call<'cancel'>({ call: 'cancel' }).catch(() => undefined) // The run itself says what has become of the thread.
  }

  readState(names?: readonly string[]): Promise<Map<string, Float32Array>> {
    return this.use.run(() => this.thread.call<'readState'>({ call: 'readState', names }))
  }

  /** In pieces through one small buffer: a large model's state should not be in memory twice more on its way. */
  writeState(values: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.use.run(async () => {
      checkStateValues(this.shapes, values)
      const lengths = [...values.values()].map(({ length }) => length)
      const total = lengths.reduce((sum, length) => sum + length, 0)
      const length = Math.max(0, ...lengths, Math.min(total, stagingLength))
      const staging = new Float32Array(new SharedArrayBuffer(4 * length))
      let piece = new Map<string, Float32Array>()
      let end = 0
      for (const [name, value] of values) {
        if (end + value.length > staging.length) {
          await this.thread.call<'writeState'>({ call: 'writeState', values: piece })
          piece = new Map()
          end = 0
        }
        const part = staging.subarray(end, end + value.length)
        part.set(value)
        piece.set(name, part)
        end += value.length
      }
      await this.thread.call<'writeState'>({ call: 'writeState', values: piece })
    })
  }

  memory(): Promise<MemoryUse> {
    return this.use.run(() => this.thread.call<'memory'>({ call: 'memory' }))
  }

  close(): Promise<void> {
    return this.use.close(async () => {
      try {
        if (!this.thread.ended) await this.thread.call<'close'>({ call: 'close' })
      } finally {
        await (this.reusable ? this.threads.give(this.thread) : this.thread.end())
      }
    })
  }
}

/** Inputs for another thread: what is not in shared memory in copies, whose memory moves there. */
function ownCopies(inputs: RunInputs): { readonly copies: RunInputs; readonly moved: ArrayBuffer[] } {
  const copies: Record<string, InputValue> = {}
  const moved: ArrayBuffer[] = []
  for (const [name, value] of Object.entries(inputs)) {
    copies[name] = value
    // Anything else is left to the checks of the session.
    if (!ArrayBuffer.isView(value) || !(value.buffer instanceof ArrayBuffer)) continue
    const copy = ownCopy(value)
    copies[name] = copy
    moved.push(copy.buffer)
  }
  return { copies, moved }
}

/** A copy in memory of its own, also of Node's Buffers, whose `slice` is a view. */
function ownCopy<T extends InputValue>(value: T): T & { readonly buffer: ArrayBuffer } {
  const type = value instanceof Float32Array ? Float32Array : value instanceof Int32Array ? Int32Array : Uint8Array
  return new type(value) as unknown as T & { readonly buffer: ArrayBuffer }
}
