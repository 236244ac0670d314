/**
 * Decides when a pool starts more decoding processes. To start one costs about half a second of processor time, as much as decoding
 * dozens of short clips, so a few small requests are left to the processes that are up.
 *
 * More are started once requests have waited, without a break, for as long as the last start took. At that point waiting has cost as
 * much as a process would have. Without knowing how much work follows, no other moment has a better worst case: at most twice the
 * best cost (the ski-rental problem; Karlin et al., Competitive Snoopy Caching, 1988).
 */
export class PoolGrowth {
  private readonly grow: () => void
  /** Milliseconds that the newest process took to come up. */
  private startTime: number | undefined
  private timer: NodeJS.Timeout | undefined

  constructor(grow: () => void) {
    this.grow = grow
  }

  /** A process came up. @param startTime milliseconds that it took */
  cameUp(startTime: number): void {
    this.startTime = startTime
  }

  /** Told after every change. @param waiting whether requests wait although every process has work */
  backlog(waiting: boolean): void {
    if (!waiting) this.stop()
    else if (this.startTime !== undefined)
      this.timer ??= setTimeout(() => {
        this.timer = undefined
        this.grow()
      }, this.startTime)
  }

  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }
}
