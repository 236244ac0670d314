import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FinishedProgram } from './finished-program.ts'

/** A process that runs commands of the compiled program one after another. It ends with this process. */
export class ProgramHost {
  private readonly child: ChildProcess
  private readonly written = { stdout: '', stderr: '' }
  private readonly script: string
  private readonly closed: Promise<null>
  private busy = false

  /** @param script the compiled program, which commands name as a user would start it */
  constructor(script: string) {
    this.script = script
    const entry = fileURLToPath(new URL('./program-host.mjs', import.meta.url))
    this.child = fork(entry, [], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: [] })
    for (const stream of ['stdout', 'stderr'] as const) {
      this.child[stream]!.setEncoding('utf8').on('data', (text: string) => {
        this.written[stream] += text
      })
    }
    this.closed = once(this.child, 'close').then(() => null)
  }

  /** Whether it can run a command now. */
  get idle(): boolean {
    return !this.busy && this.child.exitCode === null && this.child.signalCode === null
  }

  /** Runs one command; only where it is idle. */
  async run(args: readonly string[]): Promise<FinishedProgram> {
    this.busy = true
    const marker = `\0${randomUUID()}`
    try {
      const answered = once(this.child, 'message').then(([answer]) => answer as { readonly code: number })
      this.child.send({ args, script: this.script, marker })
      const answer = await Promise.race([answered, this.closed])
      if (answer !== null) await this.until(marker)
      const take = (stream: 'stdout' | 'stderr'): string => {
        const text = this.written[stream].split(marker)[0]
        this.written[stream] = ''
        return text
      }
      const { exitCode, signalCode } = this.child
      const code = answer === null ? exitCode : answer.code
      return { code, signal: signalCode, stdout: take('stdout'), stderr: take('stderr') }
    } finally {
      this.busy = false
    }
  }

  /** Resolves once both streams have brought the marker: they are not in step with messages. */
  private async until(marker: string): Promise<void> {
    for (const stream of ['stdout', 'stderr'] as const) {
      while (!this.written[stream].endsWith(marker)) await once(this.child[stream]!, 'data')
    }
  }
}
