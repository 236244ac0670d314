/** What a certificate of videos says next to the mathematics: the rows, the classes and the options that it is about. */

import { engineRecord } from '../../train/engine-choice.ts'
import { decoderRecord } from '../../video/decoder.ts'
import type { SourceReading } from '../../video/reading.ts'
import type { BucketManifest } from '../ensemble/buckets.ts'
import type { CertificateFile } from '../files/certificate-file.ts'
import { looksIntoHeads } from '../rules/list.ts'
import { otherClasses } from '../threat/class-names.ts'
import { readingConditions, type ThreatStatement } from '../threat/threat.ts'
import type { FeatureSource } from './feature-source.ts'
import { inputClips } from './input-row.ts'
import { isHeadKind } from './learners/learner-options.ts'
import { videoIdOf } from './learners/video-set.ts'
import { type CertifyVideosOptions, type CertifyVideosPlan, labelsMakeGroups, requireLabeledRows } from './plan.ts'
import type { LeftOutRow } from './reading.ts'
import type { SeenInputs } from './seen-inputs.ts'

/** What of a list decides which rows there are; a folder has its files, which are named one by one in the buckets. */
type ReadSource = Pick<SourceReading, 'source' | 'kind' | 'sha256' | 'format' | 'encoding' | 'columns' | 'unused'>

/** What of a source a certificate states. */
export function readSource({ source, kind, sha256, format, encoding, columns, unused }: SourceReading): ReadSource {
  return { source, kind, sha256, format, encoding, columns, unused }
}

/** `certificate.json` of videos. */
export interface VideoCertificate extends CertificateFile {
  /** Where the videos are from, and how they were divided. */
  readonly data: {
    /** What was read. */
    readonly source: string
    readonly test: string | null
    /** Of each source, of the trusted videos, too: what tells whether another file is the same, and how it was read. */
    readonly read: readonly ReadSource[]
    /** How rows came to their sides, and all rows that were read: each is protected, predicted or left out. */
    readonly division: string
    readonly rows: number
    readonly protected: number
    readonly predicted: number
    readonly leftOut: readonly LeftOutRow[]
    /** The videos that fix the scale of features, and those of them that could not be read or decoded; null without. */
    readonly trusted: {
      readonly source: string
      readonly videos: number
      readonly leftOut: readonly LeftOutRow[]
    } | null
    /** Of the videos to predict, those that learners or encoders have seen. */
    readonly seen: SeenInputs
    /** `any`: the claim holds whatever classes there are; `declared`: for these classes, videos with other labels left out. */
    readonly classes: 'any' | 'declared'
    /** `labels`, `declared`, or the file that was read. */
    readonly classesFrom: string
    /** SHA-256 of that file. */
    readonly classesDigest: string | null
  }
  /** Options that the predictions depend on, with the values that were used. */
  readonly options: Readonly<Record<string, unknown>>
}

/**
 * The content of `certificate.json` for videos.
 *
 * @param leftOut what preparing the learners left out, next to what the plan did
 * @param manifests of all runs
 * @throws VideoMaeError `ROWS_WITHOUT_CLASS` for data in which a label decides whether a row is a sample, where that is not covered
 */
