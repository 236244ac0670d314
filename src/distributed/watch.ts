/** Ends a rank whose others have fallen silent: its threads wait in native code, and nothing there has a time limit. */
import { hostname } from 'node:os'
import { VideoMaeError } from '../core/errors.ts'
import { endProcess } from './end-process.ts'

/** Milliseconds between looks. */
const pause = 500

/** Counts the beginnings and ends of collective calls of other threads: odd while one is under way. */
export type CallCount = Int32Array

export interface WatchOptions {
  readonly seconds: number
  readonly rank: number
  readonly size: number
  /** Calls of the communicator that have no answer yet, by number. */
  readonly unanswered: () => number | null
  /** Sums inside of a step. */
  readonly sums: CallCount
  /** What is done in the end. Default: the process ends with exit code 4. */
  readonly end?: (error: VideoMaeError) => void
}

/** Looks again and again whether a collective call takes longer than the limit. */
export class Watch {
  /** Hosts of the other ranks, once they are known. */
  others = ''
  private readonly options: WatchOptions
  private readonly timer: NodeJS.Timeout
  private seen = ''
  private since = performance.now()

  constructor(options: WatchOptions) {
    this.options = options
    this.timer = setInterval(() => this.look(), pause)
    this.timer.unref()
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private look(): void {
    const { unanswered, sums, seconds } = this.options
    const call = unanswered()
    const count = Atomics.load(sums, 0)
    const waiting = call !== null || count % 2 !== 0
    const now = `${call} ${count}`
    if (!waiting || now !== this.seen) {
      this.seen = now
      this.since = performance.now()
      return
    }
    if (performance.now() - this.since < seconds * 1000) return
    this.stop()
    const { end = endProcess } = this.options
    end(this.silence())
  }

  private silence(): VideoMaeError {
    const { rank, size, seconds } = this.options
    const whom = this.others === '' ? 'other ranks' : this.others
    return new VideoMaeError(
      `Expected all ranks to answer within ${seconds} s, but rank ${rank} of ${size} on ${hostname()} still waits for ${whom}.`,
      {
        code: 'RANKS_SILENT',
        exit: 'environment',
        hint: 'Check these machines and the network, then continue with --resume. VIDEOMAE_RANK_TIMEOUT sets another limit, in seconds.',
      },
    )
  }
}
