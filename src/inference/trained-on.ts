/** Which of the videos that a classifier is tested on it was trained on: its scores on those say nothing of new videos. */

import { percent } from '../core/percent.ts'
import { contentDigest, contentsOfVideo, type LabeledVideo } from '../dataset/dataset.ts'
import { fileDigest } from '../format/file-digest.ts'
import { type TrainingUse, trainingUse, unknownUse } from '../train/training-use.ts'
import type { VideoEntry } from '../video/types.ts'
import type { Estimate, Scores } from './scores.ts'

export interface TrainedOn {
  /** False where more of the videos may have trained the classifier than are named here. */
  readonly known: boolean
  /** Why more of them may have; null where `known`. */
  readonly why: string | null
  /** Ids of the scored videos whose files, with their labels, trained or chose the classifier or the weights that it started from. */
  readonly withLabels: readonly string[]
  /** Ids of those that its encoder was trained on without labels. */
  readonly withoutLabels: readonly string[]
  /** Scores of the videos that are not in `withLabels`; null where all are, and where none is: then they are the scores. */
  readonly others: Scores | null
}

/** What the training of a classifier wrote down. */
export async function useOf({ location }: { readonly location?: string }): Promise<TrainingUse> {
  return location === undefined ? unknownUse('its file does not say') : trainingUse(location)
}

/** Videos with the digests of their files; a file that cannot be read has none, and decoding it fails later. */
export async function withDigests<Video extends VideoEntry & { readonly digest?: string | null }>(
  videos: readonly Video[],
  signal?: AbortSignal,
): Promise<readonly (Video & Pick<LabeledVideo, 'digest'>)[]> {
  const known = new Map<string, string | null>()
  const result: (Video & Pick<LabeledVideo, 'digest'>)[] = []
  for (const video of videos) {
    if (typeof video.digest === 'string') {
      result.push({ ...video, digest: video.digest })
      continue
    }
    signal?.throwIfAborted()
    if (!known.has(video.path)) known.set(video.path, await fileDigest(video.path, { signal }).catch(() => null))
    signal?.throwIfAborted()
    const digest = known.get(video.path) ?? null
    result.push({ ...video, digest: digest === null ? null : contentDigest(digest, video) })
  }
  return result
}

/** Videos of which the whole file, a part of it, or the file that it was prepared from is in `contents`. */
export function videosOf<Video extends Pick<LabeledVideo, 'digest' | 'original'>>(
  videos: readonly Video[],
  contents: ReadonlySet<string>,
): Video[] {
  return videos.filter((video) => contentsOfVideo(video).some((digest) => contents.has(digest)))
}

/**
 * @param results of the videos that have predictions
 * @param scoresOf scores of some of them
 */
export function trainedOnOf<Result extends { readonly video: LabeledVideo }>(
  results: readonly Result[],
  { withLabels, withoutLabels, open }: TrainingUse,
  scoresOf: (results: Result[]) => Scores,
): TrainedOn & { readonly warning: string | null } {
  const videos = results.map(({ video }) => video)
  const seen = new Set(videosOf(videos, withLabels))
  const others = results.filter(({ video }) => !seen.has(video))
  const scores = seen.size === 0 || others.length === 0 ? null : scoresOf(others)
  return {
    known: open === null,
    why: open,
    withLabels: [...seen].map(({ id }) => id),
    withoutLabels: videosOf(videos, withoutLabels).map(({ id }) => id),
    others: scores,
    warning: warningOf(seen.size, results.length, scores),
  }
}

function warningOf(seen: number, all: number, others: Scores | null): string | null {
  if (seen === 0) return null
  const were = `${seen} of the ${all} videos ${seen === 1 ? 'was' : 'were'} used to train or to choose this classifier`
  if (others === null) return `${were}: these scores say nothing about new videos.`
  return `${were}; top-1 on the other ${others.videos}: ${formatEstimate(others.top1)}.`
}

/** `75.0 % (95 %: 30.1 % to 95.4 %)` */
function formatEstimate({ value, low, high }: Estimate): string {
  return `${percent(value)} (95 %: ${percent(low)} to ${percent(high)})`
}

/** One line for people: `none of these videos`. */
export function formatTrainedOn({ known, why, withLabels, withoutLabels }: TrainedOn): string {
  const labels = withLabels.length
  const pixels =
    withoutLabels.length === 0
      ? ''
      : `; its encoder on ${withoutLabels.length} ${labels === 0 ? 'of them' : 'more'} without labels`
  if (known) return `${labels === 0 ? 'none' : labels} of these videos${pixels}`
  return labels === 0 && pixels === '' ? `unknown: ${why}` : `at least ${labels} of these videos${pixels}; ${why}`
}

/**
 * What to know before training from an encoder: validation and test videos whose labels it has seen already.
 *
 * @param from what the user calls the encoder
 */
export function encoderWarnings(
  from: string,
  { withLabels }: TrainingUse,
  parts: { readonly validation: readonly LabeledVideo[]; readonly test: readonly LabeledVideo[] },
): string[] {
  const counts = (['validation', 'test'] as const).flatMap((name) => {
    const seen = videosOf(parts[name], withLabels).length
    return seen === 0 ? [] : [`${seen} of the ${parts[name].length} ${name} videos`]
  })
  if (counts.length === 0) return []
  return [
    `${counts.join(' and ')} were used, with their labels, to train ${from}: accuracy on them will look better than it is.`,
  ]
}
