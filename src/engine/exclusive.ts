import { VideoMaeError } from '../core/errors.ts'

/** Lets one caller at a time use a session, and none once it is closed. */
export class ExclusiveUse {
  private readonly owner: string
  private current: Promise<unknown> | null = null
  private closing: Promise<void> | null = null

  /** @param owner what the messages call the session, e.g. `The reference session` */
  constructor(owner: string) {
    this.owner = owner
  }

  /** Runs `work`. Rejects with `ENGINE_BUSY` while earlier work has not settled, with `ENGINE_CLOSED` after `close`. */
  async run<T>(work: () => T | Promise<T>): Promise<T> {
    this.requireOpen()
    if (this.current !== null) {
      throw new VideoMaeError(`${this.owner} is still running an earlier call.`, {
        code: 'ENGINE_BUSY',
        hint: 'Await each call before the next one; open a second session to work in parallel.',
      })
    }
    // Also work that never waits counts as under way until its caller can see the result, a turn later.
    const running = (async () => work())()
    this.current = running
    try {
      return await running
    } finally {
      this.current = null
    }
  }

  /** Throws `ENGINE_CLOSED` after `close`: for what may be done next to work under way. */
  requireOpen(): void {
    if (this.closing !== null) throw new VideoMaeError(`${this.owner} is closed.`, { code: 'ENGINE_CLOSED' })
  }

  /** Waits for work under way, whatever becomes of it, then calls `release` once. Closing again waits for the first. */
  close(release: () => void | Promise<void>): Promise<void> {
    this.closing ??= Promise.resolve(this.current)
      .catch(() => undefined)
      .then(release)
    return this.closing
  }
}
