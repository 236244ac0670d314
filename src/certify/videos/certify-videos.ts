/** From labeled videos and an encoder to a certificate and its files, in one call. */
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { makeFolder } from '../../core/make-folder.ts'
import { lockRun } from '../../train/run-lock.ts'
import { certify } from '../certify.ts'
import { type CertifyOptions, checkRules, trainShare } from '../certify-plan.ts'
import type { SampleSet, TestInputs } from '../ensemble/feature-set.ts'
import type { Shard } from '../ensemble/learners.ts'
import {
  filesToVerifyFrom,
  leftFromEarlier,
  requireCertificateFolder,
  writeCertificate,
} from '../files/certificate-file.ts'
import { requireOwnRecords } from '../files/sample-record.ts'
import { defaultRules } from '../rules/list.ts'
import { targetsNamed } from '../rules/targeted-summary.ts'
import type { Threat } from '../threat/threat.ts'
import { keepEnsemble } from './ensemble/keep.ts'
import { type EnsembleSize, ensembleSize } from './memory.ts'
import { type CertifyVideosPlan, checkCertificationPlan, planCertification } from './plan.ts'
import { type Prepared, prepareLearners, prepareShare } from './prepare.ts'
import { claimOf, planOptionsOf, stage, type VideoStudyOptions } from './study.ts'
import { type VideoCertificate, videoCertificate } from './video-certificate.ts'

/** Options of `certifyVideos`: the videos and what is to be certified. */
export interface CertifyVideosJob
  extends VideoStudyOptions,
    Pick<
      CertifyOptions<SampleSet, TestInputs>,
      'partitions' | 'rules' | 'spread' | 'groups' | 'whiteBox' | 'collective' | 'targetClasses' | 'perInput'
    > {
  /** What the attacker may do. Default `general`, with rule `temporal` that. */
  readonly threat?: Threat
  /** DPA*: learners of each partition, from different seeds. Default 1. */
  readonly seedsPerPartition?: number
}

/** What `certifyVideos` found and wrote. */
export interface CertifiedVideos {
  /** What was written as `certificate.json`. */
  readonly certificate: VideoCertificate
  /** Paths of the files that were written: `certificate.json`, tables, buckets of each K, what `verify` reads next to them, ensembles. */
  readonly files: readonly string[]
  /** Inputs that were predicted. */
  readonly inputs: number
  /** What was known before the first video was decoded. */
  readonly plan: CertifyVideosPlan
}

/**
 * Certifies predictions of an ensemble against poisoned training videos. What can be refused is refused before a video is
 * decoded. Finished features and learners are kept in `out`: the same call continues after an interruption.
 *
 * Sources: DPA (Levine and Feizi, ICLR 2021), FA (Wang et al., ICML 2022), ROE (Rezaei et al., ICML 2023); docs/certificates.md.
 *
 * @returns the certificate; radii are in units of `certificate.threat.unit`
 * @throws VideoMaeError `INVALID_ARGUMENT`, `RULES_NOT_COMBINED`, `THREAT_NOT_CERTIFIED`, `RUN_LOCKED`, `CANCELLED`, and what
 *   `planCertification`, `prepareLearners`, `certify` and `videoCertificate` throw
 * @example
 * ```ts
 * import { certifyVideos } from 'videomae'
 *
 * const { certificate } = await certifyVideos({
 *   ...{ data: 'videos/labels.csv', from: 'pixels', readout: 'motion' },
 *   ...{ partitions: [3], rules: ['dpa', 'roe'], out: 'checkpoints/certify' },
 * })
 * certificate.runs.map(({ rule }) => rule) // => ['dpa', 'roe']
 * ```
 */
export async function certifyVideos(job: CertifyVideosJob): Promise<CertifiedVideos> {
  const planned = await planJob(job)
  // Two would mix their files. Jobs of a cluster share a folder, and write no certificate.
  const lock = await lockRun(job.out, job.onNote)
  try {
    return await certifyPlanned(job, planned)
  } finally {
    await lock.release()
  }
}

