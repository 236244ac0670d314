import { Ranks } from '../distributed/ranks.ts'
import { patchSource, readEncoder } from '../inference/encoder-source.ts'
import { type WrittenFeatures, writeFeatures } from '../inference/write-features.ts'
import { ProgressDisplay } from '../train/progress.ts'
import { rankPart } from '../train/rank-resources.ts'
import { readingLines } from '../video/reading.ts'
import { parseShard } from './arguments.ts'
import type { FeaturesCommandOptions } from './commands/features.ts'
import { refuseIgnoredThreads } from './ignored-threads.ts'
import { interruptSignal } from './interrupt.ts'
import { formatRanks, onRanks } from './ranks.ts'

/** `videomae features`, on all ranks that a launcher has started, unless each has its own part. */
export function featuresCommand(data: readonly string[], options: FeaturesCommandOptions): Promise<void> {
  if (options.shard !== undefined) return featuresOn(Ranks.alone(), data, options)
  return onRanks('features', options, (ranks) => featuresOn(ranks, data, options))
}

async function featuresOn(ranks: Ranks, data: readonly string[], options: FeaturesCommandOptions): Promise<void> {
  const { json = false, quiet = false, from, engine, shard, workers, threads, ...given } = options
  const first = ranks.rank === 0
  const part = rankPart(ranks)
  await refuseIgnoredThreads({ engine, threads, from })
  const hint = 'Run the same command again: it continues where it stopped.'
  const interrupt = interruptSignal(hint, ranks.size > 1 ? ranks.rank : null)
  const display = new ProgressDisplay({ stream: process.stderr, quiet: quiet || !first })
  if (ranks.size > 1) display.note(formatRanks(ranks))
  const open = () => (from === 'pixels' ? patchSource({ kind: 'dense', stride: 1, fps: null }) : readEncoder(from))
  try {
    const written = await writeFeatures(open, data, {
      ...given,
      ranks,
      shard: shard === undefined ? null : parseShard(shard),
      engine: engine ?? null,
      threads: threads ?? part,
      workers: workers ?? part,
      programs: ranks.onThisHost,
      signal: interrupt.signal,
      onProgress: display.counter('videos'),
      onNote: (note) => display.note(note),
      onSources(sources) {
        if (!json) for (const line of sources.flatMap(readingLines)) display.note(line)
      },
    })
    if (written === null) return
    if (json) process.stdout.write(`${JSON.stringify(written)}\n`)
    else process.stdout.write(textOf(written))
  } finally {
    display.end()
    interrupt.dispose()
  }
}

function textOf({ videos, rows, shape, computed, failures, files }: WrittenFeatures): string {
  return (
    `${videos} videos, ${rows} rows of [${shape.join(', ')}]; ${computed} videos computed now\n` +
    failures.map(({ reason }) => `unreadable: ${reason}\n`).join('') +
    files.map((file) => `wrote  ${file}\n`).join('')
  )
}
