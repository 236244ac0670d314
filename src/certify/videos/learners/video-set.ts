/** Labeled videos for learners that read frames or tokens: who each row is, and where its content is kept. */

import { invalidArgument } from '../../../core/errors.ts'
import { RandomStream } from '../../../core/random.ts'
import { contentDigest, fileDigestOf, type LabeledVideo } from '../../../dataset/dataset.ts'
import type { SampleSet, TestInputs } from '../../ensemble/feature-set.ts'
import type { PoisonedRow } from '../../ensemble/learners.ts'
import { samplesOf } from '../../ensemble/poison.ts'
import { timesOf } from '../video-times.ts'

/** What a learner sees of a row. */
export interface Content {
  /** Under which the frames or tokens of the video are stored: `LabeledVideo.digest`. */
  readonly key: string
  /** Noise that an audit adds to it: deviation, in the units of the values, and the seed it is drawn from. */
  readonly noise: { readonly size: number; readonly seed: number } | null
}

/** A protected set; a row is a video. */
export interface VideoSet extends SampleSet {
  /** [rows] */
  readonly contents: readonly Content[]
}

/** Videos to predict, for learners that read frames. */
export interface VideoInputs extends TestInputs {
  /** [rows] */
  readonly contents: readonly Content[]
}

/** @param videos readable ones: their digests are known */
export function videoSetOf(videos: readonly LabeledVideo[], classNames: readonly string[]): VideoSet {
  return {
    ...samplesOfVideos(videos, classNames),
    parts: videos.map(({ digest }) => digest ?? ''),
    contents: videos.map(({ digest }) => ({ key: digest ?? '', noise: null })),
  }
}

/** Who each row is, one for each entry: identity, content, label, source and time. */
export function samplesOfVideos(videos: readonly LabeledVideo[], classNames: readonly string[]): SampleSet {
  const groups = videos.map((video) => video.group)
  const times = timesOf(videos)
  return {
    rows: videos.length,
    labels: Int32Array.from(videos, (video) => video.class),
    classNames,
    ids: videos.map(videoIdOf),
    digests: videos.map(fileDigestOf),
    ...originalsOf(videos),
    ...(groups.every((group) => group !== undefined) ? { groups } : {}),
    ...(times === undefined ? {} : { times }),
  }
}

/** Nothing where no video was prepared from another. */
export function originalsOf(videos: readonly Pick<LabeledVideo, 'original'>[]): Pick<SampleSet, 'originals'> {
  if (videos.every(({ original }) => original === undefined)) return {}
  return { originals: videos.map(({ original }) => original ?? null) }
}

/**
 * The id of a video without the part of it that is meant: whoever inserts a file inserts all of its parts. Only where a list names
 * a part: a whole file may be called `a.mp4#0-1` and is not one of `a.mp4`.
 */
export function videoIdOf(video: Pick<LabeledVideo, 'id' | 'start' | 'end'>): string {
  const { id } = video
  const part = contentDigest('', video)
  return part !== '' && id.endsWith(part) ? id.slice(0, -part.length) : id
}

export function videoInputsOf(videos: readonly LabeledVideo[]): VideoInputs {
  return {
    rows: videos.length,
    labels: Int32Array.from(videos, (video) => video.class),
    ids: videos.map((video) => video.id),
    digests: videos.map(({ digest }) => digest ?? ''),
    ...originalsOf(videos),
    contents: videos.map(({ digest }) => ({ key: digest ?? '', noise: null })),
  }
}

/** `LearnerFamily.poisoned`: edited videos are their frames or tokens plus noise. */
export function poisonedVideos(set: VideoSet, inputs: VideoInputs, rows: readonly PoisonedRow[]): VideoSet {
  const contents = rows.map(({ content }): Content => {
    if (content.kind === 'input') return inputs.contents[content.input]
    if (content.kind === 'features') throw invalidArgument('content', 'videos, not features', content.kind)
    const before = set.contents[content.row]
    return content.kind === 'row' ? before : { ...before, noise: { size: content.size, seed: content.seed } }
  })
  const parts = contents.map(({ key }) => key)
  return { ...samplesOf(rows, set), parts, contents }
}

/** Adds what `noise` says to `values`, times `unit`, in place. */
export function addNoise(values: Float32Array | Uint8ClampedArray, { noise }: Content, unit: number): void {
  if (noise === null) return
  const stream = new RandomStream(noise.seed, 'poison')
  for (let i = 0; i < values.length; i++) values[i] += unit * noise.size * stream.normal()
}
