import { exitCodes, invalidArgument, unusedArgument, VideoMaeError } from '../core/errors.ts'
import { printable, textFor } from '../core/printable.ts'
import type { Ranks } from '../distributed/ranks.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { requireOwnTable } from '../format/own-results.ts'
import { openAnyClassifier, type Prediction, predict } from '../inference/predict.ts'
import { growingTable, predictionCsv, predictionCsvStart } from '../inference/prediction-table.ts'
import { ProgressDisplay } from '../train/progress.ts'
import { rankPart } from '../train/rank-resources.ts'
import { arrivingVideos } from '../video/arriving-videos.ts'
import { readingLines, type SourceReading } from '../video/reading.ts'
import type { PredictCommandOptions } from './commands/predict.ts'
import { refuseIgnoredThreads } from './ignored-threads.ts'
import { interruptSignal } from './interrupt.ts'
import { requireOneProcess } from './one-process.ts'
import { formatRanks, onRanks } from './ranks.ts'

/** With the classifier that has to be named. */
type PredictWith = PredictCommandOptions & { readonly from: string }

/**
 * `videomae predict`, on all ranks that a launcher has started. Ends with `VIDEO_UNREADABLE` (exit 3) after printing, when a video could
 * not be read.
 */
export function predictCommand(videos: readonly string[], given: PredictCommandOptions): Promise<void> {
  const { from } = given
  if (from === undefined) throw invalidArgument('--from', 'a classifier, or --certified and an ensemble', from)
  const options = { ...given, from }
  if (options.watch === true) return predictArriving(videos, options)
  return onRanks('predict', options, (ranks) => predictOn(ranks, videos, options))
}

/** `videomae predict --watch`: prints each video when it is there, until Ctrl-C. One that cannot be read is named and ends nothing. */
async function predictArriving(
  folders: readonly string[],
  { json = false, engine, windows, csv, from, watch: _, ...given }: PredictWith,
): Promise<void> {
  requireOneProcess('predict --watch')
  await refuseIgnoredThreads({ engine, threads: given.threads, from })
  if (csv === '-') throw unusedArgument('--csv -', 'with --watch, which prints each video as it arrives', csv)
  if (csv !== undefined) await requireOwnTable(csv, predictionCsvStart, 'the table of earlier predictions')
  const interrupt = interruptSignal('Run the command again.')
  const { signal } = interrupt
  const arriving = arrivingVideos(folders, {
    signal,
    onUnusable: (reason) => process.stderr.write(`unusable: ${printable(reason)}\n`),
  })
  const { clips, crops, threads } = given
  const classifier = await openAnyClassifier(from, {
    ...{ engine: engine ?? null, threads, given: { views: clips * crops } },
  })
  const { top = 5, threshold } = given
  const write = csv === undefined ? null : growingTable(csv, Math.min(top, classifier.labels.length))
  try {
    for (const warning of classifier.warnings ?? []) process.stderr.write(`warning: ${printable(warning)}\n`)
    process.stderr.write(`watching ${folders.map(printable).join(', ')}; press Ctrl-C to stop\n`)
    for await (const videos of arriving) {
      const predictions = await predict(videos, { ...given, from: classifier, windowSeconds: windows, signal })
      for (const one of predictions) process.stdout.write(json ? `${JSON.stringify(one)}\n` : textOf(one, threshold))
      await write?.(predictions)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await classifier.close()
    interrupt.dispose()
  }
}

async function predictOn(ranks: Ranks, videos: readonly string[], options: PredictWith): Promise<void> {
  const { json = false, engine, windows, csv, ...given } = options
  await refuseIgnoredThreads({ engine, threads: given.threads, from: given.from })
  const table = csv === undefined || csv === '-' ? null : csv
  if (csv === '-' && json) throw unusedArgument('--csv -', 'with --json, which prints its own document', csv)
  // Before videos are read.
  const first = ranks.rank === 0
  await ranks.agree(async () => {
    if (first && table !== null) await requireOwnTable(table, predictionCsvStart, 'the table of earlier predictions')
  })
  const interrupt = interruptSignal('Run the command again.', ranks.size > 1 ? ranks.rank : null)
  const display = new ProgressDisplay({ stream: process.stderr, quiet: !first })
  if (ranks.size > 1) display.note(formatRanks(ranks))
  let sources: readonly SourceReading[] = []
  const print = async (predictions: readonly Prediction[]): Promise<void> => {
    const text = csv === undefined ? '' : predictionCsv(predictions)
    if (table !== null) await writeFileAtomic(table, text)
    if (json) process.stdout.write(`${JSON.stringify({ predictions, ...(sources.length === 0 ? {} : { sources }) })}\n`)
    else if (csv === '-') process.stdout.write(textFor(process.stdout, text))
    else {
      for (const prediction of predictions) process.stdout.write(textOf(prediction, given.threshold))
      if (table !== null) process.stdout.write(`wrote  ${table}\n`)
    }
  }
  try {
    const predictions = await predict(videos, {
      ...given,
      threads: given.threads ?? rankPart(ranks),
      workers: rankPart(ranks),
      ranks,
      windowSeconds: windows,
      engine: engine ?? null,
      signal: interrupt.signal,
      onWarning: (warning) => display.note(`warning: ${warning}`),
      onProgress: display.counter(windows === undefined ? 'videos' : 'windows'),
      onSources(read) {
        sources = read
        if (!json) for (const line of read.flatMap(readingLines)) display.note(line)
      },
    })
    display.end()
    if (first) await print(predictions)
    endAsRead(predictions, json, ranks)
  } finally {
    display.end()
    interrupt.dispose()
  }
}

function textOf(prediction: Prediction, threshold: number | undefined): string {
  const { start, end } = prediction.part ?? {}
  const part = prediction.part === undefined ? '' : ` ${start ?? 0} s to ${end === undefined ? 'the end' : `${end} s`}`
  const lines = prediction.ok
    ? prediction.classes.map(
        ({ label, probability }) => `  ${(100 * probability).toFixed(1).padStart(5)} %  ${printable(label)}\n`,
      )
    : [`  unreadable: ${printable(prediction.reason)}\n`]
  if (prediction.ok && prediction.label === null)
    lines.unshift(`  none of these: no class has a probability of ${threshold ?? 0}\n`)
  return `${printable(prediction.video)}${part}\n${lines.join('')}`
}

/** @throws VideoMaeError `VIDEO_UNREADABLE` */
function endAsRead(predictions: readonly Prediction[], json: boolean, ranks: Ranks): void {
  const failed = predictions.filter(({ ok }) => !ok)
  if (failed.length === 0) return
  // With --json the failures are in what was printed; a second document would not be.
  if (!json)
    throw ranks.commonly(
      new VideoMaeError(`${failed.length} of ${predictions.length} videos could not be read.`, {
        code: 'VIDEO_UNREADABLE',
        exit: 'data',
        hint: 'Each is named above.',
      }),
    )
  if (ranks.rank === 0) process.exitCode = exitCodes.data
}
