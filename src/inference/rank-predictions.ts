/** Predictions that several ranks make together, each of a part of the videos. */
import { Ranks } from '../distributed/ranks.ts'
import { entriesDigest } from '../train/pretrain-data.ts'
import { weightsDigest } from '../train/weights-digest.ts'
import type { VideoEntry } from '../video/types.ts'
import type { Classifier } from './classifier.ts'
import { type ClipClassifier, predictVideos, type VideoPrediction, type ViewOptions } from './predict-videos.ts'

export interface RankPredictionOptions extends ViewOptions {
  /** Default: this process alone. */
  readonly ranks?: Ranks
  /** Videos of all ranks that are done, as far as this rank can tell from its own. */
  readonly onProgress?: (done: number, total: number) => void
}

/** Numbers of one message: what a rank sends of its predictions at once. */
const mostNumbers = 2 ** 22

/**
 * What `predictVideos` yields for all videos, in their order, on every rank. Rank r predicts the videos r, r + ranks, and so on.
 * Collective.
 *
 * @throws VideoMaeError as `predictVideos`, on all ranks
 */
export async function predictOnRanks(
  classifier: ClipClassifier,
  entries: readonly VideoEntry[],
  { ranks = Ranks.alone(), onProgress, ...views }: RankPredictionOptions,
): Promise<VideoPrediction[]> {
  const indices = ranks.own(entries.length)
  const predict = async () => {
    const all: VideoPrediction[] = []
    const mine = indices.map((index) => entries[index])
    for await (const prediction of predictVideos(classifier, mine, views)) {
      all.push({ ...prediction, index: indices[prediction.index] })
      onProgress?.(Math.min(entries.length, all.length * ranks.size), entries.length)
    }
    return all
  }
  const own = await ranks.workTogether(predict, views.signal)
  return ranks.size === 1 ? own : exchanged(own, entries, classifier.labels.length, ranks)
}

/**
 * Refuses ranks that have another classifier or other videos than rank 0. Collective.
 *
 * @throws VideoMaeError `RANKS_DIFFER`, on all ranks
 */
export async function requireSameWork(
  ranks: Ranks,
  { labels, location }: ClipClassifier,
  entries: readonly VideoEntry[],
): Promise<void> {
  if (ranks.size === 1) return
  const weights = await ranks.agree(async () => (location === undefined ? null : await weightsDigest(location)))
  await ranks.requireSame({
    classes: JSON.stringify(labels),
    weights: weights?.slice(0, 12) ?? 'in a file',
    videos: `${entries.length} entries, ${entriesDigest(entries).slice(0, 12)}`,
  })
}

/** What all ranks have predicted, in the order of the entries. Collective. */
async function exchanged(
  own: readonly VideoPrediction[],
  entries: readonly VideoEntry[],
  classes: number,
  ranks: Ranks,
): Promise<VideoPrediction[]> {
  const failures = own.flatMap((prediction) =>
    prediction.ok ? [] : [{ index: prediction.index, code: prediction.code, reason: prediction.reason }],
  )
  const failed = new Map((await ranks.collect(failures)).map((failure) => [failure.index, failure]))
  const perMessage = Math.max(1, Math.floor(mostNumbers / classes))
  const all: VideoPrediction[] = []
  for (let first = 0; first < entries.length; first += perMessage) {
    const count = Math.min(perMessage, entries.length - first)
    // Each row is written by one rank alone and is 0 elsewhere: the sum is that row, bit by bit.
    const rows = new Float64Array(count * classes)
    for (const prediction of own)
      if (prediction.ok && prediction.index >= first && prediction.index < first + count)
        rows.set(prediction.probabilities, (prediction.index - first) * classes)
    await ranks.communicator.allReduce(rows)
    for (let i = 0; i < count; i++) {
      const index = first + i
      const failure = failed.get(index)
      const entry = entries[index]
      if (failure === undefined)
        all.push({ index, entry, ok: true, probabilities: rows.slice(i * classes, (i + 1) * classes) })
      else all.push({ index, entry, ok: false, code: failure.code, reason: failure.reason })
    }
  }
  return all
}

/**
 * Gives every rank the classifier that rank 0 has. Collective.
 *
 * @param classifier of rank 0; other ranks pass null
 */
export async function spreadClassifier<Opened extends Classifier>(
  ranks: Ranks,
  classifier: Opened | null,
): Promise<Opened | Classifier> {
  if (ranks.size === 1 && classifier !== null) return classifier
  const { state: own, configuration, head, labels, sampling } = classifier ?? ({} as Partial<Classifier>)
  const sizes = await ranks.fromFirst([...(own ?? [])].map(([name, values]) => [name, values.length] as const))
  const described = await ranks.fromFirst({ configuration, head, labels, sampling } as Omit<Classifier, 'state'>)
  const state = new Map<string, Float32Array>()
  for (const [name, length] of sizes) {
    const values = own?.get(name) ?? new Float32Array(length)
    await ranks.communicator.broadcast(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    state.set(name, values)
  }
  return classifier ?? { ...described, state }
}
