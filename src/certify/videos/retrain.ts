/** Trains some base classifiers of a certificate again and compares them with the stored ones, byte for byte. */
import { rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { invalidArgument, requireDistinct, VideoMaeError } from '../../core/errors.ts'
import { makeTemporaryFolder } from '../../core/make-folder.ts'
import { bytesOf } from '../../format/file-bytes.ts'
import { nullIfMissing } from '../../format/missing.ts'
import { augmentationKinds } from '../../inference/augmentation-names.ts'
import { engineRecord } from '../../train/engine-choice.ts'
import { decoderRecord } from '../../video/decoder.ts'
import { assignBuckets } from '../ensemble/buckets.ts'
import type { TestSet } from '../ensemble/feature-set.ts'
import { sha256 } from '../ensemble/hash.ts'
import { headLearners } from '../ensemble/heads/family.ts'
import { type ResolvedHead, readHead } from '../ensemble/heads/list.ts'
import { type EnsemblePlan, spreadOfPlan, type TrainedEnsemble } from '../ensemble/learners.ts'
import { runName } from '../files/certificate-file.ts'
import { readStored } from '../files/stored-votes.ts'
import { bucketsOfLearner } from '../rules/spread.ts'
import { bucketCount } from '../verify/buckets.ts'
import type { Differences } from '../verify/differences.ts'
import { invalidCertificate, readBuckets, readLearnerDigests } from '../verify/read-files.ts'
import type { ReadCertificate, ReadRun } from '../verify/schema.ts'
import { readEnsemble } from './ensemble/ensemble-file.ts'
import { videoSetOf } from './learners/video-set.ts'
import { optionsAgain, withPeriods } from './options-again.ts'
import { type CertifyVideosOptions, type CertifyVideosPlan, planCertification } from './plan.ts'
import { prepareSets } from './prepare.ts'

/** Which base classifiers, and where their data and their encoder are. */
export interface RetrainOptions {
  readonly data: string
  readonly test?: string
  readonly retrain: readonly number[]
  readonly from?: string
  readonly cache?: string
  readonly signal?: AbortSignal
  readonly onProgress?: (stage: string, done: number, total: number) => void
}

/** What of `options` decides features. */
const optionSchema = z.looseObject({
  from: z.array(z.string()).length(1),
  readout: z.string().optional(),
  clips: z.number().int().positive(),
  testClips: z.number().int().positive().default(1),
  augment: z.array(z.enum(augmentationKinds)).optional(),
  stride: z.number().int().positive().nullable(),
  trusted: z.string().nullable(),
  decoder: z.enum(['node-av', 'ffmpeg']),
  engine: z.string().nullable(),
})

/**
 * Computes the features of the videos of some base classifiers (or takes them from the cache), trains these, and notes each whose digest
 * or stored weights are others.
 *
 * @param file the certificate
 * @throws VideoMaeError `INVALID_ARGUMENT` for learners that are no heads on one encoder, or numbers that no ensemble has;
 *   `ENSEMBLE_MISMATCH` for another encoder; `CERTIFICATE_NOT_VERIFIED` where another engine or decoder would give other last bits
 */
export async function retrainLearners(
  file: string,
  certificate: ReadCertificate,
  options: RetrainOptions,
  differences: Differences,
): Promise<{ readonly checked: readonly string[]; readonly notChecked: readonly string[] }> {
  const { retrain } = options
  requireDistinct('retrain', retrain)
  const head = readHead(certificate.learner)
  const stated = optionSchema.safeParse(certificate.options)
  if (head === null || !stated.success)
    throw invalidArgument(
      'retrain',
      'nothing: the base classifiers are not heads on one encoder',
      retrain.join(','),
      'Run `certify` again with the same options and compare learnersDigest.',
    )
  const most = Math.max(...certificate.runs.map(({ learners }) => learners))
  const beyond = retrain.find((learner) => !(Number.isInteger(learner) && learner >= 0 && learner < most))
  if (beyond !== undefined) throw invalidArgument('retrain', `numbers from 0 to ${most - 1}`, beyond)
  await requireSameNumbers(certificate, stated.data)
  return withCache(file, options.cache, async (cache) => {
    const videos = videoOptions(file, certificate, stated.data, { ...options, cache })
    const plan = await withPeriods(certificate, (periods) => planCertification({ ...videos, ...periods }))
    requireEncoder(certificate, plan, videos)
    return retrainRuns(file, certificate, { plan, videos, head, learners: retrain }, differences)
  })
}

/** A folder of features: the one that is named, that of the certificate, or one that is removed. */
async function withCache<Result>(
  file: string,
  cache: string | undefined,
  use: (cache: string) => Promise<Result>,
): Promise<Result> {
  const store = path.join(path.dirname(file), 'store')
  const given = cache ?? ((await stat(store).catch(nullIfMissing))?.isDirectory() === true ? store : null)
  if (given !== null) return use(given)
  const temporary = makeTemporaryFolder('retrain')
  try {
    return await use(temporary)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

function requireEncoder(
  { threat: { encoder } }: ReadCertificate,
  plan: CertifyVideosPlan,
  { from }: CertifyVideosOptions,
): void {
  if (plan.encoder.digest === encoder.digest) return
  throw new VideoMaeError(
    `Expected the encoder ${encoder.digest}, but ${[from].flat().join()} is ${plan.encoder.digest}.`,
    {
      code: 'ENSEMBLE_MISMATCH',
      exit: 'data',
      hint: 'Name the certified encoder with --from. Readout, stride and trusted videos come from the certificate.',
    },
  )
}

async function retrainRuns(
  file: string,
  certificate: ReadCertificate,
  { learners, ...retraining }: Retraining,
  differences: Differences,
): Promise<{ readonly checked: readonly string[]; readonly notChecked: readonly string[] }> {
  const checked: string[] = []
  const notChecked: string[] = []
  const seen = new Set<string>()
  for (const [r, run] of certificate.runs.entries()) {
    if (seen.has(run.learnersDigest)) continue
    seen.add(run.learnersDigest)
    const mine = learners.filter((learner) => learner < run.learners)
    if (mine.length === 0) continue
    const at = { file, run, at: `runs[${r}].` }
    const compared = await retrainRun(at, certificate, { ...retraining, learners: mine }, differences)
    const name = `base classifiers ${mine.join(', ')} of K=${run.partitions}${run.spread > 1 ? ` d=${run.spread}` : ''}`
    if (compared.length > 0) checked.push(`${name}, trained again: ${compared.join(' and ')}`)
    else notChecked.push(`${name}: neither digests nor weights are next to the certificate`)
  }
  return { checked, notChecked }
}

/** Another engine or decoder gives other last bits, and a certificate is not wrong because of them. */
async function requireSameNumbers(
  { provenance }: ReadCertificate,
  { engine, decoder }: z.infer<typeof optionSchema>,
): Promise<void> {
  const here = engine === null ? null : await engineRecord(engine.split(' ', 1)[0])
  const decodes = await decoderRecord(decoder)
  const other =
    here !== engine
      ? `the engine ${engine}, but this machine has ${here}`
      : provenance?.decoder != null && decodes !== provenance.decoder
        ? `the decoder ${provenance.decoder}, but this machine has ${decodes ?? 'none'}`
        : null
  if (other === null) return
  throw new VideoMaeError(`Expected ${other}: base classifiers would differ in their last bits.`, {
    code: 'CERTIFICATE_NOT_VERIFIED',
    exit: 'nothingChecked',
    hint: 'Train again on a machine like the one of the certificate; see provenance and options in certificate.json.',
  })
}

function videoOptions(
  file: string,
  certificate: ReadCertificate,
  stated: z.infer<typeof optionSchema>,
  { data, test, from, cache, signal, onProgress }: RetrainOptions & { readonly cache: string },
): CertifyVideosOptions {
  const { readout, clips, testClips, augment, stride, trusted, decoder, engine } = stated
  return {
    ...optionsAgain(file, certificate, { data, test, signal }),
    ...{ clips, testClips, decoder, from: from ?? stated.from[0], engine: engine?.split(' ', 1)[0] ?? null },
    cache,
    ...(readout === undefined ? {} : { readout }),
    ...(augment === undefined ? {} : { augment }),
    ...(stride === null ? {} : { stride }),
    ...(trusted === null ? {} : { trusted }),
    ...(onProgress === undefined
      ? {}
      : { onProgress: (done: number, total: number) => onProgress('features', done, total) }),
  }
}

interface Retraining {
  readonly plan: CertifyVideosPlan
  readonly videos: CertifyVideosOptions
  readonly head: ResolvedHead
  readonly learners: readonly number[]
}

/** @returns what was compared */
async function retrainRun(
  { file, run, at }: { readonly file: string; readonly run: ReadRun; readonly at: string },
  { buckets: { by } }: ReadCertificate,
  { plan, videos, head, learners }: Retraining,
  differences: Differences,
): Promise<string[]> {
  const folder = path.dirname(file)
  const found = await readBuckets(folder, bucketCount(run), run.bucketManifest)
  const groups = found?.manifest.groups ?? undefined
  const layout: EnsemblePlan = {
    ...{ by, learners: run.learners, threads: 1, signal: videos.signal },
    ...(run.periods === undefined ? { offsets: run.offsets } : { periods: run.periods }),
    ...(groups === undefined ? {} : { groups }),
  }
  // Only the videos of these learners: what others are trained on changes nothing in them.
  const { buckets, offsets } = spreadOfPlan(layout)
  const { split } = plan
  const { bucketOf } = assignBuckets(videoSetOf(split.train, plan.classes), {
    ...{ by, buckets, groups, periods: run.periods },
  })
  const needed = new Set(learners.flatMap((learner) => bucketsOfLearner(learner, buckets, offsets)))
  const mine = split.train.filter((_, row) => needed.has(bucketOf[row]))
  const train = mine.length > 0 ? mine : split.train.slice(0, 1)
  const { set, test } = await prepareSets({ ...plan, split: { ...split, train } }, videos)
  const trained = await headLearners(head).train(set, layout)
  const votes = await compareVotes({ folder, run }, trained, { test, learners }, differences)
  return [...votes, ...(await compareTrained({ folder, file, run, at }, trained, learners, differences))]
}

/** The votes of base classifiers on every input, as they are stored. */
async function compareVotes(
  { folder, run }: { readonly folder: string; readonly run: ReadRun },
  trained: TrainedEnsemble<TestSet>,
  { test, learners }: { readonly test: TestSet; readonly learners: readonly number[] },
  differences: Differences,
): Promise<string[]> {
  const { ballots: stored = null, inputs } = run
  const about = { run: runName(run) }
  if (stored === null || inputs === null) return []
  if (stored.learners !== run.learners || stored.inputs !== test.rows || stored.classes !== trained.classes) {
    differences.compare(
      `${stored.file}: inputs, learners, classes`,
      [stored.inputs, stored.learners, stored.classes],
      [test.rows, run.learners, trained.classes],
      about,
    )
    return []
  }
  const { places } = stored
  const keep = places === 1 ? 'votes' : 'rankings'
  await readStored(folder, stored, null, async ({ from, ballots }) => {
    const again = await trained.vote(test, { from, to: from + ballots.inputs }, { threads: 1, keep })
    for (let t = 0; t < ballots.inputs; t++)
      for (const learner of learners) {
        const at = (t * run.learners + learner) * places
        const [stated, found] = [ballots, again].map(({ ranks }) => [...ranks.subarray(at, at + places)])
        const input = inputs[from + t]?.id
        differences.compare(`${stored.file}: ballot of base classifier ${learner}`, stated, found, { ...about, input })
      }
  })
  return ['votes on all inputs']
}

async function compareTrained(
  {
    folder,
    file,
    run,
    at,
  }: { readonly folder: string; readonly file: string; readonly run: ReadRun; readonly at: string },
  { records, heads }: Pick<TrainedEnsemble<never>, 'records' | 'heads'>,
  learners: readonly number[],
  differences: Differences,
): Promise<string[]> {
  const compared: string[] = []
  const text = run.learnersFile == null ? null : await readLearnerDigests(folder, run.learnersFile)
  if (text !== null) {
    const digests = text.split('\n')
    for (const learner of learners)
      differences.compare(`${run.learnersFile}: base classifier ${learner}`, digests[learner], records[learner].sha256)
    compared.push('digests')
  }
  if (run.ensemble == null || heads === undefined) return compared
  const ensembleFile = path.join(folder, run.ensemble.file)
  if ((await stat(ensembleFile).catch(nullIfMissing)) === null) return compared
  const stored = await readEnsemble(ensembleFile)
  differences.compare(`${at}ensemble.digest`, run.ensemble.digest, stored.digest)
  if (stored.heads.learners !== run.learners || stored.heads.width !== heads.width)
    throw invalidCertificate(
      file,
      `an ensemble of ${run.learners} base classifiers on ${heads.width} features`,
      `${stored.heads.learners} on ${stored.heads.width}`,
    )
  for (const learner of learners)
    differences.compare(
      `${run.ensemble.file}: weights of base classifier ${learner} (SHA-256)`,
      weightsDigest(stored.heads, learner),
      weightsDigest(heads, learner),
    )
  return [...compared, 'stored weights']
}

function weightsDigest(
  { weights, classes, width }: NonNullable<TrainedEnsemble<never>['heads']>,
  learner: number,
): string {
  const length = classes * (width + 1)
  // A copy: hashing may not read shared memory.
  return sha256(bytesOf(weights.slice(learner * length, (learner + 1) * length)))
}
