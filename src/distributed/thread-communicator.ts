import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { threadOptions } from '../core/entry.ts'
import { VideoMaeError } from '../core/errors.ts'
import type { Attachment, Communicator, Json, ReduceOperation } from './communicator.ts'
import { endAtOnce, lastWords } from './end-process.ts'
import { limitStart, type StartingRank } from './start-limit.ts'
import type { CollectiveRequest, CollectiveResult, PostedRequest, Started, ThreadReply } from './thread-protocol.ts'
import { Watch } from './watch.ts'

export interface ThreadOptions extends StartingRank {
  readonly transport: 'mpi' | 'nccl'
  /** Of the thread; it calls `serveCollectives`. */
  readonly entry: URL
  /** What the thread starts with, besides `ending`. */
  readonly start: object
  /** How long one collective call may take. */
  readonly callSeconds: number
  /** How ranks end each other where the library cannot. */
  readonly line?: RankLine
}

/** What ranks tell each other besides collective calls. */
export interface RankLine {
  /** Ends the other ranks with this exit code. */
  end(exitCode: number): Promise<void>
  /** Says that this rank ends in order. */
  leave(): void
}

interface Pending {
  readonly resolve: (result: CollectiveResult | Started) => void
  readonly reject: (error: VideoMaeError) => void
}

/** Milliseconds after which a rank that the library does not end is killed, so that the launcher ends the others. */
const abortLimit = 5000

/**
 * Milliseconds in which the library lets go of the ranks, once all have said that they are done. MPICH 4.0 over TCP does not always
 * return from MPI_Finalize, in programs in C either.
 */
const leavingLimit = 5000

/** A library of collective calls in a thread of its own. */
export class ThreadCommunicator implements Communicator {
  readonly transport: 'mpi' | 'nccl'
  rank = 0
  size = 1
  library = ''
  private path = ''
  private onDevice: Started['onDevice']
  private readonly worker: Worker
  private readonly line: RankLine | undefined
  private readonly ending = new Int32Array(new SharedArrayBuffer(12))
  private readonly pending = new Map<number, Pending>()
  private posted = 0
  private readonly sums = new Int32Array(new SharedArrayBuffer(4))
  private watch: Watch | null = null
  private closing: Promise<void> | null = null

  private constructor({ transport, entry, start, line }: ThreadOptions) {
    this.transport = transport
    this.line = line
    this.worker = new Worker(entry, { workerData: { ...start, ending: this.ending }, execArgv: threadOptions() })
    this.worker.on('message', (reply: ThreadReply) => this.settle(reply))
    this.worker.on('error', (error: Error) => this.fail(error.message))
    this.worker.on('exit', (code) => this.fail(`its thread exited with code ${code}`))
  }

  /**
   * Starts the thread and waits until all ranks have started.
   *
   * @throws VideoMaeError what joining throws, e.g. `MPI_UNAVAILABLE`; `MPI_MISMATCH` where the library knows nothing of the launcher
   */
  static async open(options: ThreadOptions): Promise<ThreadCommunicator> {
    const { size, callSeconds } = options
    const opened = new ThreadCommunicator(options)
    const allCame = limitStart(options)
    try {
      const started = (await opened.answer(0)) as Started
      opened.rank = started.rank
      opened.size = started.size
      opened.library = started.version
      opened.path = started.path
      opened.onDevice = started.onDevice
    } catch (error) {
      await opened.end()
      throw error
    } finally {
      allCame()
    }
    if (size !== null && size !== opened.size) {
      const { path, library, size: found } = opened
      await opened.close()
      throw mismatch(path, library, found, size)
    }
    opened.watchFor(callSeconds)
    return opened
  }

  get attachment(): Attachment {
    const common = { library: this.path, size: this.size, sums: this.sums }
    return this.onDevice === undefined
      ? { transport: 'mpi', ...common }
      : { transport: 'nccl', ...common, ...this.onDevice }
  }

  private watchFor(seconds: number): void {
    const { rank, size, sums } = this
    const unanswered = (): number | null => [...this.pending.keys()][0] ?? null
    this.watch = new Watch({ seconds, rank, size, sums, unanswered })
  }

