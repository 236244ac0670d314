import { printable } from '../core/printable.ts'
import { type PreparedSummary, type PrepareOptions, planPreparation, prepareVideos } from '../prepare/prepare.ts'
import { type PrepareTrial, tryPreparation } from '../prepare/trial.ts'
import { formatBytes } from '../train/memory-need.ts'
import { formatSeconds, ProgressDisplay } from '../train/progress.ts'
import { readingLines } from '../video/reading.ts'
import { parseShard } from './arguments.ts'
import type { PrepareCommandOptions } from './commands/prepare.ts'
import { interruptSignal } from './interrupt.ts'

/** Videos that are named; `left-out.csv` and `--json` have all. */
const mostNamed = 10

/** `videomae prepare`. */
export async function prepareCommand(source: string, out: string, options: PrepareCommandOptions): Promise<void> {
  const { json = false, quiet = false, size, group, quality, fps = null, base, jobs, shard } = options
  const interrupt = interruptSignal('Run the same command again: it continues where it stopped.')
  const display = new ProgressDisplay({ stream: process.stderr, quiet })
  const settings: PrepareOptions = {
    settings: { size, group, quality, fps },
    base,
    jobs,
    ...(shard === undefined ? {} : { share: parseShard(shard) }),
    timeoutSeconds: options.timeout,
    signal: interrupt.signal,
    onNote: (note) => display.note(note),
    onSources: (sources) => {
      if (!json) for (const line of sources.flatMap(readingLines)) display.note(line)
    },
    onProgress: display.counter('videos'),
  }
  const print = (result: object, text: () => string[]): void => {
    display.end()
    process.stdout.write(
      json
        ? `${JSON.stringify(result)}\n`
        : text()
            .map((line) => `${printable(line)}\n`)
            .join(''),
    )
  }
  try {
    if (options.dryRun === true) {
      const plan = await planPreparation(source, out, settings)
      settings.onSources?.(plan.sources)
      const trial = await tryPreparation(plan, out, settings)
      print({ ...trial, sources: plan.sources }, () => trialText(trial, out))
    } else {
      const summary = await prepareVideos(source, out, settings)
      print(summary, () => summaryText(summary))
    }
  } finally {
    display.end()
    interrupt.dispose()
  }
}

function summaryText({
  folder,
  files,
  encoded,
  before,
  bytes,
  list,
  listed,
  missing,
  leftOut,
  written,
}: PreparedSummary) {
  const more = leftOut.length > mostNamed ? [`  and ${leftOut.length - mostNamed} more`] : []
  const failed = files - encoded - before
  return [
    `${files} files: ${encoded} prepared now, ${before} before${failed === 0 ? '' : `, ${failed} not usable`}`,
    `${formatBytes(bytes.originals)} of originals became ${formatBytes(bytes.prepared)} in ${folder}`,
    ...(leftOut.length === 0 ? [] : [`${leftOut.length} left out:`]),
    ...leftOut.slice(0, mostNamed).map(({ reason, code }) => `  ${reason} [${code}]`),
    ...more,
    ...(missing === 0
      ? []
      : [
          `${missing} videos are not prepared yet: when all shares are done, run the command once more without --shard`,
        ]),
    ...written.map((file) => `wrote  ${file}`),
    `Train on ${list} (${listed} videos): it has labels and splits, and the digests of the originals.`,
  ]
}

function trialText(
  { files, done, tried, failures, secondsLeft, jobs, growth, speedup }: PrepareTrial,
  out: string,
): string[] {
  return [
    `${files} files, ${done} of them prepared already in ${out}`,
    ...failures.map(({ reason, code }) => `not usable: ${reason} [${code}]`),
    ...(tried === 0
      ? []
      : [
          `measured on ${tried} of them:`,
          `  time      about ${formatSeconds(secondsLeft)} for the others, with ${jobs} ${jobs === 1 ? 'job' : 'jobs'} on an idle machine`,
          `  bytes     ${growth.toFixed(2)} times those of the originals`,
          ...(speedup === null
            ? []
            : [`  decoding  ${speedup.toFixed(1)} times as fast for clips of 16 frames at stride 4, 224 pixels`]),
        ]),
    'Nothing was written.',
  ]
}
