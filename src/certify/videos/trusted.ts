/**
 * Videos out of the attacker's reach that fix the scale of features. One that cannot be read or decoded is left out: that follows from
 * the trusted videos alone, so the scale is the same with and without a poisoned sample. It is named, and is in the certificate,
 * since whoever repeats the certificate needs the same scale.
 */
import { contentDigest, type LabeledVideo, leftOutOf } from '../../dataset/dataset.ts'
import { readingLines, type SourceReading } from '../../video/reading.ts'
import { readVideos } from '../../video/source.ts'
import { noVideos } from './feature-sets.ts'
import { digestOrError, type LeftOutRow, leftOutSummary } from './reading.ts'

export interface TrustedVideos {
  readonly videos: readonly LabeledVideo[]
  readonly leftOut: readonly LeftOutRow[]
  /** How they were read. */
  readonly sources: readonly SourceReading[]
}

/**
 * Lists trusted videos, without regard to labels, and digests their contents.
 *
 * @throws VideoMaeError `FEATURES_NONE` where none of them can be read; what `readVideos` throws; the system error where the machine,
 *   not the file, is at fault
 */
export async function trustedVideos(
  source: string,
  signal: AbortSignal | undefined,
  onNote: (note: string) => void,
): Promise<TrustedVideos> {
  const { entries, sources } = readVideos(source)
  for (const reading of sources)
    for (const line of readingLines({ ...reading, unusable: [], repeated: [] })) onNote(`trusted: ${line}`)
  const leftOut: LeftOutRow[] = leftOutOf(sources).map((row) => ({ ...row, side: 'trusted' }))
  const videos: LabeledVideo[] = []
  for (const entry of entries) {
    signal?.throwIfAborted()
    const content = await digestOrError(entry.path, signal)
    if (content instanceof Error) {
      leftOut.push({ id: entry.id, side: 'trusted', code: 'unreadable', reason: content.message })
      continue
    }
    videos.push({ ...entry, content, label: '', class: 0, digest: contentDigest(content.digest, entry) })
  }
  for (const { id, code, reason } of leftOut.slice(0, 10))
    onNote(`left out of the trusted videos: ${id}: ${reason} [${code}]`)
  if (leftOut.length > 0) onNote(`Of the trusted videos ${leftOutSummary(leftOut)}.`)
  if (videos.length === 0) throw noVideos(entries.length, leftOut)
  return { videos, leftOut, sources }
}
