import { unusedArgument } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { openDataset } from '../dataset/dataset.ts'
import type { SplitName } from '../dataset/split-part.ts'
import { evaluateVideos, formatEvaluation, requireEvaluationFolder, writeEvaluation } from '../inference/evaluate.ts'
import { openAnyClassifier } from '../inference/predict.ts'
import type { ClipClassifier } from '../inference/predict-videos.ts'
import { ProgressDisplay } from '../train/progress.ts'
import { partOfDataset } from './dataset-part.ts'
import { refuseIgnoredThreads } from './ignored-threads.ts'
import { interruptSignal } from './interrupt.ts'
import { requirePage, writePage } from './page.ts'
import type { CommonOptions } from './run.ts'

export interface EvaluateCommandOptions extends CommonOptions {
  /** Run folder, checkpoint, Hugging Face directory or ONNX file. */
  readonly from: string
  /** Which part of a list with a split column; `all` for everything. Default `test`. */
  readonly split?: SplitName | 'all'
  readonly clips?: number
  readonly crops?: number
  /** Clips in one run. */
  readonly batch?: number
  /** Folder for the report; none is written without it. */
  readonly out?: string
  /** Also write a page there. */
  readonly report?: boolean
  readonly engine?: string
  readonly threads?: number
  readonly decoder?: 'node-av' | 'ffmpeg'
  readonly workers?: number
  readonly seed?: number
  readonly quiet?: boolean
}

/** `videomae evaluate`. */
export async function evaluateCommand(data: readonly string[], options: EvaluateCommandOptions): Promise<void> {
  const { json = false, quiet = false, from, out, engine, threads, batch, ...rest } = options
  refuseIgnoredThreads(engine, threads)
  const { split = 'test' } = options
  if (options.report === true && out === undefined)
    throw unusedArgument('--report', 'without --out, the folder of the page', true)
  const interrupt = interruptSignal('Run the command again.')
  const display = new ProgressDisplay({ stream: process.stderr, quiet })
  let classifier: ClipClassifier | undefined
  try {
    // Before the work, not behind it: a result that cannot be written would be lost.
    if (out !== undefined) {
      await requireEvaluationFolder(out)
      await requirePage(options.report, out)
      makeFolder(out)
    }
    classifier = await openAnyClassifier(from, { engine: engine ?? null, threads, batch })
    for (const warning of classifier.warnings ?? []) display.note(`warning: ${warning}`)
    const dataset = await openDataset(data, {
      classes: classifier.labels,
      digests: false,
      ignoreSplit: split === 'all',
      signal: interrupt.signal,
    })
    const { videos, rows, lines } = partOfDataset(dataset, split, options.split !== undefined)
    if (!json) for (const line of lines) display.note(line)
    const evaluation = await evaluateVideos(classifier, videos, {
      clips: rest.clips,
      crops: rest.crops,
      decoder: rest.decoder,
      workers: rest.workers,
      seed: rest.seed,
      signal: interrupt.signal,
      onProgress: display.counter('videos'),
    })
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
