import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { compiledEntry, threadOptions } from '../../core/entry.ts'
import { VideoMaeError } from '../../core/errors.ts'
import { type Posted, type Reply, type Request, type Results, reviveError, type ThreadStart } from './protocol.ts'

interface Pending {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: VideoMaeError) => void
}

/**
 * A worker thread with an engine in it, as its sessions see it. A thread that ends by itself makes the calls under way and every
 * later one fail with `ENGINE_DIED`. A thread without a call under way does not keep the process alive.
 */
export class EngineThread {
  private readonly engine: string
  private readonly worker: Worker
  private readonly pending = new Map<number, Pending>()
  private posted = 0
  private refused = false
  private death: VideoMaeError | null = null

  /** @param engine its name, for messages */
  constructor(engine: string, start: ThreadStart) {
    this.engine = engine
    this.worker = new Worker(compiledEntry(import.meta.url, './thread'), {
      workerData: start,
      execArgv: threadOptions(),
    })
    this.worker.on('message', (reply: Reply) => {
      this.pending.get(reply.number)?.resolve(reply)
      this.pending.delete(reply.number)
      if (this.pending.size === 0) this.worker.unref()
    })
    this.worker.on('error', (cause: Error) => this.fail(cause.message, cause))
    this.worker.on('messageerror', (cause) => this.fail(cause.message, cause))
    this.worker.on('exit', (code) => this.fail(`it exited with code ${code}`))
  }

  get ended(): boolean {
    return this.death !== null
  }

  /** Whether it can serve another session: every call so far has been answered, and none with an error. */
  get sound(): boolean {
    return !this.ended && !this.refused && this.pending.size === 0
  }

  /** @param moved memory that goes to the thread instead of being copied */
  async call<K extends keyof Results>(request: Request, moved: ArrayBuffer[] = []): Promise<Results[K]> {
    if (this.death !== null) throw this.death
    this.posted++
    const posted: Posted = { number: this.posted, request }
    this.worker.postMessage(posted, moved)
    this.worker.ref()
    const reply = await new Promise<Reply>((resolve, reject) => this.pending.set(posted.number, { resolve, reject }))
    if ('error' in reply) {
      this.refused = true
      throw reviveError(reply.error)
    }
    return reply.result as Results[K]
  }

  /** Waits for its end. */
  async end(): Promise<void> {
    this.worker.ref()
    if (this.worker.threadId === -1) return
    const exit = once(this.worker, 'exit')
    await this.worker.terminate()
    await exit
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
}
