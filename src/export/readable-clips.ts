/** The clips that an exported classifier is compared on and calibrated with. */
import { VideoMaeError } from '../core/errors.ts'
import { RandomStream } from '../core/random.ts'
import type { Classifier } from '../inference/classifier.ts'
import type { VideoFailure } from '../inference/evaluate.ts'
import { temporalViews } from '../inference/views.ts'
import { frameSize, type ModelConfiguration } from '../model/configuration.ts'
import { renderMotionClip } from '../synthetic/motion.ts'
import { loadClips } from '../video/load-clips.ts'
import type { VideoEntry } from '../video/types.ts'

/** Files that are named where many cannot be read. */
export const mostNamedFiles = 10

/** Four generated clips that move, uint8 [4, frames, height, width, 3]. */
export function generatedClips(configuration: ModelConfiguration): Uint8Array {
  const { frames } = configuration
  const { height, width } = frameSize(configuration)
  const kinds = ['left', 'up', 'clockwise', 'orbit-clockwise'] as const
  return Buffer.concat(
    kinds.map((kind, i) => renderMotionClip(kind, new RandomStream('export', i), { width, height, frames })),
  )
}

/** Clips that were read. */
export interface ReadableClips {
  /** One clip of each of `videos`, uint8 [videos, frames, height, width, 3]. */
  readonly clips: Uint8Array
  readonly videos: readonly VideoEntry[]
  readonly unreadable: readonly VideoFailure[]
}

/**
 * The middle clips of `most` readable videos at most, spread over all of them. Others take the places of unreadable ones.
 *
 * @param options `what` the videos are for, as the message about videos that cannot be read names it
 * @throws VideoMaeError `VIDEO_UNREADABLE` naming the files when none can be read
 */
export async function readableClips(
  { configuration, sampling }: Pick<Classifier, 'configuration' | 'sampling'>,
  all: readonly VideoEntry[],
  { what, most, signal }: { readonly what: string; readonly most: number; readonly signal: AbortSignal },
): Promise<ReadableClips> {
  const count = Math.min(most, all.length)
  const spread = new Set(Array.from({ length: count }, (_, i) => Math.floor((i * all.length) / count)))
  const samplings = temporalViews(sampling, configuration.frames, 1)
  const clips: Uint8Array[] = []
  const videos: VideoEntry[] = []
  const unreadable: VideoFailure[] = []
  for (const entries of [all.filter((_, i) => spread.has(i)), all.filter((_, i) => !spread.has(i))]) {
    if (clips.length === count) break
    for await (const loaded of loadClips({ entries, samplings, size: frameSize(configuration), signal })) {
      if (loaded.ok) {
        clips.push(loaded.clips)
        videos.push(entries[loaded.index])
      } else unreadable.push({ id: loaded.entry.id, code: loaded.code, reason: loaded.reason })
      if (clips.length === count) break
    }
  }
  if (clips.length > 0) return { clips: Buffer.concat(clips), videos, unreadable }
  const named = unreadable.slice(0, mostNamedFiles).map(({ reason }) => reason)
  const more = unreadable.length - named.length
  throw new VideoMaeError(
    `Expected a readable video for ${what}, but none of ${unreadable.length} is: ${named.join('; ')}${more === 0 ? '' : `; and ${more} more`}.`,
    {
      code: 'VIDEO_UNREADABLE',
      exit: 'data',
      hint: 'Repair or replace these files; `videomae inspect` names all of them.',
    },
  )
}
