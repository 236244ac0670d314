/** What a certification will train, need and write, before it trains anything. */

import { requireFilledLearners } from '../../../core/counts.ts'
import { VideoMaeError } from '../../../core/errors.ts'
import type { MemoryNeed } from '../../../train/memory-need.ts'
import { checkRules, ensemblesOf } from '../../certify-plan.ts'
import { headLearners } from '../../ensemble/heads/family.ts'
import { headNamed } from '../../ensemble/heads/list.ts'
import { rowsOfUnits } from '../../ensemble/poison.ts'
import { requireCertificateFolder } from '../../files/certificate-file.ts'
import { defaultRules } from '../../rules/list.ts'
import { checkThreat, type ThreatStatement } from '../../threat/threat.ts'
import type { CertifyVideosJob } from '../certify-videos.ts'
import { inputClips } from '../input-row.ts'
import { isFrameKind, isHeadKind } from '../learners/learner-options.ts'
import { videoSetOf } from '../learners/video-set.ts'
import { ensembleSize, featureNeed, headNeed, requireStudyMemory, widthOf } from '../memory.ts'
import { type CertifyVideosPlan, checkCertificationPlan, planCertification } from '../plan.ts'
import { rowsPerVideo } from '../rows-per-video.ts'
import { claimOf, planOptionsOf } from '../study.ts'
import { threatOfVideos } from '../video-certificate.ts'
import { type ForecastEnsemble, type PlannedEnsemble, plannedEnsemble } from './ensembles.ts'
import { type ForecastFile, forecastFiles } from './files.ts'
import { type MeasuredWork, measureFeatures, measureHeads } from './measure.ts'

/** What a certification would do and take, before it is done. */
export interface CertificationForecast {
  /** Format and version of the forecast. */
  readonly schema: 'videomae.certification-plan/1'
  /** What the certificate would promise. */
  readonly threat: ThreatStatement
  /** Videos in the protected set. */
  readonly protected: number
  /** What one poisoned sample is, in the protected set: N of a lethal-dose study. */
  readonly units: number
  /** Videos to predict. */
  readonly predicted: number
  /** Rows of the data that are neither. */
  readonly leftOut: number
  /** Names, without the placeholders for any other class. */
  readonly classes: readonly string[]
  /** Name of the base classifier. */
  readonly learner: string
  /** One for each number of partitions and spread, with the seconds that training and votes take. */
  readonly ensembles: readonly (ForecastEnsemble & {
    /** On one thread; null where base classifiers are networks, whose time is not measured. */
    readonly training: MeasuredWork | null
    readonly votes: MeasuredWork | null
  })[]
  /** By the clock, with the threads and processes asked for; null where frames are read as they are. */
  readonly features: MeasuredWork | null
  /** Bytes that features and learners need, and whether they fit. */
  readonly memory: {
    readonly features: MemoryNeed | null
    /** Null where base classifiers are networks: see `notes`. */
    readonly learners: MemoryNeed | null
    readonly fits: boolean
    /** What the estimate says in words. */
    readonly notes: readonly string[]
  }
  /** What would be written. */
  readonly files: readonly ForecastFile[]
}

/**
 * Everything that `certifyVideos` checks before it decodes a video, and what the rest of it will take: base classifiers, their samples,
 * time (measured on some of the work), memory, files and the largest radius. Nothing is kept: features that are computed to
 * measure go into a temporary folder.
 *
 * @throws VideoMaeError as `certifyVideos`; too little memory is reported and not thrown
 * @example
 * ```ts
 * import { forecastCertification } from 'videomae/certify'
 *
 * const { ensembles } = await forecastCertification({
 *   ...{ data: 'videos/labels.csv', from: 'pixels', partitions: [3, 5], out: 'checkpoints/larger' },
 * })
 * ensembles.length // => 2
 * ```
 */
