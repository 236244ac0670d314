import { once } from 'node:events'
import { hostname } from 'node:os'
import { Worker } from 'node:worker_threads'
import { compiledEntry } from '../../core/entry.ts'
import { VideoMaeError } from '../../core/errors.ts'
import type { Attachment, Communicator, Json, ReduceOperation } from '../communicator.ts'
import type { MpiReply, MpiRequest, MpiResult, MpiStart, MpiStarted, PostedRequest } from './protocol.ts'
import { Watch } from './watch.ts'

export interface MpiOptions {
  /** Libraries to try, in order: names, or paths. */
  readonly libraries: readonly string[]
  /** Ranks that the launcher has told; null where it has not. */
  readonly size: number | null
  /** How long to wait for the other ranks at the start. */
  readonly timeoutSeconds: number
  /** How long one collective call may take. */
  readonly callSeconds: number
}

interface Pending {
  readonly resolve: (result: MpiResult | MpiStarted) => void
  readonly reject: (error: VideoMaeError) => void
}

/** Milliseconds in which a launcher passes on what a rank has written last: its own words on the abort come behind it then. */
const lastWords = 300
/** Milliseconds after which a rank that MPI does not end is killed, so that the launcher ends the others. */
const abortLimit = 5000

/** MPI in a thread of its own. */
export class MpiCommunicator implements Communicator {
  readonly transport = 'mpi'
  rank = 0
  size = 1
  library = ''
  private path = ''
  private readonly worker: Worker
  private readonly ending = new Int32Array(new SharedArrayBuffer(8))
  private readonly pending = new Map<number, Pending>()
  private posted = 0
  private readonly sums = new Int32Array(new SharedArrayBuffer(4))
  private watch: Watch | null = null
  private closing: Promise<void> | null = null

  private constructor(libraries: readonly string[]) {
    const start: MpiStart = { libraries, ending: this.ending }
    this.worker = new Worker(compiledEntry(import.meta.url, './thread'), { workerData: start })
    this.worker.on('message', (reply: MpiReply) => this.settle(reply))
    this.worker.on('error', (error: Error) => this.fail(error.message))
    this.worker.on('exit', (code) => this.fail(`its thread exited with code ${code}`))
  }

  /**
   * Loads a library and waits until all ranks have started.
   *
   * @throws VideoMaeError `MPI_UNAVAILABLE`, `MPI_MISMATCH` where the library knows nothing of the launcher, `RANKS_MISSING`
   */
  static async open({ libraries, size, timeoutSeconds, callSeconds }: MpiOptions): Promise<MpiCommunicator> {
    const opened = new MpiCommunicator(libraries)
    const timer = setTimeout(() => quitWithout(size, timeoutSeconds), timeoutSeconds * 1000)
    try {
      const started = (await opened.answer(0)) as MpiStarted
      opened.rank = started.rank
      opened.size = started.size
      opened.library = started.version
      opened.path = started.path
    } catch (error) {
      await opened.end()
      throw error
    } finally {
      clearTimeout(timer)
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
    return { transport: 'mpi', library: this.path, size: this.size, sums: this.sums }
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
    await new Promise((resolve) => setTimeout(resolve, lastWords))
    Atomics.store(this.ending, 1, exitCode)
    Atomics.store(this.ending, 0, 1)
    this.worker.postMessage('end')
    await new Promise((resolve) => setTimeout(resolve, abortLimit))
    process.kill(process.pid, 'SIGKILL')
    return new Promise<never>(() => {})
  }

  close(): Promise<void> {
    this.closing ??= this.call({ call: 'close' }).then(() => this.end())
    return this.closing
  }

  private async call(request: MpiRequest): Promise<MpiResult> {
    const posted: PostedRequest = { number: ++this.posted, request }
    this.worker.postMessage(posted)
    return (await this.answer(posted.number)) as MpiResult
  }

  private answer(number: number): Promise<MpiResult | MpiStarted> {
    return new Promise((resolve, reject) => this.pending.set(number, { resolve, reject }))
  }

  private settle(reply: MpiReply): void {
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
        new VideoMaeError(`The thread of MPI ended: ${reason}.`, { code: 'COMMUNICATION_FAILED', exit: 'environment' }),
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

/** Ends this process: its thread waits in the library, and nothing else ends that. */
function quitWithout(size: number | null, seconds: number): void {
  const all = size === null ? 'all ranks' : `all ${size} ranks`
  const { code, message, hint } = new VideoMaeError(
    `Expected ${all} to start within ${seconds} s, but on ${hostname()} this one still waits for others.`,
    {
      code: 'RANKS_MISSING',
      exit: 'environment',
      hint: 'See whether every machine starts the command; VIDEOMAE_MPI_TIMEOUT sets another limit, in seconds.',
    },
  )
  process.stderr.write(`videomae: ${message} [${code}]\n  ${hint}\n`)
  process.kill(process.pid, 'SIGKILL')
}

function mismatch(path: string, library: string, found: number, told: number): VideoMaeError {
  return new VideoMaeError(
    `Expected ${told} ranks, as the launcher says, but ${library} (${path}) knows of ${found}: it is not the MPI of the launcher.`,
    {
      code: 'MPI_MISMATCH',
      exit: 'environment',
      hint: 'Name the library of the launcher in VIDEOMAE_MPI, start with the mpirun that belongs to this library, or give srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH).',
    },
  )
}
