import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { compiledEntry } from '../../core/entry.ts'
import { VideoMaeError } from '../../core/errors.ts'
import type { Program } from '../../graph/program.ts'
import { checkStateValues, collectStates, type StateShapes } from '../check.ts'
import type { Engine, EngineSession, InputValue, MemoryUse, RunInputs, RunOutputs } from '../engine.ts'
import { ExclusiveUse } from '../exclusive.ts'
import { type Posted, type Reply, type Request, type Results, reviveError, type ThreadStart } from './protocol.ts'

export interface ThreadedEngineOptions {
  /** The engine as it runs in one thread; only its name and its probe are used here. */
  readonly engine: Engine
  /** URL of the compiled module that exports the engine (see `compiledEntry`), asked for when a session is opened. */
  readonly module: () => URL
  readonly exportName: string
}

/**
 * An engine whose sessions live in worker threads, one each, so that no run blocks the caller's event loop. Inputs are
 * copied once, unless they lie in shared memory; outputs and state that is read move over without a copy.
 *
 * A thread that ends by itself makes the call under way and every later one fail with `ENGINE_DIED`. An idle session
 * does not keep the process alive.
 */
export function threadedEngine({ engine, module, exportName }: ThreadedEngineOptions): Engine {
  return {
    name: engine.name,
    probe: () => engine.probe(),
    variant: () => engine.variant?.() ?? null,
    async open(programs, options = {}) {
      const start: ThreadStart = { module: module().href, exportName, programs: plain(programs), options }
      return ThreadedSession.open(engine, start, collectStates(programs))
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

interface Pending {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: VideoMaeError) => void
}

class ThreadedSession implements EngineSession {
  readonly engine: string
  readonly variant: string | null
  private readonly worker: Worker
  private readonly shapes: StateShapes
  private readonly use: ExclusiveUse
  private readonly pending = new Map<number, Pending>()
  private posted = 0
  private prefetches = false
  private cancels = false
  private announced: { readonly program: string; readonly inputs: RunInputs } | null = null
  private death: VideoMaeError | null = null

  private constructor({ name, variant }: Engine, worker: Worker, shapes: StateShapes) {
    this.engine = name
    this.variant = variant?.() ?? null
    this.shapes = shapes
    this.worker = worker
    this.use = new ExclusiveUse(`The ${name} session`)
    worker.on('message', (reply: Reply) => {
      this.pending.get(reply.number)?.resolve(reply)
      this.pending.delete(reply.number)
      if (this.pending.size === 0) worker.unref()
    })
    worker.on('error', (cause: Error) => this.fail(cause.message, cause))
    worker.on('messageerror', (cause) => this.fail(cause.message, cause))
    worker.on('exit', (code) => this.fail(`it exited with code ${code}`))
  }

  static async open(engine: Engine, start: ThreadStart, shapes: StateShapes): Promise<ThreadedSession> {
    const worker = new Worker(compiledEntry(import.meta.url, './thread'), { workerData: start })
    const session = new ThreadedSession(engine, worker, shapes)
    try {
      const { prefetches, cancels } = await session.answer<'open'>(0)
      session.prefetches = prefetches
      session.cancels = cancels
    } catch (error) {
      await session.end()
      throw error
    }
    return session
  }

  run(program: string, inputs: RunInputs): Promise<RunOutputs> {
    return this.use.run(() => {
      const known = this.announced?.program === program ? this.announced.inputs : {}
      if (this.announced?.program === program) this.announced = null
      const announced = Object.keys(inputs).filter((name) => Object.hasOwn(known, name) && known[name] === inputs[name])
      const rest = Object.entries(inputs).filter(([name]) => !announced.includes(name))
      const { copies, moved } = ownCopies(Object.fromEntries(rest))
      return this.call<'run'>({ call: 'run', program, inputs: copies, announced }, moved)
    })
  }

  /** Copies the inputs to the thread at once; the run that is given the same arrays then names them. */
  async prefetch(program: string, inputs: RunInputs): Promise<void> {
    this.use.requireOpen()
    if (!this.prefetches) return
    const { copies, moved } = ownCopies(inputs)
    this.announced = { program, inputs: { ...inputs } }
    await this.call<'prefetch'>({ call: 'prefetch', program, inputs: copies }, moved)
  }

  /** Reaches a run only where the engine leaves the event loop of its thread free meanwhile. */
  cancel(): void {
    if (!this.cancels || this.death !== null) return
    this.call<'cancel'>({ call: 'cancel' }).catch(() => undefined) // The run itself says what has become of the thread.
  }

  readState(names?: readonly string[]): Promise<Map<string, Float32Array>> {
    return this.use.run(() => this.call<'readState'>({ call: 'readState', names }))
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
          await this.call<'writeState'>({ call: 'writeState', values: piece })
          piece = new Map()
          end = 0
        }
        const part = staging.subarray(end, end + value.length)
        part.set(value)
        piece.set(name, part)
        end += value.length
      }
      await this.call<'writeState'>({ call: 'writeState', values: piece })
    })
  }

  memory(): Promise<MemoryUse> {
    return this.use.run(() => this.call<'memory'>({ call: 'memory' }))
  }

  close(): Promise<void> {
    return this.use.close(async () => {
      if (this.death === null) await this.call<'close'>({ call: 'close' })
      await this.end()
    })
  }

  private async call<K extends keyof Results>(request: Request, moved: ArrayBuffer[] = []): Promise<Results[K]> {
    if (this.death !== null) throw this.death
    this.posted++
    const posted: Posted = { number: this.posted, request }
    this.worker.postMessage(posted, moved)
    return this.answer<K>(posted.number)
  }

  private async answer<K extends keyof Results>(number: number): Promise<Results[K]> {
    if (this.death !== null) throw this.death
    this.worker.ref()
    const reply = await new Promise<Reply>((resolve, reject) => this.pending.set(number, { resolve, reject }))
    if ('error' in reply) throw reviveError(reply.error)
    return reply.result as Results[K]
  }

  private fail(reason: string, cause?: Error): void {
    this.death ??= new VideoMaeError(`The thread of the ${this.engine} engine ended: ${reason}.`, {
      code: 'ENGINE_DIED',
      exit: 'environment',
      hint: 'Its state is lost. Open a new session and load the last checkpoint; if memory ran out, use a smaller batch.',
      cause,
    })
    for (const { reject } of this.pending.values()) reject(this.death)
    this.pending.clear()
  }

  private async end(): Promise<void> {
    this.worker.ref()
    if (this.worker.threadId === -1) return
    const exit = once(this.worker, 'exit')
    await this.worker.terminate()
    await exit
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