export async function forecastCertification(job: CertifyVideosJob): Promise<CertificationForecast> {
  const { partitions, rules = defaultRules, groups, whiteBox = false, collective, spread, seedsPerPartition } = job
  const { by, threat } = claimOf(rules, job)
  checkRules({ partitions, rules, groups, by, whiteBox, collective, spread, seeds: seedsPerPartition })
  await requireCertificateFolder(job.out, true)
  const videos = planOptionsOf(job, by)
  const plan = await planCertification(videos)
  checkCertificationPlan(plan, by, rules, threat, whiteBox)
  const { split, classes, learner, encoder } = plan
  const { learners, reach } = ensembleSizeOf(job)
  requireFilledLearners(split.train.length, learners, reach)
  const set = videoSetOf(split.train, classes)
  const statement = threatOfVideos(checkThreat(set, by, rules, { threat, encoder }), plan, videos)
  const planned: PlannedEnsemble[] = []
  for (const ensemble of ensemblesOf({
    ...{ by, partitions, rules, spread, groups, seed: job.seed, seeds: seedsPerPartition, periods: plan.periods },
    threat: { threat, encoder },
  })) {
    await new Promise(setImmediate) // lets signals through
    job.signal?.throwIfAborted()
    planned.push(plannedEnsemble(set, ensemble))
  }
  const ensembles: CertificationForecast['ensembles'][number][] = []
  for (const each of planned) ensembles.push({ ...each.forecast, ...(await timesOf(each, plan, job)) })
  const width = isHeadKind(learner.kind) ? Math.max(...plan.sources.map(widthOf)) : null
  return {
    schema: 'videomae.certification-plan/1',
    threat: statement,
    protected: split.train.length,
    units: rowsOfUnits(set, by).length,
    predicted: split.test.length,
    leftOut: split.leftOut.length,
    classes: Object.keys(planned[0].forecast.perClass),
    learner: learner.kind,
    ensembles,
    features: await featureTime(plan, videos),
    memory: await memoryOf(plan, videos, ensembleSizeOf(job)),
    files: forecastFiles({
      ...{ set, ensembles: planned, inputs: split.test.length, width, whiteBox },
      perInput: job.perInput !== false,
    }),
  }
}

function ensembleSizeOf({ partitions, rules = defaultRules, spread, periods }: CertifyVideosJob) {
  return ensembleSize({ partitions: [partitions].flat(), rules, spread, coverage: periods?.coverage })
}

async function timesOf(
  planned: PlannedEnsemble,
  { learner, sources, classes, split }: CertifyVideosPlan,
  job: CertifyVideosJob,
): Promise<{ readonly training: MeasuredWork | null; readonly votes: MeasuredWork | null }> {
  if (!isHeadKind(learner.kind)) return { training: null, votes: null }
  const set = videoSetOf(split.train, classes)
  const width = Math.max(...sources.map(widthOf))
  const family = headLearners(headNamed(learner.kind, { ...learner }))
  return measureHeads(family, set, planned, {
    width,
    clips: rowsPerVideo(sources, job),
    inputs: split.test.length,
    signal: job.signal,
  })
}

async function featureTime(
  { learner, sources, split, trusted }: CertifyVideosPlan,
  videos: Parameters<typeof measureFeatures>[3],
): Promise<MeasuredWork | null> {
  if (isFrameKind(learner.kind)) return null
  const clips = rowsPerVideo(sources, videos)
  // Inputs go through the encoder of every group.
  const others = sources.length * (split.test.length * inputClips(videos) + (trusted?.videos.length ?? 0))
  return measureFeatures(sources[0], split.train, { all: split.train.length * clips + others, perVideo: clips }, videos)
}

async function memoryOf(
  plan: CertifyVideosPlan,
  videos: Parameters<typeof requireStudyMemory>[1],
  size: ReturnType<typeof ensembleSize>,
): Promise<CertificationForecast['memory']> {
  const notes: string[] = []
  let fits = true
  try {
    await requireStudyMemory(plan, { ...videos, onNote: (note) => notes.push(note) }, size)
  } catch (error) {
    if (!(error instanceof VideoMaeError && error.code === 'OUT_OF_MEMORY')) throw error
    fits = false
    notes.push(error.message, ...(error.hint === undefined ? [] : [error.hint]))
  }
  const learners = isHeadKind(plan.learner.kind) ? headNeed(plan, videos, size) : null
  return { features: await featureNeed(plan, videos), learners, fits, notes }
}
