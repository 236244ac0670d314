import { availableParallelism } from 'node:os'
import { requireCount } from '../core/counts.ts'
import { VideoMaeError } from '../core/errors.ts'
import { type ClipRequest, type ClipResult, clipBytes } from './clip.ts'
import type { EncodedVideo, EncodeRequest } from './encode-video.ts'
import type { IdleProcesses } from './idle-processes.ts'
import { defaultTimeoutSeconds } from './limits.ts'
import { PoolGrowth } from './pool-growth.ts'
import { DecodeProcess, type Listener, type ProcessEnd } from './pool-process.ts'
import type { Failure, ProcessSettings } from './protocol.ts'

/** Clips with their pixels, or why there are none. */
export type ClipOutcome =
  | {
      /** Tells it from a request that failed. */
      readonly ok: true
      /** How the clips were made. */
      readonly result: ClipResult
      /** uint8 [clips, T, H, W, 3]. */
      readonly clips: Uint8Array
    }
  | {
      /** Tells it from clips that were read. */
      readonly ok: false
      /** What went wrong. */
      readonly failure: Failure
    }

export type EncodeOutcome =
  | { readonly ok: true; readonly result: EncodedVideo }
  | { readonly ok: false; readonly failure: Failure }

/** Whatever answers requests for clips: the processes below, or a store of decoded frames. */
export type ClipReader = Pick<DecodePool, 'read' | 'restarts' | 'processIds' | 'close'>

interface Job {
  readonly request: ClipRequest | EncodeRequest
  /** One of the two is called where it is answered, by the kind of the request. */
  readonly done?: (result: ClipResult, read: (target: Uint8Array) => Promise<void>) => void
  readonly encoded?: (result: EncodedVideo) => void
  /** It failed for good. */
  readonly failed: (failure: Failure) => void
  readonly reject: (error: unknown) => void
  failures: number
  /** How often what decoded it was ended from outside. */
  kills: number
  patience: number
  /** How often the machine refused it something although it let other requests through in between. */
  refusals: number
  /** How many requests had been answered when the last of these was counted. */
  answeredThen: number
}

/** Where processes run, one after the other. */
interface Slot {
  /** Processes in a row that ended without an answer for want of something that the machine refused. */
  misses: number
  /** Until the next process starts. */
  pause?: NodeJS.Timeout
}

export interface DecodePoolOptions extends ProcessSettings {
  /** Number of decoding processes. Default: one per core. */
  readonly workers?: number
  /** Starts with one process, and with more as `PoolGrowth` finds that they pay. Default: all are started at once. */
  readonly growing?: boolean
  /** Processor seconds one request may use; tried again, it may use `patience` times as much. Default 60. */
  readonly timeoutSeconds?: number
  /** Largest answer in bytes. */
  readonly slotBytes: number
  /** Idle processes to begin with, and where those of this pool go in the end. */
  readonly processes?: IdleProcesses
  /** Most requests that are open at the same time: more processes would only be idle. Default: any number. */
  readonly mostRequests?: number
  /** Closes the pool: requests that are open then, or made later, are rejected with its reason. */
  readonly signal?: AbortSignal
}

/** Refusals of the machine that are taken for passing trouble, of a slot and of a request. */
const passing = 3
/** What a request may use the second time that it could not use the first time. A video is called bad only after that. */
export const patience = 4
/** Milliseconds before a process is started again, doubled with each miss, and the most. */
const [firstPause, longestPause] = [200, 30_000]

/**
 * Decoding processes that answer clip requests. Every request is answered: with clips, or, after it failed twice (an error, a crash, a timeout) or was ended from
 * outside four times, with the failure. A process that crashes or hangs is replaced; requests that merely waited in it go to another one and are not counted as failed. Where the
 * machine is at fault, no request is: it is made again, until it is clear that the trouble stays.
 *
 * It stays where every slot that was started has missed more than `passing` times in a row and no process is left: trouble that all of them see together, or a
 * machine that lets fewer of them live than were asked for, ends nothing. What is refused to one request again and again while others are answered
 * ends that request alone: in a slot its refusals would never add up.
 */
export class DecodePool {
  private readonly options: DecodePoolOptions
  private readonly slots: Slot[] = []
  /** How many more processes may be started. */
  private unstarted: number
  private readonly growth = new PoolGrowth(() => this.grow())
  /** The oldest first. */
  private readonly running = new Map<Slot, DecodeProcess<Job>>()
  private readonly waiting: Job[] = []
  /** Jobs that begin again after a pause. */
  private readonly resting = new Map<Job, NodeJS.Timeout>()
  private answered = 0
  private broken: unknown
  private closing: Promise<void> | undefined
  private readonly stop = (): void => void this.close(this.options.signal?.reason)
  /** How many processes were replaced. */
  restarts = 0

