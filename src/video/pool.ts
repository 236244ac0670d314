import { availableParallelism } from 'node:os'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { type ClipRequest, type ClipResult, clipBytes } from './clip.ts'
import { defaultTimeoutSeconds } from './limits.ts'
import { DecodeProcess, type ProcessEnd } from './pool-process.ts'
import type { Failure, ProcessSettings } from './protocol.ts'

export type ClipOutcome =
  | { readonly ok: true; readonly result: ClipResult; readonly clips: Uint8Array }
  | { readonly ok: false; readonly failure: Failure }

/** Whatever answers requests for clips: the processes below, or a store of decoded frames. */
export type ClipReader = Pick<DecodePool, 'read' | 'restarts' | 'processIds' | 'close'>

interface Job {
  readonly request: ClipRequest
  readonly target: Uint8Array
  readonly resolve: (outcome: ClipOutcome) => void
  readonly reject: (error: unknown) => void
  failures: number
}

export interface PoolOptions extends ProcessSettings {
  /** Number of decoding processes. Default: one per core. */
  readonly workers?: number
  /** Seconds one request may take. Default 60. */
  readonly timeoutSeconds?: number
  /** Largest answer in bytes. */
  readonly slotBytes: number
  /** Most requests that are open at the same time: more processes would only lie idle. Default: any number. */
  readonly mostRequests?: number
}

/** Processes that end so often with nothing answered in between are no matter of the files. */
const maxBarrenStarts = 3

/**
 * Decoding processes that answer clip requests. Every request is answered: with clips, or, after it failed twice (an error, a crash, a timeout), with the
 * failure. A process that crashes or hangs is replaced; requests that merely waited in it go to another one and are not counted as failed. Where the
 * machine is at fault, no request is: it is made again, until it is clear that the trouble stays.
 */
export class DecodePool {
  private readonly options: PoolOptions
  private readonly processes = new Set<DecodeProcess<Job>>()
  private readonly waiting: Job[] = []
  private barrenStarts = 0
  private broken: unknown
  private closing: Promise<void> | undefined
  /** How many processes were replaced. */
  restarts = 0

  /** @throws VideoMaeError `INVALID_ARGUMENT` for workers that are no positive integer, `DECODER_RESOURCES` when a process cannot be given room */
  constructor(options: PoolOptions) {
    this.options = options
    const { workers = availableParallelism(), mostRequests = Number.POSITIVE_INFINITY } = options
    if (!Number.isInteger(workers) || workers < 1) throw invalidArgument('workers', 'a positive integer', workers)
    try {
      for (let i = 0; i < Math.min(workers, mostRequests); i++) this.start()
    } catch (error) {
      void this.close(error) // Nobody gets a pool that could be closed.
      throw error
    }
  }

  /**
   * @param target receives the clips; not to be touched until the promise settles
   * @throws VideoMaeError `DECODER_MISSING`, `LOADER_CLOSED`, `DECODER_PROCESS_FAILED` or `DECODER_RESOURCES`: no request can be answered any more
   */
  read(request: ClipRequest, target: Uint8Array = new Uint8Array(clipBytes(request))): Promise<ClipOutcome> {
    if (this.broken !== undefined) return Promise.reject(this.broken)
    return new Promise((resolve, reject) => {
      this.waiting.push({ request, target, resolve, reject, failures: 0 })
      this.hand()
    })
  }

  /** Identifiers of the processes that are up. */
  processIds(): number[] {
    return [...this.processes].flatMap((p) => (p.pid === undefined ? [] : [p.pid]))
  }

  get size(): number {
    return this.processes.size
  }

  /** Ends all processes and waits for their end, also when called again. @param reason what requests still open are rejected with */
  close(reason?: unknown): Promise<void> {
    this.closing ??= Promise.all([...this.processes].map((p) => p.kill())).then(() => undefined)
    this.fail(
      reason ?? new VideoMaeError('The video loader was closed.', { code: 'LOADER_CLOSED', exit: 'interrupted' }),
    )
    return this.closing
  }

  private start(): void {
    const timeoutSeconds = this.options.timeoutSeconds ?? defaultTimeoutSeconds
    const process = new DecodeProcess<Job>(
      // A program that the process runs must end before the process itself is stopped.
      { decoder: this.options.decoder, limits: { timeoutSeconds: 0.9 * timeoutSeconds, ...this.options.limits } },
      { slotBytes: this.options.slotBytes, timeoutSeconds },
      {
        free: () => this.hand(),
        done: (job, result, read) => {
          this.barrenStarts = 0
          read(job.target).then(() => job.resolve({ ok: true, result, clips: job.target }), job.reject)
        },
        failed: (job, failure) => {
          this.barrenStarts = 0
          this.retry(job, failure)
        },
        ended: (end) => this.replace(process, end),
      },
    )
    this.processes.add(process)
  }

  private replace(process: DecodeProcess<Job>, end: ProcessEnd<Job>): void {
    this.processes.delete(process)
    if (this.closing !== undefined || this.broken !== undefined) return
    this.waiting.unshift(...end.untouched)
    if (end.unable !== undefined && (!end.ready || ++this.barrenStarts > maxBarrenStarts)) {
      this.fail(
        new VideoMaeError(end.unable.reason, { code: end.unable.code, exit: 'environment', hint: end.unable.hint }),
      )
      return
    }
    this.restarts++
    if (end.current !== undefined) this.retry(end.current.job, end.current.failure)
    else if (!end.ready && ++this.barrenStarts > maxBarrenStarts) {
      this.fail(
        new VideoMaeError(`Decoding processes end as soon as they start (${end.how}).`, {
          code: 'DECODER_PROCESS_FAILED',
          exit: 'environment',
          hint: 'Run `videomae doctor`; when memory is short, lower --workers.',
        }),
      )
      return
    }
    try {
      this.start()
    } catch (error) {
      this.fail(error)
    }
    this.hand()
  }

  private retry(job: Job, failure: Failure): void {
    job.failures++
    if (job.failures < 2) {
      this.waiting.unshift(job)
      this.hand()
    } else job.resolve({ ok: false, failure })
  }

  private hand(): void {
    if (this.broken !== undefined) return
    // The emptiest process first, so that no request waits behind another while a process is idle.
    for (let depth = 0; depth < DecodeProcess.depth; depth++) {
      for (const process of this.processes) {
        if (this.waiting.length === 0) return
        if (process.load === depth) process.take(this.waiting.shift()!)
      }
    }
  }

  private fail(error: unknown): void {
    this.broken ??= error
    for (const job of this.waiting.splice(0)) job.reject(error)
    for (const process of this.processes) for (const job of process.abandon()) job.reject(error)
  }
}
