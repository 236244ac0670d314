import { existsSync } from 'node:fs'
import path from 'node:path'
import { invalidArgument, requireDistinct, VideoMaeError } from '../core/errors.ts'
import { openLivePage } from '../report/live/server.ts'
import { mostCurves } from '../report/page/chart/line-chart.ts'
import { findResult } from '../report/results/find-result.ts'
import type { WatchCommandOptions } from './commands/watch.ts'
import { interruptSignal } from './interrupt.ts'
import { addressLine } from './page.ts'
import { shownPath } from './shown-path.ts'

/** `videomae watch`: a page that follows runs, until Ctrl-C. */
export async function watchCommand(
  folders: readonly string[],
  { json = false, port }: WatchCommandOptions,
): Promise<void> {
  requireDistinct(
    'RUN',
    folders.map((folder) => path.resolve(folder)),
  )
  if (folders.length > mostCurves) throw invalidArgument('the number of runs', `at most ${mostCurves}`, folders.length)
  for (const folder of folders) await requireRun(folder)
  const interrupt = interruptSignal('Run the same command again.')
  const page = await openLivePage(
    folders.map((folder) => ({ name: shownPath(folder), folder })),
    { port },
  )
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

/** A run that has begun a moment ago has no metrics yet. */
async function requireRun(folder: string): Promise<void> {
  const found = await findResult(folder).catch((error: unknown) => {
    if (error instanceof VideoMaeError && error.code === 'REPORT_NOTHING_FOUND') return null
    throw error
  })
  const isRun = found?.kind === 'pretraining' || (found?.kind === 'classifier' && found.run !== null)
  if (isRun || existsSync(path.join(folder, 'metrics.jsonl'))) return
  throw new VideoMaeError(`Expected the folder of a training run, but ${folder} is not one.`, {
    code: 'REPORT_NOTHING_FOUND',
    exit: 'data',
    hint: 'Name the folder that you gave to pretrain or finetune as --out. For a certificate or an evaluation, use `videomae report`.',
  })
}
