/** A live page about runs that somebody names. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { invalidArgument, requireDistinct, VideoMaeError } from '../../core/errors.ts'
import { mostCurves } from '../page/chart/line-chart.ts'
import { findResult } from '../results/find-result.ts'
import type { WatchedRun } from './live-run.ts'
import { type LivePage, type LivePageOptions, openLivePage } from './server.ts'

/**
 * Serves a page that follows training runs, on this machine alone, until it is closed. What `videomae watch` does.
 *
 * @param runs folders of runs, or folders with the names that the page has for them
 * @throws VideoMaeError `INVALID_ARGUMENT` for a folder that is named twice, or more runs than a chart has colors for;
 *   `REPORT_NOTHING_FOUND` for what is not the folder of a training run; `PORT_TAKEN`
 *
 * @example
 * ```ts
 * import { watchRuns } from 'videomae/jobs'
 *
 * const page = await watchRuns(['checkpoints/encoder'])
 * page.address.startsWith('http://127.0.0.1:') // => true
 * await page.close()
 * ```
 */
export async function watchRuns(
  runs: readonly (string | WatchedRun)[],
  options: Pick<LivePageOptions, 'port' | 'interval'> = {},
): Promise<LivePage> {
  const named = runs.map((run): WatchedRun => (typeof run === 'string' ? { name: run, folder: run } : run))
  requireDistinct(
    'RUN',
    named.map(({ folder }) => path.resolve(folder)),
  )
  if (named.length === 0 || named.length > mostCurves)
    throw invalidArgument('the number of runs', `1 to ${mostCurves}`, named.length)
  for (const { folder } of named) await requireRun(folder)
  return openLivePage(named, options)
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