  /** @throws VideoMaeError `INVALID_ARGUMENT` for workers that are no positive integer, `DECODER_RESOURCES` when no process can be given room */
  constructor(options: DecodePoolOptions) {
    this.options = options
    const {
      workers = availableParallelism(),
      mostRequests = Number.POSITIVE_INFINITY,
      growing = false,
      signal,
    } = options
    requireCount('workers', workers)
    this.unstarted = Math.min(workers, mostRequests)
    if (signal?.aborted === true) this.stop()
    else {
      if (this.unstarted > 0) this.startSlots(growing ? 1 : this.unstarted)
      signal?.addEventListener('abort', this.stop, { once: true })
    }
  }

  /**
   * @param target receives the clips; not to be touched until the promise settles
   * @throws VideoMaeError `DECODER_MISSING`, `LOADER_CLOSED`, `DECODER_PROCESS_FAILED` or `DECODER_RESOURCES`: the machine or the caller is at
   *   fault, not the video
   */
  read(request: ClipRequest, target: Uint8Array = new Uint8Array(clipBytes(request))): Promise<ClipOutcome> {
    return new Promise((resolve, reject) => {
      this.submit({
        request,
        done: (result, read) => {
          read(target).then(() => resolve({ ok: true, result, clips: target }), reject)
        },
        failed: (failure) => resolve({ ok: false, failure }),
        reject,
      })
    })
  }

  /**
   * Writes the file that the request names. One that fails leaves a file that is not whole, or none.
   *
   * @throws VideoMaeError as `read`
   */
  encode(request: EncodeRequest): Promise<EncodeOutcome> {
    return new Promise((resolve, reject) => {
      this.submit({
        request,
        encoded: (result) => resolve({ ok: true, result }),
        failed: (failure) => resolve({ ok: false, failure }),
        reject,
      })
    })
  }

  /** Identifiers of the processes that are up. */
  processIds(): number[] {
    return [...this.running.values()].flatMap((p) => (p.pid === undefined ? [] : [p.pid]))
  }

  private get timeoutSeconds(): number {
    return this.options.timeoutSeconds ?? defaultTimeoutSeconds
  }

  /** The process is stopped together with a program that it runs: the program's own limit is for those who use a decoder without a pool. */
  private get settings(): ProcessSettings {
    const { decoder, limits } = this.options
    return { decoder, limits: { timeoutSeconds: patience * this.timeoutSeconds, ...limits } }
  }

  /** How many processes there are, or would be if the machine let them. */
  get size(): number {
    return this.slots.length + this.unstarted
  }

  /**
   * Ends all processes and waits for their end, also when called again. Those that have nothing to do are kept where `processes` keeps
   * them.
   *
   * @param reason what requests still open are rejected with
   */
  close(reason?: unknown): Promise<void> {
    this.options.signal?.removeEventListener('abort', this.stop)
    if (reason === undefined && this.broken === undefined) {
      for (const [slot, process] of this.running)
        if (this.options.processes?.keep(this.settings, process)) this.running.delete(slot)
    }
    this.closing ??= Promise.all([...this.running.values()].map((p) => p.kill())).then(() => undefined)
    this.fail(
      reason ?? new VideoMaeError('The video loader was closed.', { code: 'LOADER_CLOSED', exit: 'interrupted' }),
    )
    return this.closing
  }

  private submit(job: Pick<Job, 'request' | 'done' | 'encoded' | 'failed' | 'reject'>): void {
    if (this.broken !== undefined) {
      job.reject(this.broken)
      return
    }
    this.waiting.push({ ...job, failures: 0, kills: 0, patience: 1, refusals: 0, answeredThen: -1 })
    this.hand()
  }

  private startSlots(count: number): void {
    for (let i = 0; i < count; i++) {
      const slot = { misses: 0 }
      this.slots.push(slot)
      this.unstarted--
      try {
        this.start(slot)
      } catch (error) {
        if (this.slots.length === 1) throw error
        this.missed(slot, error)
      }
    }
  }

  /** As many processes again as there are. */
  private grow(): void {
    this.startSlots(Math.min(this.unstarted, this.slots.length))
    this.hand()
  }

  private start(slot: Slot): void {
    const answered = (): void => {
      this.answered++
      slot.misses = 0
    }
    const limits = { slotBytes: this.options.slotBytes, timeoutSeconds: this.timeoutSeconds }
    const listener: Listener<Job> = {
      up: (milliseconds) => {
        this.growth.cameUp(milliseconds)
        this.hand()
      },
      free: () => this.hand(),
      done: (job, result, read) => {
        answered()
        job.done?.(result, read)
      },
      encoded: (job, result) => {
        answered()
        job.encoded?.(result)
      },
      failed: (job, failure) => {
        answered()
        this.retry(job, failure)
      },
      ended: (end) => this.replace(slot, end),
    }
    const idle = this.options.processes?.take(this.settings, limits, listener)
    if (idle !== undefined) this.growth.cameUp(idle.startMilliseconds)
    this.running.set(slot, idle ?? new DecodeProcess(this.settings, limits, listener))
  }

