/** A validation pass: what a classifier is right about, over all ranks. */
import { VideoMaeError } from '../core/errors.ts'
import type { LabeledVideo } from '../dataset/dataset.ts'
import type { Ranks } from '../distributed/ranks.ts'
import { type ClipClassifier, predictFrom } from '../inference/predict-videos.ts'
import { largest } from '../inference/scores.ts'
import { temporalViews } from '../inference/views.ts'
import type { IdleProcesses } from '../video/idle-processes.ts'
import { type LoadedVideo, loadClips } from '../video/load-clips.ts'
import { type FinetuneConfiguration, loadingOptions } from './configuration.ts'
import type { ValidationLine } from './validation.ts'

export interface ValidationVideosOptions {
  readonly videos: readonly LabeledVideo[]
  readonly data: FinetuneConfiguration['data']
  /** Each evaluates a part of the videos; the scores are those of all. */
  readonly ranks: Ranks
  readonly processes?: IdleProcesses
  readonly signal?: AbortSignal
  readonly onNote?: (note: string) => void
}

/** What came of one video, by its index in the list. */
type Outcome =
  | { readonly index: number; readonly right: boolean; readonly loss: number }
  | { readonly index: number; readonly reason: string }

/** Validation clips that are held in memory, at most. */
const keptBytes = 256 * 2 ** 20

export class ValidationVideos {
  /** Reasons by id. */
  readonly unreadable = new Map<string, string>()
  private readonly options: ValidationVideosOptions
  /** Indices in the list of the videos that this rank evaluates. */
  private readonly own: readonly number[]
  private kept: readonly LoadedVideo[] | null = null

  constructor(options: ValidationVideosOptions) {
    const { videos, ranks } = options
    this.options = options
    this.own = ranks.own(videos.length)
  }

  /**
   * Accuracy and loss, one view each. Collective.
   *
   * @returns null where the signal of any rank stopped it
   * @throws VideoMaeError `NOTHING_TO_EVALUATE`
   */
  async validate(classifier: ClipClassifier): Promise<Omit<ValidationLine, 'step'> | null> {
    const { ranks, signal, videos } = this.options
    const own = await ranks.agree(async () => {
      try {
        return await this.evaluateOwn(classifier)
      } catch (error) {
        if (signal?.aborted === true) return null
        throw error
      }
    })
    if ((await ranks.numbers(own === null ? 1 : 0)).some((stopped) => stopped !== 0)) return null
    // Summed in the order of the list, whichever rank has evaluated a video.
    const outcomes = (await ranks.collect(own!)).sort((a, b) => a.index - b.index)
    const read = outcomes.flatMap((outcome) => ('loss' in outcome ? [outcome] : []))
    for (const outcome of outcomes) if ('reason' in outcome) this.noteUnreadable(outcome)
    if (read.length === 0) throw ranks.commonly(nothingReadable([...this.unreadable.values()][0]))
    return {
      accuracy: read.filter(({ right }) => right).length / read.length,
      loss: read.reduce((sum, { loss }) => sum + loss, 0) / read.length,
      videos: read.length,
      failures: videos.length - read.length,
    }
  }

  private async evaluateOwn(classifier: ClipClassifier): Promise<Outcome[]> {
    const { videos, signal } = this.options
    const outcomes: Outcome[] = []
    for await (const prediction of predictFrom(classifier, this.kept ?? this.load(classifier))) {
      signal?.throwIfAborted() // clips that are decoded already would be predicted to their end
      const index = this.own[prediction.index]
      if (!prediction.ok) {
        outcomes.push({ index, reason: prediction.reason })
        continue
      }
      const truth = videos[index].class
      const loss = -Math.log(Math.max(prediction.probabilities[truth], 1e-12))
      outcomes.push({ index, right: largest(prediction.probabilities) === truth, loss })
    }
    return outcomes
  }

  /** The views of this rank's videos; kept where they fit into a little memory, so that they are decoded once. */
  private async *load({ sampling, frames, size }: ClipClassifier): AsyncGenerator<LoadedVideo, void, undefined> {
    const { videos, data, processes, signal } = this.options
    const clipBytes = frames * size.height * size.width * 3
    const loaded: LoadedVideo[] | null = this.own.length * clipBytes <= keptBytes ? [] : null
    const views = loadClips({
      entries: this.own.map((index) => videos[index]),
      samplings: temporalViews(sampling, frames, 1),
      size,
      ...loadingOptions(data),
      ...{ processes, signal },
    })
    for await (const view of views) {
      loaded?.push(view)
      yield view
    }
    this.kept = loaded
  }

  private noteUnreadable({ index, reason }: { readonly index: number; readonly reason: string }): void {
    const { videos, onNote } = this.options
    const { id } = videos[index]
    if (!this.unreadable.has(id)) onNote?.(`Unreadable: ${reason}`)
    this.unreadable.set(id, reason)
  }
}

function nothingReadable(reason: string | undefined): VideoMaeError {
  return new VideoMaeError(`Expected at least one readable validation video: ${reason}`, {
    code: 'NOTHING_TO_EVALUATE',
    exit: 'data',
    hint: 'Repair or replace these files; `videomae inspect` names all of them.',
  })
}
