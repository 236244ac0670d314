import { EngineThread } from './engine-thread.ts'
import type { ThreadStart } from './protocol.ts'

/** How many threads of an engine wait for the next session: as many as two sessions in turns need. */
const mostIdle = 2
/** How long a thread waits, milliseconds. */
const patience = 5_000

interface Idle {
  readonly thread: EngineThread
  readonly key: string
  readonly timer: NodeJS.Timeout
}

/**
 * Threads of one engine whose session was closed, for the sessions that are opened next. To start a thread and to load an engine
 * in it takes a third of a second of processor time, and a command opens several sessions one after the other. Idle threads do not
 * keep the program running.
 */
export class IdleThreads {
  private readonly engine: string
  private idle: readonly Idle[] = []
  /** What each thread that is in use was started for. */
  private readonly keys = new WeakMap<EngineThread, string>()

  /** @param engine its name, for messages */
  constructor(engine: string) {
    this.engine = engine
  }

  /** A thread that waits, or a new one. */
  take(start: ThreadStart): EngineThread {
    const key = keyOf(start)
    const fit = this.idle.find((idle) => idle.key === key && !idle.thread.ended)
    if (fit !== undefined) {
      clearTimeout(fit.timer)
      this.idle = this.idle.filter((idle) => idle !== fit)
      return fit.thread
    }
    const thread = new EngineThread(this.engine, start)
    this.keys.set(thread, key)
    return thread
  }

  /** Keeps a thread without a session; ends it and waits for its end where it failed at something or enough of them wait. */
  async give(thread: EngineThread): Promise<void> {
    this.idle = this.idle.filter((idle) => !idle.thread.ended)
    const key = this.keys.get(thread)
    if (key === undefined || !thread.sound || this.idle.length >= mostIdle) return thread.end()
    const timer = setTimeout(() => {
      this.idle = this.idle.filter((idle) => idle.thread !== thread)
      void thread.end()
    }, patience)
    timer.unref()
    this.idle = [...this.idle, { thread, key, timer }]
  }
}

/** A thread has its own copy of the variables, from when it was started. */
const keyOf = (start: ThreadStart): string => JSON.stringify([start, Object.entries(process.env).sort()])
