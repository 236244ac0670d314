import { type ChildProcess, fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { compiledEntry } from '../core/entry.ts'
import type { ClipRequest, ClipResult } from './clip.ts'
import { groupSeconds, processSeconds } from './cpu-time.ts'
import type { EncodedVideo, EncodeRequest } from './encode-video.ts'
import { endingOf } from './how-it-ended.ts'
import { isMachineError, machineError } from './machine-errors.ts'
import { killGroup, ownGroups } from './process-group.ts'
import { type Failure, type FromProcess, lifeline, type ProcessSettings, type ToProcess } from './protocol.ts'
import { SharedFile } from './shared-file.ts'
import { videoError } from './video-errors.ts'
import { WorkClock } from './work-clock.ts'

export interface Work {
  readonly request: ClipRequest | EncodeRequest
  /** How many times the usual limit of time this one has. */
  readonly patience: number
}

export interface ProcessEnd<Job> {
  /** In words, e.g. `signal SIGKILL`. */
  readonly how: string
  /** Whether it ever came up. */
  readonly ready: boolean
  /** The job it was working on; the failure is not the job's where `unable` is set. */
  readonly current?: { readonly job: Job; readonly failure: Failure }
  /** Jobs it had not begun, as far as is known. */
  readonly untouched: readonly Job[]
  /** Set when the process could not be started, or said that it cannot decode anything; no job is to blame then. */
  readonly unable?: Failure
}

export interface Listener<Job> {
  /** It can decode. @param milliseconds since it was started */
  up(milliseconds: number): void
  /** Room for another job. */
  free(): void
  /** `read` copies the clips out; their memory is free again when it resolves. */
  done(job: Job, result: ClipResult, read: (target: Uint8Array) => Promise<void>): void
  encoded(job: Job, result: EncodedVideo): void
  failed(job: Job, failure: Failure): void
  ended(end: ProcessEnd<Job>): void
}

/** What differs from one pool to the next. */
export interface ProcessLimits {
  /** Largest answer in bytes. */
  readonly slotBytes: number
  /** Processor seconds that one request may use. */
  readonly timeoutSeconds: number
}

/** A process that is up and does nothing. */
export interface IdleProcess {
  /** Hands it to another pool; null where the machine has no room for its answers: then it ends. */
  resume<Job extends Work>(limits: ProcessLimits, listener: Listener<Job>): DecodeProcess<Job> | null
  /** Ends it and waits for its end. */
  kill(): Promise<void>
}

/** Processor seconds a process may take to come up. */
const startSeconds = 60

/** One decoding process, its shared file, and its at most `depth` jobs: one being decoded, one waiting so that it never idles. */
export class DecodeProcess<Job extends Work> implements IdleProcess {
  static readonly depth = 2
  private readonly child: ChildProcess
  private readonly shared: SharedFile
  private listener: Listener<Job>
  private slotBytes: number
  private timeoutSeconds: number
  private readonly jobs: { readonly id: number; readonly job: Job; readonly slot: number }[] = []
  private readonly freeSlots: number[] = []
  private readonly exit: Promise<void>
  private nextId = 0
  private reading = 0
  private ended = false
  private readonly clock: WorkClock
  /** What it did until it was stopped for it. */
  private overran: string | undefined
  private ready = false
  /** False from `resume` to its first answer: it may have been killed while it waited, which nobody has noticed yet. */
  private answers = true
  /** How long it took to come up, milliseconds. */
  startMilliseconds = 0
  private readonly began = performance.now()
  private unable: Failure | undefined
  private lastWords = ''

  constructor(settings: ProcessSettings, limits: ProcessLimits, listener: Listener<Job>) {
    this.listener = listener
    this.slotBytes = limits.slotBytes
    this.timeoutSeconds = limits.timeoutSeconds
    for (let slot = 0; slot < DecodeProcess.depth; slot++) this.freeSlots.push(slot)
    const entry = fileURLToPath(compiledEntry(import.meta.url, './decode-process'))
    this.shared = new SharedFile(this.slotBytes * DecodeProcess.depth)
    try {
      this.child = fork(entry, [JSON.stringify(settings)], {
        // The last two are `lifeline` and `sharedDescriptor`.
        stdio: ['ignore', 'ignore', 'pipe', 'ipc', 'pipe', this.shared.descriptor],
        execArgv: [],
        detached: ownGroups,
      })
    } catch (error) {
      this.shared.close()
      throw machineError('Expected to start a decoding process', error)
    }
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.lastWords = (this.lastWords + chunk.toString()).slice(-2000)
    })
    // Where the limit of open files is reached, the object has neither streams nor `send` until its error is reported.
    this.child.stdio?.[lifeline]?.on('error', () => undefined) // The process is gone, and its end says so.
    this.child.on('message', (message: FromProcess) => this.receive(message))
    const { pid } = this.child
    this.clock = new WorkClock(() => (pid === undefined ? undefined : groupSeconds(pid)))
    this.startClock(Math.max(this.timeoutSeconds, startSeconds))
    // A process that could not be started reports an error and no exit.
    this.exit = new Promise((resolve) => {
      const end = (how: string, signal: string | null = null): void => {
        this.end(how, signal)
        resolve()
      }
      this.child.once('exit', (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`, signal))
      this.child.once('error', (error) => {
        if (isMachineError(error)) {
          const { code, message, hint } = machineError('Expected to start a decoding process', error)
          this.unable ??= { code, reason: message, hint }
        }
        end(error.message)
      })
    })
  }

  /** Identifier of the process once it is up. */
  get pid(): number | undefined {
    return this.ready ? this.child.pid : undefined
  }

  /** Number of jobs it holds; `depth` when it can take no more. */
  get load(): number {
    return this.ended ? DecodeProcess.depth : DecodeProcess.depth - this.freeSlots.length
  }

  take(job: Job): void {
    const slot = this.freeSlots.pop()!
    const id = this.nextId++
    this.jobs.push({ id, job, slot })
    if (this.ready && this.jobs.length === 1) this.startClockOfJob()
    const message: ToProcess = { id, request: job.request, offset: slot * this.slotBytes }
    // A failed send means the process is gone; its end hands the job back.
    this.child.send?.(message, () => undefined)
  }

  /** Forgets all jobs and returns them. */
  abandon(): Job[] {
    this.clock.stop()
    return this.jobs.splice(0).map(({ job }) => job)
  }

  kill(): Promise<void> {
    this.holdProgram(true) // Somebody waits for its end.
    this.killGroup()
    return this.exit
  }

  /**
   * Leaves its pool without ending. Until `resume` it does not keep the program running.
   *
   * @param onEnd called where it ends meanwhile
   * @returns null where it is not up or has work: then nothing changes
   */
  rest(onEnd: (process: IdleProcess) => void): IdleProcess | null {
    if (!this.ready || this.ended || this.unable !== undefined || this.load > 0 || this.reading > 0) return null
    const none = (): void => undefined
    this.listener = { up: none, free: none, done: none, encoded: none, failed: none, ended: () => onEnd(this) }
    this.lastWords = ''
    this.holdProgram(false)
    return this
  }

  resume<Next extends Work>(limits: ProcessLimits, listener: Listener<Next>): DecodeProcess<Next> | null {
    if (this.ended) return null
    try {
      this.shared.reserve(limits.slotBytes * DecodeProcess.depth)
    } catch {
      void this.kill()
      return null
    }
    // It holds no job, so nothing of the former pool's kind is left in it.
    const process = this as unknown as DecodeProcess<Next>
    process.listener = listener
    process.slotBytes = limits.slotBytes
    process.timeoutSeconds = limits.timeoutSeconds
    this.answers = false
    this.holdProgram(true)
    return process
  }

  /** Whether the program continues for as long as this process does. */
  private holdProgram(holds: boolean): void {
    const change = holds ? 'ref' : 'unref'
    this.child[change]()
    this.child.channel?.[change]()
    for (const stream of [this.child.stderr, this.child.stdio?.[lifeline]]) (stream as Socket | null)?.[change]()
  }

  private killGroup(): void {
    if (this.child.pid !== undefined && !this.ended) killGroup(this.child.pid)
  }

  private receive(message: FromProcess): void {
    if (message.kind === 'unable') {
      this.unable = message.failure
      this.killGroup()
    }
    if (message.kind === 'ready') {
      this.ready = true
      this.startMilliseconds = performance.now() - this.began
      this.startClockOfJob()
      this.listener.up(this.startMilliseconds)
    }
    if (message.kind === 'ready' || message.kind === 'unable') return
    const held = this.jobs[0]
    if (held === undefined || held.id !== message.id) return
    this.answers = true
    this.jobs.shift()
    this.startClockOfJob()
    if (message.kind === 'failed') {
      this.release(held.slot)
      this.listener.failed(held.job, message.failure)
      return
    }
    if (message.kind === 'encoded') {
      this.release(held.slot)
      this.listener.encoded(held.job, message.result)
      return
    }
    this.listener.done(held.job, message.result, async (target) => {
      this.reading++
      try {
        await this.shared.readInto(target, held.slot * this.slotBytes)
      } finally {
        this.reading--
        this.release(held.slot)
      }
    })
  }

  private release(slot: number): void {
    this.freeSlots.push(slot)
    if (this.ended) this.closeShared()
    else this.listener.free()
  }

  /** From now on it works on the first of its jobs, if there is one. */
  private startClockOfJob(): void {
    if (this.jobs.length === 0) this.clock.stop()
    else this.startClock(this.timeoutSeconds * this.jobs[0].job.patience)
  }

  private startClock(seconds: number): void {
    // Between two jobs it has no other process running: what an earlier program used is counted with its own time.
    const began = this.child.pid === undefined ? undefined : processSeconds(this.child.pid)
    this.clock.start(seconds, began, (what) => {
      this.overran = what
      this.killGroup()
    })
  }

  private end(how: string, signal: string | null): void {
    if (this.ended) return
    this.killGroup() // A program that it ran may have outlived it.
    this.ended = true
    this.clock.stop()
    this.closeShared()
    const jobs = this.jobs.splice(0)
    // A process that never came up has begun nothing. What one that was taken over has begun is not known.
    const begun = this.ready && (this.answers || this.overran !== undefined)
    const current = begun ? jobs.shift() : undefined
    this.listener.ended({
      how: this.lastWords === '' ? how : `${how}: ${this.lastWords.trim().split('\n').pop()}`,
      ready: this.ready,
      current: current && { job: current.job, failure: this.unable ?? this.failureOf(current.job, how, signal) },
      untouched: jobs.map(({ job }) => job),
      unable: this.unable,
    })
  }

  private failureOf(job: Job, how: string, signal: string | null): Failure {
    const { path } = job.request.entry
    const error =
      this.overran !== undefined
        ? videoError('VIDEO_TIMEOUT', path, `decoding ${this.overran} and was stopped`)
        : endingOf(signal) === 'killed'
          ? videoError('VIDEO_DECODER_KILLED', path, `the decoding process was killed (${how})`)
          : videoError('VIDEO_DECODER_CRASHED', path, `the decoding process died (${how})`)
    const { code, message, hint } = error
    return { code, reason: message, hint }
  }

  private closeShared(): void {
    if (this.reading === 0) this.shared.close()
  }
}
