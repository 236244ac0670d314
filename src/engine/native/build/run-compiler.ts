import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** How a compiler ended that did not do what it was told. */
export interface CompilerFailure {
  /** e.g. `exit status 1`. */
  readonly ending: string
  /** Whether the compiler itself ended with a status: not where it was killed, not started, or stopped for its time. */
  readonly byItself: boolean
  /** The beginning of what it printed. */
  readonly output: string
}

export interface CompilerLimits {
  /** Milliseconds after which a compiler is killed. */
  readonly milliseconds: number
  /** Kills it; the call rejects with the reason. */
  readonly signal: AbortSignal
  /** Where it keeps its temporary files. */
  readonly folder: string
}

/** Bytes of each output that are kept: the first errors say what is wrong. */
const keptOutput = 16_384

/** Milliseconds that a program has to close its output behind its end: another one may hold it. */
const closing = 1000

/**
 * Runs a compiler in a process group of its own, so that what it starts ends with it.
 *
 * @returns null where it ended with status 0
 */
export async function runCompiler(
  command: string,
  list: readonly string[],
  { milliseconds, signal, folder }: CompilerLimits,
): Promise<CompilerFailure | null> {
  signal.throwIfAborted()
  // A library that is preloaded into this process, a memory checker say, is not for the compiler. Its messages are looked at.
  const { LD_PRELOAD: _, ...rest } = process.env
  const child = spawn(command, list, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...rest, LC_ALL: 'C', TMPDIR: folder },
  })
  // Errors first: which of two pipes is read first is chance.
  const outputs = [child.stderr, child.stdout].map((stream) => {
    const head = new OutputHead()
    stream.on('data', (data: Buffer) => head.add(data))
    return head
  })
  const end = (): void => killGroup(child.pid)
  let late = false
  const timer = setTimeout(() => {
    late = true
    end()
  }, milliseconds)
  signal.addEventListener('abort', end)
  try {
    const closed = once(child, 'close')
    closed.catch(() => undefined) // `exit` says so too
    const [status, by] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    await within(closing, closed)
    end() // what it has started and left behind
    signal.throwIfAborted()
    if (status === 0) return null
    const ending = late
      ? `it did not end within ${milliseconds / 1000} s`
      : status === null
        ? `${by} ended it`
        : `exit status ${status}`
    return {
      ending,
      byItself: !late && status !== null,
      output: outputs
        .map((head) => head.text())
        .filter((text) => text !== '')
        .join('\n'),
    }
  } catch (error) {
    signal.throwIfAborted()
    const { code = (error as Error).message } = error as NodeJS.ErrnoException
    return { ending: `it could not be started (${code})`, byItself: false, output: '' }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
    for (const stream of [child.stdout, child.stderr]) stream.destroy()
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // All of it has ended.
  }
}

async function within(milliseconds: number, event: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  await Promise.race([event, late])
  clearTimeout(timer)
}

/** The beginning of an output; the rest is counted and dropped. */
class OutputHead {
  private readonly parts: Buffer[] = []
  private bytes = 0

  add(data: Buffer): void {
    const room = keptOutput - this.bytes
    if (room > 0) this.parts.push(data.subarray(0, room))
    this.bytes += data.length
  }

  text(): string {
    const kept = Buffer.concat(this.parts).toString('utf8').trim()
    return this.bytes > keptOutput ? `${kept}\n(and ${this.bytes - keptOutput} more bytes)` : kept
  }
}
