import { watchRuns } from '../report/live/watch-runs.ts'
import type { WatchCommandOptions } from './commands/watch.ts'
import { interruptSignal } from './interrupt.ts'
import { addressLine } from './page.ts'
import { shownPath } from './shown-path.ts'

/** `videomae watch`: a page that follows runs, until Ctrl-C. */
export async function watchCommand(
  folders: readonly string[],
  { json = false, port }: WatchCommandOptions,
): Promise<void> {
  const page = await watchRuns(
    folders.map((folder) => ({ name: shownPath(folder), folder })),
    { port },
  )
  const interrupt = interruptSignal('Run the same command again.')
  // The server alone does not keep the process.
  const alive = setInterval(() => {}, 60_000)
  try {
    process.stdout.write(json ? `${JSON.stringify({ address: page.address })}\n` : `${addressLine(page.address)}\n`)
    await new Promise<void>((resolve) => {
      interrupt.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  } finally {
    clearInterval(alive)
    await page.close()
    interrupt.dispose()
  }
}
