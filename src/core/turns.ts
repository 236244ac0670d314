/** Lets callers in one after the other, in the order in which they come. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve()

  /** Runs `work` after all earlier work, whatever became of it. */
  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const mine = this.last.then(work)
    this.last = mine.catch(() => undefined)
    return mine
  }

  /** Resolves once all work that was asked for has ended. */
  async ended(): Promise<void> {
    await this.last
  }
}
