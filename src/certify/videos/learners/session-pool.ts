/**
 * Sessions of an engine that serve one learner after another: opening one compiles its programs and starts a thread, which
 * takes longer than many small learners train. A learner gets a session of exactly its own programs, with a state of zeros
 * as in a new one, so that it cannot tell which others were there before.
 */

import { collectStates, type StateShapes } from '../../../engine/check.ts'
import type { Engine, EngineOptions, EngineSession, RunInputs } from '../../../engine/engine.ts'
import { ExclusiveUse } from '../../../engine/exclusive.ts'
import { bytesOf } from '../../../format/file-bytes.ts'
import type { Program } from '../../../graph/program.ts'
import { elementCount } from '../../../graph/program.ts'
import { sha256 } from '../../ensemble/hash.ts'

/** Sessions kept open that nobody uses; the oldest goes first. Their shapes follow from the sizes of learners. */
const idleMost = 8

interface Opened {
  readonly key: string
  readonly session: EngineSession
  readonly shapes: StateShapes
}

/** Engine sessions that one learner after another uses. Close it at the end. */
export class SessionPool {
  private idle: Opened[] = []
  private closed = false

  /** The engine, with sessions of this pool. */
  engine(engine: Engine): Engine {
    return {
      name: engine.name,
      probe: () => engine.probe(),
      variant: () => engine.variant?.() ?? null,
      open: async (programs, options = {}) => this.lease(await this.opened(engine, programs, options)),
    }
  }

  /** Closes what nobody uses, and everything else as soon as it is given back. */
  async close(): Promise<void> {
    this.closed = true
    const { idle } = this
    this.idle = []
    await Promise.all(idle.map(({ session }) => session.close()))
  }

  private async opened(engine: Engine, programs: readonly Program[], options: EngineOptions): Promise<Opened> {
    const key = keyOf(engine, programs, options)
    const at = this.idle.findIndex((other) => other.key === key)
    if (at < 0) return { key, shapes: collectStates(programs), session: await engine.open(programs, options) }
    const [known] = this.idle.splice(at, 1)
    try {
      await known.session.writeState(zeros(known.shapes))
    } catch (error) {
      await known.session.close() // It is neither lent nor idle: nobody else would.
      throw error
    }
    return known
  }

  private lease(opened: Opened): EngineSession {
    return new Lease(opened.session, async (whole) => {
      if (!whole || this.closed) return opened.session.close()
      this.idle.push(opened)
      if (this.idle.length > idleMost) await this.idle.shift()?.session.close()
    })
  }
}

/** A session until it is closed: then it is given back. */
class Lease implements EngineSession {
  readonly engine: string
  readonly variant: string | null
  readonly prefetch?: EngineSession['prefetch']
  readonly cancel?: EngineSession['cancel']
  private readonly session: EngineSession
  private readonly giveBack: (whole: boolean) => Promise<void>
  private readonly use: ExclusiveUse
  /** False once a call has failed: nobody knows what that left behind. */
  private whole = true

  constructor(session: EngineSession, giveBack: (whole: boolean) => Promise<void>) {
    this.session = session
    this.giveBack = giveBack
    this.engine = session.engine
    this.variant = session.variant ?? null
    this.use = new ExclusiveUse(`The ${session.engine} session`)
    if (session.prefetch !== undefined)
      this.prefetch = async (program, inputs) => {
        this.use.requireOpen()
        await session.prefetch?.(program, inputs)
      }
    if (session.cancel !== undefined) this.cancel = () => session.cancel?.()
  }

  run(program: string, inputs: RunInputs) {
    return this.call(() => this.session.run(program, inputs))
  }

  readState(names?: readonly string[]) {
    return this.call(() => this.session.readState(names))
  }

  writeState(values: ReadonlyMap<string, Float32Array>) {
    return this.call(() => this.session.writeState(values))
  }

  memory() {
    return this.call(() => this.session.memory())
  }

  close(): Promise<void> {
    return this.use.close(() => this.giveBack(this.whole))
  }

  private call<T>(work: () => Promise<T>): Promise<T> {
    return this.use.run(async () => {
      try {
        return await work()
      } catch (error) {
        this.whole = false
        throw error
      }
    })
  }
}

/**
 * Programs and options are plain data, and all there is to a session but its state. Equal data has one key: `v8.serialize` may
 * give it several: it writes whole numbers as V8 happens to hold them in an array.
 */
function keyOf(engine: Engine, programs: readonly Program[], options: EngineOptions): string {
  const text = JSON.stringify([engine.name, programs, options], (_, value: unknown) => {
    if (ArrayBuffer.isView(value)) return [Object.prototype.toString.call(value), sha256(bytesOf(value))]
    // JSON has no text of its own for these.
    if (Object.is(value, -0)) return ['number', '-0']
    if (typeof value === 'number' && !Number.isFinite(value)) return ['number', String(value)]
    return value
  })
  return sha256(text)
}

function zeros(shapes: StateShapes): Map<string, Float32Array> {
  return new Map([...shapes].map(([name, shape]) => [name, new Float32Array(elementCount(shape))]))
}