  nameOthers(names: string): void {
    if (this.watch !== null) this.watch.others = names
  }

  async allReduce(values: Float32Array | Float64Array, operation: ReduceOperation = 'sum'): Promise<void> {
    values.set((await this.call({ call: 'allReduce', values, operation })) as Float32Array)
  }

  async broadcast(bytes: Uint8Array, root = 0): Promise<void> {
    const received = (await this.call({ call: 'broadcast', bytes, root })) as Uint8Array
    if (this.rank !== root) bytes.set(received)
  }

  async gather(value: Json): Promise<Json[]> {
    const bytes = new TextEncoder().encode(JSON.stringify(value))
    const all = (await this.call({ call: 'gather', bytes })) as readonly Uint8Array[]
    return all.map((text) => JSON.parse(new TextDecoder().decode(text)) as Json)
  }

  async barrier(): Promise<void> {
    await this.call({ call: 'barrier' })
  }

  async abort(exitCode: number): Promise<never> {
    await pause(lastWords)
    if (this.line !== undefined) {
      await Promise.race([this.line.end(exitCode), pause(lastWords)])
      endAtOnce(exitCode)
    }
    Atomics.store(this.ending, 1, exitCode)
    Atomics.store(this.ending, 0, 1)
    this.worker.postMessage('end')
    await pause(abortLimit)
    process.kill(process.pid, 'SIGKILL')
    return new Promise<never>(() => {})
  }

  close(): Promise<void> {
    this.closing ??= this.leave()
    return this.closing
  }

  private async leave(): Promise<void> {
    const left = this.call({ call: 'close' }).then(() => true)
    const free = await Promise.race([left, this.heldForever()])
    this.line?.leave()
    if (free) return this.end()
    left.catch(() => {})
    this.watch?.stop()
    // Nothing is lost, but the thread waits in native code: whoever waits for it at the end would never end.
    this.worker.unref()
    process.once('exit', endAtOnce)
  }

  /** False, some time after the thread has begun to leave the library. */
  private async heldForever(): Promise<false> {
    const idle = (milliseconds: number): Promise<void> =>
      new Promise((resolve) => setTimeout(resolve, milliseconds).unref())
    while (Atomics.load(this.ending, 2) === 0) await idle(100)
    await idle(leavingLimit)
    return false
  }

  private async call(request: CollectiveRequest): Promise<CollectiveResult> {
    const posted: PostedRequest = { number: ++this.posted, request }
    this.worker.postMessage(posted)
    return (await this.answer(posted.number)) as CollectiveResult
  }

  private answer(number: number): Promise<CollectiveResult | Started> {
    return new Promise((resolve, reject) => this.pending.set(number, { resolve, reject }))
  }

  private settle(reply: ThreadReply): void {
    const waiting = this.pending.get(reply.number)
    this.pending.delete(reply.number)
    if (!('error' in reply)) waiting?.resolve(reply.result)
    else {
      const { message, code, hint } = reply.error
      waiting?.reject(new VideoMaeError(message, { code, exit: 'environment', hint }))
    }
  }

  private fail(reason: string): void {
    for (const { reject } of this.pending.values())
      reject(
        new VideoMaeError(`The thread of ${this.transport === 'mpi' ? 'MPI' : 'NCCL'} ended: ${reason}.`, {
          code: 'COMMUNICATION_FAILED',
          exit: 'environment',
        }),
      )
    this.pending.clear()
  }

  private async end(): Promise<void> {
    this.watch?.stop()
    const exit = once(this.worker, 'exit')
    await this.worker.terminate()
    await exit
  }
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

function mismatch(path: string, library: string, found: number, told: number): VideoMaeError {
  return new VideoMaeError(
    `Expected ${told} ranks, as the launcher says, but ${library} (${path}) reports ${found}: it is not the MPI library of the launcher.`,
    {
      code: 'MPI_MISMATCH',
      exit: 'environment',
      hint: 'Name the library of the launcher in VIDEOMAE_MPI, start with the mpirun that belongs to this library, or give srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH).',
    },
  )
}
