import type { DecodeProcess, IdleProcess, Listener, ProcessLimits, Work } from './pool-process.ts'
import type { ProcessSettings } from './protocol.ts'

/**
 * How many processes wait for the next pool. Few, because each holds 100 MB or so; a pool with more work starts others beside them.
 */
const mostIdle = 2

/**
 * Decoding processes that one pool has done with and the next one takes over. To start a process takes half a second of processor
 * time, as much as decoding dozens of short clips, and a command has several pools one after the other: training videos, validation
 * videos, test videos. Idle processes do not keep the program running; they end with it, and at `close`.
 */
export class IdleProcesses {
  private readonly idle = new Map<IdleProcess, string>()
  private closed = false

  /** A process of these settings that is up, with room for the answers of the caller; undefined where there is none. */
  take<Job extends Work>(
    settings: ProcessSettings,
    limits: ProcessLimits,
    listener: Listener<Job>,
  ): DecodeProcess<Job> | undefined {
    const wanted = keyOf(settings)
    for (const [process, key] of this.idle) {
      if (key !== wanted) continue
      this.idle.delete(process)
      const taken = process.resume(limits, listener)
      if (taken !== null) return taken
    }
    return undefined
  }

  /** @returns whether the process is kept: not where it has work, nor where enough are kept */
  keep(settings: ProcessSettings, process: DecodeProcess<Work>): boolean {
    if (this.closed || this.idle.size >= mostIdle) return false
    const resting = process.rest((ended) => this.idle.delete(ended))
    if (resting !== null) this.idle.set(resting, keyOf(settings))
    return resting !== null
  }

  /** Ends all that wait, and keeps none from now on. */
  async close(): Promise<void> {
    this.closed = true
    const idle = [...this.idle.keys()]
    this.idle.clear()
    await Promise.all(idle.map((process) => process.kill()))
  }
}

const keyOf = ({ decoder, limits }: ProcessSettings): string => JSON.stringify([decoder, Object.entries(limits).sort()])

/**
 * Runs `work` with the processes that are given, or with its own, which end with it.
 *
 * @param given processes of a caller that has more to do
 */
export async function withProcesses<Result>(
  given: IdleProcesses | undefined,
  work: (processes: IdleProcesses) => Promise<Result>,
): Promise<Result> {
  if (given !== undefined) return work(given)
  const own = new IdleProcesses()
  try {
    return await work(own)
  } finally {
    await own.close()
  }
}
