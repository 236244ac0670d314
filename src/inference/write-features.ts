/** From videos to files of features. */
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { sortClasses } from '../dataset/dataset.ts'
import { Ranks } from '../distributed/ranks.ts'
import { type AskedTiming, clipTiming } from '../train/clip-timing.ts'
import type { SourceReading } from '../video/reading.ts'
import { readVideos } from '../video/source.ts'
import type { TokenSource } from './encoder-source.ts'
import { type FeatureFiles, requireFeatureFolder, writeFeatureFiles } from './feature-files.ts'
import type { OpenFeatureSession } from './feature-session.ts'
import { type FeatureOptions, toldFailure } from './features.ts'
import { computeFeaturesOnRanks } from './rank-features.ts'

/** Where the files go, which features they have, and who is told of what. */
export interface WriteFeaturesOptions extends Omit<FeatureOptions, 'cache' | 'ranks'>, AskedTiming {
  /** Folder of the files. A shard has a folder of its own in it. */
  readonly out: string
  /** Folder of the store. Default: `store` in `out`. */
  readonly cache?: string
  /** Processes that compute together; the first writes. Default: this process alone. */
  readonly ranks?: Ranks
  /** Called with what a user should know, a sentence each. */
  readonly onNote?: (note: string) => void
  /** Called with how folders and lists were read, before the first video is. */
  readonly onSources?: (sources: readonly SourceReading[]) => void
}

/** The files that were written, and what is in them. */
export interface WrittenFeatures extends FeatureFiles {
  /** Videos with features. */
  readonly videos: number
  /** How many of them were computed now, not found in the store. */
  readonly computed: number
  /** SHA-256 of weights and architecture, as 64 hex digits. */
  readonly encoder: string
  /** The full name of what features are of the tokens. */
  readonly readout: string
  /** Videos that could not be read. */
  readonly failures: readonly ReturnType<typeof toldFailure>[]
  /** How folders and lists were read. */
  readonly sources: readonly SourceReading[]
}

/**
 * Computes features of all videos that folders and lists have, and writes them. Collective.
 *
 * @param open gives what makes features; called once the folder has been accepted
 * @param data folders, lists or videos
 * @returns null on other ranks than the first
 * @throws VideoMaeError `OUTPUT_TAKEN`; `VIDEO_UNREADABLE` where no video is readable; as `computeFeatures`; what `open` throws
 */
export async function writeFeatures(
  open: () => TokenSource | Promise<TokenSource>,
  data: readonly string[],
  { out, stride, fps, ranks = Ranks.alone(), onNote, onSources, ...options }: WriteFeaturesOptions,
  openSession?: OpenFeatureSession,
): Promise<WrittenFeatures | null> {
  await ranks.agree(() => requireFeatureFolder(out))
  const opened = await ranks.agree<TokenSource>(open)
  for (const warning of opened.warnings) onNote?.(`warning: ${warning}`)
  const { sampling } = opened
  const source = { ...opened, sampling: { kind: sampling.kind, ...clipTiming({ stride, fps }, sampling) } }
  const { entries, sources } = await ranks.agree(() => readVideos(data, { labelFromFolder: true }))
  onSources?.(sources)
  const { classes, videos, unlabeled } = withClasses(entries)
  if (classes !== null && unlabeled > 0)
    onNote?.(
      `${unlabeled} of ${entries.length} videos ${unlabeled === 1 ? 'has' : 'have'} no label: -1 in labels of features.safetensors, null in index.json`,
    )
  const { shard = null, cache = path.join(out, 'store') } = options
  const found = await computeFeaturesOnRanks(source, videos, { ...options, cache, ranks }, openSession)
  if (found === null) return null
  const { failures, computed, encoder, readout } = found
  // A share without one is no reason to stop the others; putting them together says so where there is none at all.
  if (shard === null && found.videos.length === 0 && failures.length > 0)
    throw nothingReadable(data, failures.length, failures[0].reason)
  const folder = shard === null ? out : path.join(out, `${shard.index + 1}-of-${shard.count}`)
  const written = await writeFeatureFiles(folder, found, classes)
  return {
    ...{ ...written, videos: found.videos.length, computed, encoder, readout },
    failures: failures.map(toldFailure),
    sources,
  }
}

function nothingReadable(data: readonly string[], count: number, reason: string): VideoMaeError {
  return new VideoMaeError(`Expected a readable video in ${data.join(', ')}, but none of ${count} is: ${reason}`, {
    code: 'VIDEO_UNREADABLE',
    exit: 'data',
    hint: '`videomae inspect` names all of them.',
  })
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
