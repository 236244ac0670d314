import type { DecodeProcess, IdleProcess, Listener, ProcessLimits, Work } from './pool-process.ts'
import type { ProcessSettings } from './protocol.ts'

/**
 * How many processes wait for the next pool. Few, because each holds 100 MB or so; a pool with more work starts others next to them.
 */
const mostIdle = 2

/**
 * Decoding processes that one pool has done with and the next one takes over. To start a process takes half a second of processor
 * time, as much as decoding dozens of short clips, and a command has several pools one after the other: training videos, validation
 * videos, test videos. Idle processes do not keep the program running; they end with it, and at `close`.
 */
export class IdleProcesses {
  /** The one that waits longest first. */
  private readonly idle = new Map<IdleProcess, string>()
  private readonly ending = new Set<Promise<void>>()
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

  /** @returns whether the process is kept: not where it has work, nor where enough of its settings are kept */
  keep(settings: ProcessSettings, process: DecodeProcess<Work>): boolean {
    const key = keyOf(settings)
    const full = this.idle.size >= mostIdle
    // Those of other settings are less likely to be asked for next.
    const other = full ? [...this.idle].find(([, kept]) => kept !== key)?.[0] : undefined
    if (this.closed || (full && other === undefined)) return false
    const resting = process.rest((ended) => this.idle.delete(ended))
    if (resting === null) return false
    if (other !== undefined) this.drop(other)
    this.idle.set(resting, key)
    return true
  }

  private drop(process: IdleProcess): void {
    this.idle.delete(process)
    const end: Promise<void> = process.kill().finally(() => this.ending.delete(end))
    this.ending.add(end)
  }

  /** Ends all that wait, and keeps none from now on. */
  async close(): Promise<void> {
    this.closed = true
    for (const process of [...this.idle.keys()]) this.drop(process)
    await Promise.all(this.ending)
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