async function certifyPlanned(
  job: CertifyVideosJob,
  { plan, videos, by, out }: Awaited<ReturnType<typeof planJob>>,
): Promise<CertifiedVideos> {
  const certifyPrepared = async <Set extends SampleSet, Inputs extends TestInputs>(prepared: Prepared<Set, Inputs>) => {
    const { certificate: counted, manifests } = await certify(prepared.set, prepared.test, {
      ...certifyOptions(job, by, plan, prepared),
      // Beside the learners until everything is counted: without its certificate an ensemble claims too much.
      keepEnsemble: (ensemble) =>
        keepEnsemble(learnersOf(out), ensemble, plan, prepared, { ...videos, groups: job.groups }),
    })
    const certificate = await videoCertificate(counted, plan, prepared.leftOut, manifests, videos)
    const all = await publish(out, certificate, manifests)
    const left = await leftFromEarlier(out, all)
    if (left.length > 0)
      job.onNote?.(`${out} has files of an earlier certificate, which do not belong to this one: ${left.join(', ')}`)
    return { certificate, files: all, inputs: prepared.test.rows, plan }
  }
  await rm(stagingOf(out), { recursive: true, force: true }) // of a command that was killed
  return prepareLearners(plan, videos, certifyPrepared, sizeOf(job))
}

/**
 * Writes the rest of the files and moves all of them into the folder, the certificate last: until then an earlier certificate and its
 * files are whole, whatever happens, a full disk for instance.
 *
 * @returns paths of the files, the certificate first
 */
async function publish(
  out: string,
  certificate: VideoCertificate,
  manifests: Parameters<typeof writeCertificate>[2],
): Promise<readonly string[]> {
  const staging = stagingOf(out)
  const written = await writeCertificate(staging, certificate, manifests)
  const named = [...written.map((file) => path.basename(file)), ...filesToVerifyFrom(certificate)]
  const ensembles = certificate.runs.flatMap(({ ensemble }) => (ensemble === null ? [] : [ensemble.file]))
  const staged = new Map<string, string>([
    ...[...new Set(named)].map((file) => [file, path.join(staging, file)] as const),
    ...ensembles.map((file) => [file, path.join(learnersOf(out), file)] as const),
  ])
  await requireCertificateFolder(out, true)
  await requireOwnRecords(out)
  // `writeCertificate` names the certificate first.
  for (const [file, temporary] of [...staged].reverse()) await rename(temporary, path.join(out, file))
  await rm(staging, { recursive: true, force: true })
  return [...staged.keys()].map((file) => path.join(out, file))
}

/**
 * The share that one of several cluster jobs has of the features or the learners of `certifyVideos`. When all shares of both
 * are there, `certifyVideos` with the same options trains nothing.
 *
 * @throws VideoMaeError as `certifyVideos`
 */
export async function certifyVideosShare(
  job: CertifyVideosJob,
  { stage: part, shard }: { readonly stage: 'features' | 'learners'; readonly shard: Shard },
): Promise<void> {
  const { plan, videos, by } = await planJob(job)
  if (part === 'features') return prepareShare(plan, videos, shard)
  return prepareLearners(
    plan,
    videos,
    (prepared) => trainShare(prepared.set, certifyOptions(job, by, plan, prepared), shard),
    sizeOf(job),
  )
}

function sizeOf({ partitions, rules = defaultRules, spread, periods }: CertifyVideosJob): EnsembleSize {
  return ensembleSize({ partitions: [partitions].flat(), rules, spread, coverage: periods?.coverage })
}

/** Everything that can be refused before a feature is computed. */
async function planJob(job: CertifyVideosJob) {
  const { partitions, rules = defaultRules, groups, whiteBox, collective, spread, out } = job
  const { by, threat } = claimOf(rules, job)
  checkRules({ partitions, rules, groups, by, whiteBox, collective, spread, seeds: job.seedsPerPartition })
  await requireCertificateFolder(out, true)
  makeFolder(out)
  const videos = planOptionsOf(job, by)
  const plan = await planCertification(videos)
  checkCertificationPlan(plan, by, rules, threat, whiteBox)
  targetsNamed(job.targetClasses ?? [], plan.classes)
  return { plan, videos, by, out }
}

/** Where files are until everything is counted. */
const stagingOf = (out: string): string => path.join(learnersOf(out), 'files')

/** Where trained learners are kept. */
const learnersOf = (out: string): string => path.join(out, 'learners')

function certifyOptions<Set extends SampleSet, Inputs extends TestInputs>(
  job: CertifyVideosJob,
  by: CertifyOptions<Set, Inputs>['by'],
  { periods }: CertifyVideosPlan,
  { learners, encoder }: Prepared<Set, Inputs>,
): CertifyOptions<Set, Inputs> {
  const { rules = defaultRules } = job
  const { threat } = claimOf(rules, job)
  return {
    ...job,
    ...{ learners, by, rules, periods },
    threat: { threat, encoder },
    seeds: job.seedsPerPartition,
    directory: learnersOf(job.out),
    votesDirectory: stagingOf(job.out),
    onProgress: stage(job.onProgress, 'learners'),
    onVotes: stage(job.onProgress, 'votes of base classifiers'),
    onCertified: stage(job.onProgress, 'certificates'),
    onNote: job.onNote,
  }
}
