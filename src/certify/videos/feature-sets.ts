/** Features of labeled videos in the form that certification reads. */

import { VideoMaeError } from '../../core/errors.ts'
import type { LabeledVideo } from '../../dataset/dataset.ts'
import type { AugmentationKind } from '../../inference/augmentation.ts'
import type { FeatureStore } from '../../inference/feature-store.ts'
import { computeFeatures } from '../../inference/features.ts'
import type { IdleProcesses } from '../../video/idle-processes.ts'
import type { DecoderName } from '../../video/types.ts'
import type { FeatureSet, TestSet } from '../ensemble/feature-set.ts'
import type { FeatureSource } from './feature-source.ts'
import { inputClips, meanRow } from './input-row.ts'
import { originalsOf, samplesOfVideos } from './learners/video-set.ts'
import { computePixels } from './pixels.ts'

export interface VideoFeatureOptions {
  /** Folder of the feature store. */
  readonly cache: string
  readonly engine?: string | null
  readonly threads?: number
  readonly workers?: number
  readonly decoder?: DecoderName
  /** Clips of each video, a row each. Default 1, the middle. */
  readonly clips?: number
  /** Clips of each predicted video, whose features are averaged; see `inputClips`. */
  readonly testClips?: number
  /** Further clips of each training video, rows of the same video; see `augmentationKinds`. Default: none. */
  readonly augment?: readonly AugmentationKind[]
  /** Compute only number `index` of every `count` videos. */
  readonly shard?: { readonly index: number; readonly count: number } | null
  /** Idle decoding processes of earlier calls, and where those of this one go in the end. Default: they end with the call. */
  readonly processes?: IdleProcesses
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

export interface VideoWithoutFeatures {
  readonly id: string
  readonly code: string
  readonly reason: string
  /** The row itself: its id may be that of another row, too. */
  readonly video: LabeledVideo
}

interface StoredVideos {
  readonly store: FeatureStore
  readonly videos: readonly { readonly video: LabeledVideo; readonly digest: string }[]
  readonly failures: readonly VideoWithoutFeatures[]
}

/**
 * Computes what is missing in the store.
 *
 * Clips go through the engine one by one: in a common run, the last bits of a clip's features could depend on which other
 * videos there are, and then one poisoned sample would reach every learner.
 */
export async function storeFeatures(
  source: FeatureSource,
  videos: readonly LabeledVideo[],
  options: VideoFeatureOptions,
): Promise<StoredVideos> {
  if (source.kind === 'pixels') return computePixels(source, videos, options)
  const readout = source.kind === 'scratch' ? undefined : source.readout
  return computeFeatures(source.source, videos, { ...options, kind: 'pooled', readout, batch: 1 })
}

/** Features of some videos, all clips of a video in neighboring rows. */
export interface VideoFeatures {
  /** [rows, width] */
  readonly features: Float32Array
  /** Number of rows: clips of all videos. */
  readonly rows: number
  /** Values of a row. */
  readonly width: number
  /** [rows] */
  readonly owners: readonly LabeledVideo[]
  /** Videos that could not be read. */
  readonly failures: readonly VideoWithoutFeatures[]
}

/**
 * Features of labeled videos, computed or taken from the store.
 *
 * @throws VideoMaeError `FEATURES_NONE` when no video can be read, and what `computeFeatures` throws
 */
export async function videoFeatures(
  source: FeatureSource,
  videos: readonly LabeledVideo[],
  options: VideoFeatureOptions,
): Promise<VideoFeatures> {
  return gatherFeatures(source, videos, options, (rows) => rows)
}

/**
 * Features of videos to predict: one row for each video, the mean over its clips.
 *
 * @throws VideoMaeError as `videoFeatures`
 */
export async function inputFeatures(
  source: FeatureSource,
  videos: readonly LabeledVideo[],
  options: VideoFeatureOptions,
): Promise<VideoFeatures> {
  const clips = inputClips(options)
  return gatherFeatures(source, videos, { ...options, clips, augment: undefined }, (rows, width) =>
    meanRow(Array.from({ length: rows.length / width }, (_, i) => rows.subarray(i * width, (i + 1) * width))),
  )
}

/** @param take what is kept of the rows of one video */
async function gatherFeatures(
  source: FeatureSource,
  videos: readonly LabeledVideo[],
  options: VideoFeatureOptions,
  take: (rows: Float32Array, width: number) => Float32Array,
): Promise<VideoFeatures> {
  const stored = await storeFeatures(source, videos, { ...options, shard: null })
  const { store, failures } = stored
  const parts: Float32Array[] = []
  const owners: LabeledVideo[] = []
  for (const { video, digest } of stored.videos) {
    const rows = take(await store.read(digest), store.width)
    parts.push(rows)
    for (let from = 0; from < rows.length; from += store.width) owners.push(video)
  }
  if (parts.length === 0) throw noVideos(videos.length, failures)
  const features = new Float32Array(owners.length * store.width)
  let at = 0
  for (const part of parts) {
    features.set(part, at)
    at += part.length
  }
  return { features, rows: owners.length, width: store.width, owners, failures }
}

export function noVideos(videos: number, failures: readonly { readonly reason: string }[]): VideoMaeError {
  return new VideoMaeError(`Expected readable videos, but none of ${videos} can be read.`, {
    code: 'FEATURES_NONE',
    exit: 'data',
    hint: failures[0]?.reason ?? 'Name videos to train on and to predict.',
  })
}

/** Parts of one file are one video: whoever inserts the file inserts all. */
export function featureSetOf(videos: VideoFeatures, classNames: readonly string[]): FeatureSet {
  const { features, width, owners } = videos
  const segments = owners.map(({ digest }) => digest ?? '')
  return { ...samplesOfVideos(owners, classNames), segments, features, width }
}

/** Features of labeled videos as inputs of an ensemble: one row for each view, in the order of the videos. */
export function testSetOf(videos: VideoFeatures): TestSet {
  const { features, rows, width, owners } = videos
  return {
    features,
    rows,
    width,
    labels: Int32Array.from(owners, (video) => video.class),
    ids: owners.map((video) => video.id),
    digests: owners.map(({ digest }) => digest ?? ''),
    ...originalsOf(owners),
  }
}
