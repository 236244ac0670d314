import { unusedArgument } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { openDataset } from '../dataset/dataset.ts'
import type { Ranks } from '../distributed/ranks.ts'
import { evaluateVideos, formatEvaluation, requireEvaluationFolder, writeEvaluation } from '../inference/evaluate.ts'
import { openAnyClassifier } from '../inference/predict.ts'
import type { ClipClassifier } from '../inference/predict-videos.ts'
import { requireSameWork } from '../inference/rank-predictions.ts'
import { ProgressDisplay } from '../train/progress.ts'
import { rankPart } from '../train/rank-resources.ts'
import type { EvaluateCommandOptions } from './commands/evaluate.ts'
import { partOfDataset } from './dataset-part.ts'
import { refuseIgnoredThreads } from './ignored-threads.ts'
import { interruptSignal } from './interrupt.ts'
import { requirePage, writePage } from './page.ts'
import { formatRanks, onRanks } from './ranks.ts'

/** `videomae evaluate`, on all ranks that a launcher has started. */
export function evaluateCommand(data: readonly string[], options: EvaluateCommandOptions): Promise<void> {
  return onRanks('evaluate', options, (ranks) => evaluateOn(ranks, data, options))
}

async function evaluateOn(ranks: Ranks, data: readonly string[], options: EvaluateCommandOptions): Promise<void> {
  const { json = false, from, out, engine, threads, batch, clips, crops, ...rest } = options
  const first = ranks.rank === 0
  const part = rankPart(ranks)
  const quiet = options.quiet === true || !first
  await refuseIgnoredThreads({ engine, threads, from })
  const { split = 'test' } = options
  if (options.report === true && out === undefined)
    throw unusedArgument('--report', 'without --out, the folder of the page', true)
  const interrupt = interruptSignal('Run the command again.', ranks.size > 1 ? ranks.rank : null)
  const display = new ProgressDisplay({ stream: process.stderr, quiet })
  let classifier: ClipClassifier | undefined
  if (ranks.size > 1) display.note(formatRanks(ranks))
  try {
    // Before the work, not behind it: a result that cannot be written would be lost.
    if (out !== undefined)
      await ranks.agree(async () => {
        if (!first) return
        await requireEvaluationFolder(out)
        await requirePage(options.report, out)
        makeFolder(out)
      })
    const opened = await ranks.agree(() =>
      openAnyClassifier(from, {
        ...{ engine: engine ?? null, threads: threads ?? part, batch },
        given: { views: clips * crops, workers: rest.workers ?? part, programs: ranks.onThisHost },
      }),
    )
    classifier = opened
    for (const warning of opened.warnings ?? []) display.note(`warning: ${warning}`)
    const { dataset, videos, rows, lines } = await ranks.agree(async () => {
      const dataset = await openDataset(data, {
        classes: opened.labels,
        digests: false,
        ignoreSplit: split === 'all',
        signal: interrupt.signal,
      })
      return { dataset, ...partOfDataset(dataset, split, options.split !== undefined) }
    })
    await requireSameWork(ranks, opened, videos)
    if (!json) for (const line of lines) display.note(line)
    const evaluation = await evaluateVideos(opened, videos, {
      clips,
      crops,
      decoder: rest.decoder,
      workers: rest.workers ?? part,
      ranks,
      signal: interrupt.signal,
      onProgress: display.counter('videos'),
    })
    if (!first) return
    const files =
      out === undefined
        ? []
        : [...(await writeEvaluation(out, evaluation)), ...(await writePage(options.report, out, { videos }))]
    if (json) process.stdout.write(`${JSON.stringify({ ...evaluation, rows, sources: dataset.sources, files })}\n`)
    else process.stdout.write(`${formatEvaluation(evaluation)}${files.map((file) => `wrote  ${file}\n`).join('')}`)
  } finally {
    display.end()
    await classifier?.close()
    interrupt.dispose()
  }
}