  private replace(slot: Slot, { how, ready, current, untouched, unable }: ProcessEnd<Job>): void {
    this.running.delete(slot)
    if (this.closing !== undefined || this.broken !== undefined) return
    this.waiting.unshift(...untouched)
    // A decoder that is not there will not come. Where requests were answered, it was there, and its absence is the machine's.
    if (unable !== undefined && unable.code !== 'DECODER_RESOURCES' && !ready && this.answered === 0) {
      this.fail(errorOf(unable))
      return
    }
    if (current !== undefined) {
      if (unable !== undefined) this.refused(current.job, unable)
      else this.retry(current.job, current.failure)
    }
    if (unable !== undefined) this.missed(slot, errorOf(unable))
    else if (!ready) {
      const error = new VideoMaeError(`Decoding processes end as soon as they start (${how}).`, {
        code: 'DECODER_PROCESS_FAILED',
        exit: 'environment',
        hint: 'Run `videomae doctor`; if memory is short, lower --workers.',
      })
      this.missed(slot, error)
    } else this.restart(slot)
    this.hand()
  }

  /** Starts the next process of a slot later, in the hope that the machine then has what it refused, or ends everything. */
  private missed(slot: Slot, error: unknown): void {
    slot.misses++
    if (this.running.size === 0 && this.slots.every(({ misses }) => misses > passing)) {
      this.fail(error)
      return
    }
    const retry = (): void => {
      slot.pause = setTimeout(
        () => {
          // Where trouble stays, one slot at a time finds out whether it has gone: many would add to it, and would hardly ever all be down.
          if ([...this.running.keys()].some(({ misses }) => misses > passing)) retry()
          else this.restart(slot)
        },
        Math.min(firstPause * 2 ** (slot.misses - 1), longestPause),
      )
    }
    retry()
  }

  private restart(slot: Slot): void {
    this.restarts++
    try {
      this.start(slot)
    } catch (error) {
      this.missed(slot, error)
    }
    this.hand()
  }

  private refused(job: Job, failure: Failure): void {
    // Refusals with nothing answered in between are the machine's, and counted by slot.
    if (this.answered > job.answeredThen) job.refusals++
    job.answeredThen = this.answered
    if (job.refusals > passing) job.reject(errorOf(failure))
    else this.waiting.push(job) // Behind the others: were it first, one that is always refused would keep them from being answered.
  }

  private retry(job: Job, failure: Failure): void {
    if (failure.code === 'VIDEO_DECODER_KILLED') {
      this.killed(job, failure)
      return
    }
    job.failures++
    if (failure.code === 'VIDEO_TIMEOUT') job.patience = patience
    if (job.failures < 2) {
      this.waiting.unshift(job)
      this.hand()
    } else job.failed(failure)
  }

  /** No fault of the video, and passing trouble at first: where memory is short, others need time to end. */
  private killed(job: Job, failure: Failure): void {
    job.kills++
    if (job.kills > passing) {
      job.failed(failure)
      return
    }
    const again = (): void => {
      this.resting.delete(job)
      this.waiting.unshift(job)
      this.hand()
    }
    this.resting.set(job, setTimeout(again, firstPause * 2 ** (job.kills - 1)))
  }

  private hand(): void {
    if (this.broken !== undefined) return
    // Where more processes may follow, none holds a request that one of them could begin.
    const most = this.unstarted > 0 ? 1 : DecodeProcess.depth
    // The emptiest process first, so that no request waits behind another while a process is idle.
    for (let depth = 0; depth < most; depth++) {
      for (const process of this.running.values()) {
        if (process.load === depth && this.waiting.length > 0) process.take(this.waiting.shift()!)
      }
    }
    this.growth.backlog(this.unstarted > 0 && this.waiting.length > 0)
  }

  private fail(error: unknown): void {
    this.broken ??= error
    this.growth.stop()
    for (const { pause } of this.slots) clearTimeout(pause)
    for (const job of this.waiting.splice(0)) job.reject(error)
    for (const [job, timer] of this.resting) {
      clearTimeout(timer)
      job.reject(error)
    }
    this.resting.clear()
    for (const process of this.running.values()) for (const job of process.abandon()) job.reject(error)
  }
}

function errorOf({ code, reason, hint }: Failure): VideoMaeError {
  return new VideoMaeError(reason, { code, exit: 'environment', hint })
}
