/** Which videos are protected and which are predicted. */
import { sha256 } from '../certify/data/hash.ts'
import type { LabelledVideo } from '../finetune/dataset.ts'
import { videosOfSplit } from '../finetune/split.ts'

export interface DivisionOptions {
  /** Share of the videos to predict, where the list has no split column. Default 0.2. */
  readonly testShare?: number
  readonly seed?: number
}

export interface Division {
  readonly train: readonly LabelledVideo[]
  readonly test: readonly LabelledVideo[]
  readonly how: string
}

/**
 * The split column where there is one: its training part is protected, its test part predicted. Otherwise every video is put
 * on a side by its own hash, that of its group where it has one, so that inserting or deleting one moves no other: a shuffled
 * split, or one by what all videos have in common, would let one poison reach every learner.
 */
export function divideVideos(videos: readonly LabelledVideo[], options: DivisionOptions = {}): Division {
  const { testShare = 0.2, seed = 0 } = options
  if (videos.some((video) => video.split !== undefined)) {
    return { train: videosOfSplit(videos, 'train'), test: videosOfSplit(videos, 'test'), how: 'split column' }
  }
  const keyOf = (video: LabelledVideo) =>
    video.group === undefined ? `content ${fileDigestOf(video)}` : `group ${video.group}`
  const isTest = (video: LabelledVideo) =>
    Number.parseInt(sha256(`test split ${seed} ${keyOf(video)}`).slice(0, 12), 16) < testShare * 2 ** 48
  return {
    train: videos.filter((video) => !isTest(video)),
    test: videos.filter(isTest),
    how: `hash of ${howTold(videos)}, ${testShare} of the videos to test on`,
  }
}

function howTold(videos: readonly LabelledVideo[]): string {
  const grouped = videos.filter((video) => video.group !== undefined).length
  return grouped === 0 ? 'the content' : grouped === videos.length ? 'the group' : 'the group, or content without one'
}

/** SHA-256 of the whole file; parts of one file share it, and so one bucket. */
export function fileDigestOf({ digest }: Pick<LabelledVideo, 'digest'>): string {
  return (digest ?? '').slice(0, 64)
}
