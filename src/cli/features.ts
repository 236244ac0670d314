import path from 'node:path'
import { requireCount } from '../core/counts.ts'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { sortClasses } from '../dataset/dataset.ts'
import { Ranks } from '../distributed/ranks.ts'
import { openEncoder, patchSource, type TokenSource } from '../inference/encoder-source.ts'
import { requireFeatureFolder, writeFeatureFiles } from '../inference/feature-files.ts'
import { toldFailure } from '../inference/features.ts'
import { computeFeaturesOnRanks } from '../inference/rank-features.ts'
import { clipTiming } from '../train/clip-timing.ts'
import { ProgressDisplay } from '../train/progress.ts'
import { rankPart } from '../train/rank-resources.ts'
import { readingLines } from '../video/reading.ts'
import { readVideos } from '../video/source.ts'
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
  const { json = false, out = 'features', from, engine, windowStep } = options
  const first = ranks.rank === 0
  const part = rankPart(ranks)
  refuseIgnoredThreads(engine, options.threads)
  await ranks.agree(() => requireFeatureFolder(out))
  const hint = 'Run the same command again: it continues where it stopped.'
  const interrupt = interruptSignal(hint, ranks.size > 1 ? ranks.rank : null)
  const display = new ProgressDisplay({ stream: process.stderr, quiet: options.quiet === true || !first })
  if (ranks.size > 1) display.note(formatRanks(ranks))
  try {
    const opened = await ranks.agree<TokenSource>(() =>
      from === 'pixels' ? patchSource({ kind: 'dense', stride: 1, fps: null }) : openEncoder(from),
    )
    for (const warning of opened.warnings) display.note(`warning: ${warning}`)
    const { sampling } = opened
    const source = { ...opened, sampling: { kind: sampling.kind, ...clipTiming(options, sampling) } }
    const { entries, sources: read } = await ranks.agree(() => readVideos(data, { labelFromFolder: true }))
    if (!json) for (const line of read.flatMap(readingLines)) display.note(line)
    const { classes, videos, unlabeled } = withClasses(entries)
    if (classes !== null && unlabeled > 0)
      display.note(
        `${unlabeled} of ${entries.length} videos ${unlabeled === 1 ? 'has' : 'have'} no label: -1 in labels of features.safetensors, null in index.json`,
      )
    const shard = options.shard === undefined ? null : parseShard(options.shard)
    const { kind, readout, clips, crops, batch, decoder } = options
    const computed = await computeFeaturesOnRanks(source, videos, {
      ranks,
      kind,
      readout,
      cache: options.cache ?? path.join(out, 'store'),
      clips,
      crops,
      windowStep: windowStep ?? null,
      shard,
      batch,
      engine: engine ?? null,
      threads: options.threads ?? part,
      decoder,
      workers: options.workers ?? part,
      programs: ranks.onThisHost,
      signal: interrupt.signal,
      onProgress: display.counter('videos'),
    })
    if (computed === null) return
    const { failures, shape } = computed
    // A share without one is no reason to stop the others; putting them together says so where there is none at all.
    if (shard === null && computed.videos.length === 0 && failures.length > 0) {
      throw new VideoMaeError(
        `Expected a readable video in ${data.join(', ')}, but none of ${failures.length} is: ${failures[0].reason}`,
        {
          code: 'VIDEO_UNREADABLE',
          exit: 'data',
          hint: '`videomae inspect` names all of them.',
        },
      )
    }
    const folder = shard === null ? out : path.join(out, `${shard.index + 1}-of-${shard.count}`)
    const written = await writeFeatureFiles(folder, computed, classes)
    const result = {
      ...written,
      videos: computed.videos.length,
      computed: computed.computed,
      encoder: computed.encoder,
      readout: computed.readout,
      failures: failures.map(toldFailure),
      sources: read,
    }
    if (json) {
      process.stdout.write(`${JSON.stringify(result)}\n`)
      return
    }
    process.stdout.write(
      `${result.videos} videos, ${written.rows} rows of [${shape.join(', ')}]; ${computed.computed} videos computed now\n` +
        failures.map(({ reason }) => `unreadable: ${reason}\n`).join('') +
        written.files.map((file) => `wrote  ${file}\n`).join(''),
    )
  } finally {
    display.end()
    interrupt.dispose()
  }
}

/** Videos with the index of their class, where any has a label; one without a label has no class. */
export function withClasses<Video extends { readonly label?: string }>(
  entries: readonly Video[],
): {
  /** Sorted; null where no video has a label. */
  readonly classes: readonly string[] | null
  readonly videos: readonly (Video & { readonly class?: number })[]
  readonly unlabeled: number
} {
  const labels = entries.flatMap(({ label }) => (label === undefined ? [] : [label]))
  const unlabeled = entries.length - labels.length
  if (labels.length === 0) return { classes: null, videos: entries, unlabeled }
  const classes = sortClasses(new Set(labels))
  const videos = entries.map((entry) =>
    entry.label === undefined ? entry : { ...entry, class: classes.indexOf(entry.label) },
  )
  return { classes, videos, unlabeled }
}

/** `3/16` -> number 2 of 16, counted from 0. */
export function parseShard(text: string): { readonly index: number; readonly count: number } {
  const match = /^(\d+)\/(\d+)$/.exec(text)
  const [index, count] = match === null ? [0, 0] : [Number(match[1]), Number(match[2])]
  if (match === null || index < 1 || index > count) {
    throw invalidArgument('--shard', 'NUMBER/COUNT such as 3/16, counted from 1', text)
  }
  requireCount('shards', count, '--shard')
  return { index: index - 1, count }
}
