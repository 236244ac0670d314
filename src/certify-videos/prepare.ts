/** Everything between a folder of videos and the mathematics of certificates. */
import type { Rule } from '../certify/certify-ballots.ts'
import type { BucketKey } from '../certify/data/buckets.ts'
import type { FeatureSet, TestSet } from '../certify/data/feature-set.ts'
import { checkThreat, type EncoderProvenance, type Threat } from '../certify/threat.ts'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { fileDigest, type LabelledVideo, openDataset } from '../finetune/dataset.ts'
import { listVideos } from '../video/index.ts'
import { type Division, type DivisionOptions, divideVideos, fileDigestOf } from './division.ts'
import { featureSetOf, storeFeatures, testSetOf, type VideoFeatureOptions, videoFeatures } from './feature-sets.ts'
import { type FeatureSource, openFeatureSource } from './feature-source.ts'
import { encoderProvenance, type ProvenanceOptions } from './provenance.ts'
import { applyScale, measureScale } from './scale.ts'

export interface CertifyVideosOptions
  extends DivisionOptions,
    VideoFeatureOptions,
    Omit<ProvenanceOptions, 'scaledOn' | 'signal'> {
  /** A folder per class or a list with labels, optional groups and an optional split column. */
  readonly data: string
  /** See `openFeatureSource`. */
  readonly from: string
  /** Videos to predict, instead of a part of `data`. */
  readonly test?: string
  /** The classes. Default: those of `data`, which then has to have a video of each under any attack. */
  readonly classes?: readonly string[]
  /** Videos out of the attacker's reach (labels not needed) that fix the scale of features. */
  readonly trusted?: string
  /** Frames from one frame of a clip to the next; default: as the encoder was trained. */
  readonly stride?: number
  /** Told what a user should know. */
  readonly onNote?: (note: string) => void
}

/** What is known before a single video is decoded. */
export interface CertifyVideosPlan {
  readonly source: FeatureSource
  readonly classes: readonly string[]
  readonly division: Division
  readonly encoder: EncoderProvenance
  /** Trusted videos. */
  readonly scaling: readonly LabelledVideo[]
}

export interface PreparedSets {
  readonly set: FeatureSet
  readonly test: TestSet
  readonly encoder: EncoderProvenance
}

/**
 * Lists the videos, digests their contents, opens the encoder and looks up what it was trained on.
 *
 * @throws VideoMaeError what `openDataset`, `openFeatureSource` and `manifestOfData` throw
 */
export async function planCertification(options: CertifyVideosOptions): Promise<CertifyVideosPlan> {
  const { data, from, stride, signal, onNote = () => {} } = options
  const source = await openFeatureSource(from, { stride, seed: options.seed })
  if (source.kind === 'encoder') for (const warning of source.source.warnings) onNote(`${from}: ${warning}`)
  const { videos, classes, unreadable } = await openDataset(data, { classes: options.classes, signal })
  for (const { id, reason } of unreadable.slice(0, 10)) onNote(`${id} cannot be read: ${reason}`)
  const division = await divide(videos.filter(readable), classes, options)
  if (options.classes === undefined)
    onNote(`Classes are taken from the labels: ${classes.join(', ')}. Fix them with --classes.`)
  const scaling = options.trusted === undefined ? [] : await trustedVideos(options.trusted, signal)
  const protectedDigests = division.train.map(fileDigestOf)
  const { provenance, notes } = await encoderProvenance(source, protectedDigests, {
    ...options,
    scaledOn: scaling.map(fileDigestOf),
  })
  for (const note of notes) onNote(note)
  const seen = new Set(protectedDigests)
  const both = division.test.filter((video) => seen.has(fileDigestOf(video))).length
  if (both > 0)
    onNote(`${both} videos to predict have the content of a training video; accuracy will look better than it is.`)
  return { source, classes, division, encoder: provenance, scaling }
}

/**
 * Refuses a claim that the encoder's origin contradicts, before features are computed.
 *
 * @throws VideoMaeError `THREAT_NOT_CERTIFIED`, as `certify` does later
 */
export function checkPlan(plan: CertifyVideosPlan, by: BucketKey, rules: readonly Rule[], threat: Threat): void {
  const { train } = plan.division
  const outline: FeatureSet = {
    features: new Float32Array(train.length),
    rows: train.length,
    width: 1,
    labels: Int32Array.from(train, (video) => video.class),
    classNames: plan.classes,
    ids: train.map((video) => video.id),
    digests: train.map(fileDigestOf),
  }
  checkThreat(outline, by, rules, { threat, encoder: plan.encoder })
  if (by !== 'source') return
  const without = train.find((video) => video.group === undefined)
  if (without === undefined) return
  throw new VideoMaeError(`Expected a group for every video, but ${without.id} has none.`, {
    code: 'GROUP_MISSING',
    exit: 'data',
    hint: 'Use a CSV with the columns path,label,group, where a group is an uploader, a camera or a batch.',
  })
}

/** @throws VideoMaeError `FEATURES_NONE` and what `computeFeatures` throws */
export async function prepareSets(plan: CertifyVideosPlan, options: CertifyVideosOptions): Promise<PreparedSets> {
  const { source, classes, division, encoder, scaling } = plan
  const { onNote = () => {} } = options
  const train = await videoFeatures(source, division.train, options)
  const test = await videoFeatures(source, division.test, { ...options, clips: 1 })
  for (const { reason } of [...train.failures, ...test.failures].slice(0, 10)) onNote(`left out: ${reason}`)
  const sets = { set: featureSetOf(train, classes), test: testSetOf(test), encoder }
  if (scaling.length === 0) return sets
  const scale = measureScale(await videoFeatures(source, scaling, { ...options, clips: 1 }))
  return { set: applyScale(sets.set, scale), test: applyScale(sets.test, scale), encoder }
}

/** Computes the share of the features that one of several cluster jobs has to. */
export async function prepareShare(
  plan: CertifyVideosPlan,
  options: CertifyVideosOptions,
  shard: { readonly index: number; readonly count: number },
): Promise<void> {
  const { division, source, scaling } = plan
  await storeFeatures(source, division.train, { ...options, shard })
  await storeFeatures(source, [...division.test, ...scaling], { ...options, clips: 1, shard })
}

const readable = (video: LabelledVideo): boolean => video.digest !== null

async function divide(
  videos: readonly LabelledVideo[],
  classes: readonly string[],
  options: CertifyVideosOptions,
): Promise<Division> {
  const { testShare = 0.2, test, signal } = options
  if (!(testShare > 0 && testShare < 1)) throw invalidArgument('testShare', 'a share between 0 and 1', testShare)
  if (test === undefined) return divideVideos(videos, options)
  const other = await openDataset(test, { classes, signal })
  return { train: videos, test: other.videos.filter(readable), how: `tested on ${test}` }
}

/** Videos without regard to labels. */
async function trustedVideos(source: string, signal: AbortSignal | undefined): Promise<LabelledVideo[]> {
  const videos: LabelledVideo[] = []
  for (const entry of listVideos(source)) {
    signal?.throwIfAborted()
    const part = entry.start === undefined && entry.end === undefined ? '' : `#${entry.start ?? 0}-${entry.end ?? ''}`
    const digest = await fileDigest(entry.path).catch(() => null)
    if (digest !== null) videos.push({ ...entry, label: '', class: 0, digest: `${digest}${part}` })
  }
  return videos
}