export async function videoCertificate(
  certificate: CertificateFile,
  plan: CertifyVideosPlan,
  leftOut: readonly LeftOutRow[],
  manifests: readonly BucketManifest[],
  options: CertifyVideosOptions,
): Promise<VideoCertificate> {
  const { split, classes } = plan
  const whiteBox = certificate.runs.some(({ rule }) => looksIntoHeads(rule))
  if (whiteBox || labelsMakeGroups(plan, certificate.threat.threat)) requireLabeledRows(split)
  const undecoded = (side: LeftOutRow['side']) =>
    new Set(leftOut.filter((row) => row.side === side).map(({ id }) => id))
  const [lostTraining, lostTest] = [undecoded('training'), undecoded('test')]
  const inBuckets = new Set(manifests.flatMap(({ assignment }) => assignment.map(([id]) => id)))
  const train = split.train.filter(({ id }) => !lostTraining.has(id))
  const used = train.filter((video) => inBuckets.has(videoIdOf(video)))
  // With rule `temporal`: from before the oldest period that any learner is trained on.
  const older = train
    .filter((video) => !inBuckets.has(videoIdOf(video)))
    .map(
      ({ id }): LeftOutRow => ({
        id,
        side: 'training',
        code: 'outside the periods',
        reason: 'it is older than all periods',
      }),
    )
  const open = opensClasses(classes)
  return {
    ...certificate,
    threat: threatOfVideos(certificate.threat, plan, options),
    data: {
      source: options.data,
      test: options.test ?? null,
      read: [...split.sources, ...(plan.trusted?.sources ?? [])].map(readSource),
      division: split.how,
      rows: split.rows,
      protected: used.length,
      predicted: split.test.length - lostTest.size,
      leftOut: [...split.leftOut, ...leftOut.filter(({ side }) => side !== 'trusted'), ...older],
      trusted: trustedOf(plan, leftOut, options),
      seen: plan.seen,
      classes: open ? 'any' : 'declared',
      classesFrom: plan.classList.from,
      classesDigest: plan.classList.sha256,
    },
    options: await optionsOf(plan, options),
    ...(certificate.provenance === undefined
      ? {}
      : { provenance: { ...certificate.provenance, decoder: await decoderRecord(options.decoder) } }),
  }
}

/** Whether a claim holds for any classes. */
export function opensClasses(classes: readonly string[]): boolean {
  return classes[0] === otherClasses[0]
}

/** The readout of all sources; undefined where files of earlier versions have none: the mean over tokens, and plain pixels. */
export function readoutOf([source]: readonly FeatureSource[]): string | undefined {
  if (source.kind === 'scratch') return undefined
  if (source.kind === 'pixels') return source.readout ?? undefined
  return source.kind !== 'patches' && source.readout === 'mean' ? undefined : source.readout
}

/** A claim with the conditions that the reading of the data adds. */
export function threatOfVideos(
  threat: ThreatStatement,
  { classes }: Pick<CertifyVideosPlan, 'classes'>,
  options: CertifyVideosOptions,
): ThreatStatement {
  const { data: source, test = null, split = null } = options
  const reading = readingConditions({ source, test, split }, opensClasses(classes))
  return { ...threat, conditions: [...threat.conditions, ...reading] }
}

function trustedOf(
  { trusted }: CertifyVideosPlan,
  leftOut: readonly LeftOutRow[],
  { trusted: source }: CertifyVideosOptions,
): VideoCertificate['data']['trusted'] {
  if (trusted === null || source === undefined) return null
  const undecoded = new Map(leftOut.filter(({ side }) => side === 'trusted').map((row) => [row.id, row]))
  const lost = trusted.videos.filter(({ id }) => undecoded.has(id)).length
  return { source, videos: trusted.videos.length - lost, leftOut: [...trusted.leftOut, ...undecoded.values()] }
}

async function optionsOf(
  { sources, learner }: CertifyVideosPlan,
  options: CertifyVideosOptions,
): Promise<Record<string, unknown>> {
  const {
    testShare = 0.2,
    seed = 0,
    split = null,
    clips = 1,
    augment,
    stride = null,
    trusted = null,
    decoder = 'node-av',
  } = options
  const needsEngine = !isHeadKind(learner.kind) || sources.some(({ kind }) => kind !== 'pixels')
  const engine = needsEngine ? await engineRecord(options.engine ?? null) : null
  const from = sources.map(({ name }) => name)
  const readout = readoutOf(sources)
  return {
    from,
    ...(readout === undefined ? {} : { readout }),
    testShare,
    seed,
    split,
    clips,
    ...(augment === undefined ? {} : { augment }),
    ...(inputClips(options) === 1 ? {} : { testClips: inputClips(options) }),
    stride,
    trusted,
    decoder,
    engine,
  }
}
