import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { compiledEntry } from '../core/entry.ts'
import type { EngineCandidate, EngineTime } from './measure-engines.ts'

/** What `measure-step` prints. */
type StepTime = Pick<EngineTime, 'milliseconds' | 'failure'>

/**
 * Times a small step on an engine in a process of its own: a signal ends it within a step, which may take a minute, and a driver that
 * crashes ends no other measurement.
 *
 * @throws the reason of the signal; VideoMaeError `BUILD_MISSING`
 */
export async function measureApart({ engine, precision }: EngineCandidate, signal: AbortSignal): Promise<EngineTime> {
  signal.throwIfAborted()
  const entry = fileURLToPath(compiledEntry(import.meta.url, './measure-step'))
  const child = spawn(process.execPath, [entry, engine.name, precision], { stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = (): void => void child.kill('SIGKILL')
  signal.addEventListener('abort', kill, { once: true })
  process.once('exit', kill)
  try {
    let printed = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
    const [code, name] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    // Ctrl-C in a terminal reaches both processes, and the end of the child may be seen first.
    await new Promise(setImmediate)
    signal.throwIfAborted()
    const time: StepTime =
      code === 0
        ? (JSON.parse(printed) as StepTime)
        : { milliseconds: null, failure: `its process ended with ${name ?? `code ${code}`}` }
    return { engine, precision, ...time }
  } finally {
    signal.removeEventListener('abort', kill)
    process.off('exit', kill)
  }
}
