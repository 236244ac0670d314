/** How many times the limit work may continue without using the processor, or, where processor time is not known, may take. */
export const idleFactor = 10

/** Shortest pause between two looks, seconds. */
const shortestPause = 0.05

/**
 * A limit on the processor time of some work, not on the time that passes: on a busy machine a good video may take a hundred times as long as on an
 * idle one, and must not be given up for it. Work that stands still instead of computing has `idleFactor` times the limit.
 */
export class WorkClock {
  private readonly secondsUsed: () => number | undefined
  private timer: NodeJS.Timeout | undefined

  /** @param secondsUsed processor seconds since some fixed moment; undefined where they are not known */
  constructor(secondsUsed: () => number | undefined) {
    this.secondsUsed = secondsUsed
  }

  /**
   * @param began what `secondsUsed` said when the work began
   * @param onLimit called once, with what happened, e.g. `used 30 s of CPU time`
   */
  start(limitSeconds: number, began: number | undefined, onLimit: (what: string) => void): void {
    this.stop()
    let before = began
    let idle = 0
    let elapsed = 0
    const wait = (pause: number): void => {
      this.timer = setTimeout(() => {
        // A program that was stopped for an hour finds its timers due: only what was meant to pass counts.
        elapsed += pause
        const now = this.secondsUsed()
        if (now === undefined || began === undefined) {
          if (elapsed < idleFactor * limitSeconds) return wait(limitSeconds)
          return onLimit(`took ${round(elapsed)} s`)
        }
        const used = now - began
        if (used >= limitSeconds) return onLimit(`used ${round(used)} s of CPU time`)
        idle = now === before ? idle + pause : 0
        before = now
        if (idle >= idleFactor * limitSeconds) return onLimit(`did nothing for ${round(idle)} s`)
        wait(Math.max(shortestPause, limitSeconds - used))
      }, pause * 1000)
    }
    wait(limitSeconds)
  }

  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }
}

function round(seconds: number): string {
  return seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(0)
}
