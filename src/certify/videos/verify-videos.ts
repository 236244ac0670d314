/** Verifies a certificate: from its votes alone and, where the videos are at hand, its partitions and protected set too. */
import path from 'node:path'
import { invalidArgument, unusedArgument } from '../../core/errors.ts'
import type { LabeledVideo } from '../../dataset/dataset.ts'
import { readoutSchema } from '../../model/readout.ts'
import { assignBuckets, bucketManifest } from '../ensemble/buckets.ts'
import { ensembleFacts } from '../ensemble/ensemble-facts.ts'
import type { SampleSet } from '../ensemble/feature-set.ts'
import { flipFacts } from '../ensemble/heads/white-box.ts'
import { spreadOfPlan } from '../ensemble/learners.ts'
import { runName } from '../files/certificate-file.ts'
import { needsGroups } from '../rules/list.ts'
import { plurality } from '../rules/plurality.ts'
import { bucketCount } from '../verify/buckets.ts'
import { Differences } from '../verify/differences.ts'
import { certificateFileAt, invalidCertificate, readBuckets, readCertificate } from '../verify/read-files.ts'
import type { ReadCertificate, ReadRun } from '../verify/schema.ts'
import { ensembleFiles, type VerificationReport, type VerifyVotesOptions, verifyVotes } from '../verify/verify-votes.ts'
import { compareEnsembleFiles } from './ensemble/compare-files.ts'
import { isHogReadout } from './hog.ts'
import { samplesOfVideos, videoIdOf } from './learners/video-set.ts'
import { optionsAgain, withPeriods } from './options-again.ts'
import { type CertifySplit, planVideos } from './plan.ts'
import { retrainLearners } from './retrain.ts'
import { inputsInTraining } from './seen-inputs.ts'
import { compareRecords } from './verify-records.ts'
import { readSource } from './video-certificate.ts'

/** The videos that a certificate is compared with. */
export interface VerifyCertificateOptions extends VerifyVotesOptions {
  /** The folder or list that was certified, as it was then: its videos are hashed again, none is decoded. */
  readonly data?: string
  /** The videos to predict, where the certificate names others than a part of `data`. */
  readonly test?: string
  /**
   * With `data`: numbers of base classifiers (heads on one encoder) that are trained again and compared, byte for byte, with those of the
   * certificate, in every ensemble that has as many.
   */
  readonly retrain?: readonly number[]
  /** With `retrain`: the encoder. Default: where `certify` found it. */
  readonly from?: string
  /** With `retrain`: folder of cached features. Default: `store` next to the certificate. */
  readonly cache?: string
}

/**
 * Verifies a certificate from the files next to it. With `data` also which videos are protected and predicted, their labels, and the
 * partition of each.
 *
 * @param location folder or `certificate.json` of `certify`, or `imported-certificate-RULE.json`
 * @returns what was checked, what was not, and every difference; see `assertVerified`
 * @throws VideoMaeError `CERTIFICATE_INVALID`, `CERTIFICATE_FILE_MISSING`, `ENSEMBLE_INVALID`; `INVALID_ARGUMENT` for `data` with a certificate of no videos;
 *   with `data` what `planVideos` throws
 * @example
 * ```ts
 * import { assertVerified, verifyCertificate } from 'videomae/certify'
 *
 * const report = await verifyCertificate('checkpoints/certify')
 * assertVerified(report)
 * report.differences // => []
 * ```
 */
export async function verifyCertificate(
  location: string,
  options: VerifyCertificateOptions = {},
): Promise<VerificationReport> {
  const { data, test, retrain } = options
  const giveData = 'Also give data: the folder or list that was certified.'
  if (data === undefined && test !== undefined) throw unusedArgument('test', 'without data', test, giveData)
  if (data === undefined && retrain !== undefined)
    throw unusedArgument('retrain', 'without data', retrain.join(','), giveData)
  for (const name of ['from', 'cache'] as const)
    if (retrain === undefined && options[name] !== undefined)
      throw unusedArgument(name, 'without retrain', options[name])
  const file = await certificateFileAt(location)
  const votes = await verifyVotes(file, options)
  const certificate = await readCertificate(file)
  requireKnownReadout(file, certificate)
  const report = await withEnsembles(file, certificate, votes)
  if (data === undefined) return report
  if (certificate.schema !== 'videomae.certificate/1' || certificate.data === undefined)
    throw invalidArgument('data', 'nothing: the certificate is not about videos', data)
  if ((certificate.data.test !== null) !== (test !== undefined))
    throw invalidArgument(
      'test',
      certificate.data.test === null ? 'nothing' : `the videos of ${certificate.data.test}`,
      test,
    )
  const differences = new Differences()
  const compared = await compareVideos(file, certificate, { ...options, data }, differences)
  const trained =
    retrain === undefined
      ? { checked: [], notChecked: [] }
      : await retrainLearners(file, certificate, { ...options, data, retrain }, differences)
  return {
    ...report,
    compared: report.compared + differences.compared,
    checked: [
      ...report.checked,
      'the data: lists, protected and predicted videos, rows left out, labels, classes, and the partition of each video',
      ...compared.checked,
      ...trained.checked,
    ],
    notChecked: [
      ...report.notChecked.filter((what) => !what.includes('(--data)')),
      ...compared.notChecked,
      ...trained.notChecked,
    ],
    differences: [...report.differences, ...differences.listed],
    differencesFound: report.differencesFound + differences.found,
  }
}

/** The report with what the ensemble files next to the certificate say. */
async function withEnsembles(
  file: string,
  certificate: Awaited<ReturnType<typeof readCertificate>>,
  report: VerificationReport,
): Promise<VerificationReport> {
  if (certificate.schema !== 'videomae.certificate/1') return report
  const differences = new Differences()
  const { checked, notChecked } = await compareEnsembleFiles(file, certificate, differences)
  return {
    ...report,
    compared: report.compared + differences.compared,
    checked: [...report.checked, ...checked],
    notChecked: [...report.notChecked.filter((what) => what !== ensembleFiles), ...notChecked],
    differences: [...report.differences, ...differences.listed],
    differencesFound: report.differencesFound + differences.found,
  }
}

/** A readout that this program does not know is no feature that it could say anything about. */
function requireKnownReadout(file: string, certificate: Awaited<ReturnType<typeof readCertificate>>): void {
  if (certificate.schema !== 'videomae.certificate/1') return
  const { readout } = certificate.options ?? {}
  if (readout === undefined || isHogReadout(readout)) return
  const parsed = readoutSchema.safeParse(readout)
  if (!parsed.success) throw invalidCertificate(file, 'a known readout in options.readout', JSON.stringify(readout))
}

/** @returns what was checked besides, and what was not */
async function compareVideos(
  file: string,
  certificate: ReadCertificate,
  options: VerifyCertificateOptions & { readonly data: string },
  differences: Differences,
): Promise<{ readonly checked: readonly string[]; readonly notChecked: readonly string[] }> {
  const { data } = certificate
  if (data === undefined) return { checked: [], notChecked: [] }
  const again = optionsAgain(file, certificate, options)
  const { classes, split } = await withPeriods(certificate, (periods) => planVideos({ ...again, ...periods }))
  differences.compare('classNames', certificate.classNames, classes)
  differences.compare('data.rows', data.rows, split.rows)
  differences.compare('data.division', data.division, split.how)
  compareSources(data, split, differences)
  const what = ({ id, side, code }: (typeof data.leftOut)[number]) => ({ id, side, code })
  for (const [i, row] of split.leftOut.entries()) {
    const stated = data.leftOut[i]
    differences.compare(`data.leftOut[${i}]`, stated === undefined ? null : what(stated), what(row))
  }
  // What was left out later could not be decoded, which only decoding shows; with `temporal` it may also be too old.
  const later = data.leftOut.slice(split.leftOut.length)
  const isOld = ({ code }: (typeof later)[number]) => code === 'outside the periods'
  const lost = (side: 'training' | 'test') =>
    new Set(later.filter((row) => row.side === side && !isOld(row)).map(({ id }) => id))
  const [lostTraining, lostTest] = [lost('training'), lost('test')]
  const train = split.train.filter(({ id }) => !lostTraining.has(id))
  const predicted = split.test.filter(({ id }) => !lostTest.has(id))
  const set = samplesOfVideos(train, classes)
  const inBuckets = new Set<string>()
  let counted = 0
  for (const [r, run] of certificate.runs.entries()) {
    const at = { run, name: runName(run), at: `runs[${r}].` }
    const ids = await compareRun(path.dirname(file), certificate, at, set, differences)
    if (ids !== null) counted++
    for (const id of ids ?? []) inBuckets.add(id)
  }
  compareInputs(certificate, predicted, differences)
  const statedOlder = later.filter(isOld).map(({ id }) => id)
  const outside = train.filter((video) => !inBuckets.has(videoIdOf(video))).map(({ id }) => id)
  const older = counted > 0 ? outside : statedOlder
  differences.compare('data.leftOut, rows "outside the periods"', statedOlder, older)
  differences.compare('data.protected', data.protected, train.length - older.length)
  differences.compare('data.predicted', data.predicted, predicted.length)
  const removed = split.train.length - train.length + split.test.length - predicted.length
  differences.compare('data.leftOut, rows that were not decoded', later.length - statedOlder.length, removed)
  const seen = inputsInTraining(split)
  differences.compare('data.seen.predicted', data.seen.predicted, split.test.length)
  differences.compare('data.seen.protected', data.seen.protected, seen)
  const undecoded = lostTraining.size + lostTest.size
  if (oneRowEach(certificate)) {
    const counts = new Int32Array(classes.length)
    for (const label of set.labels) counts[label]++
    differences.compare('mostFrequentClass.name', certificate.mostFrequentClass.name, classes[plurality(counts)])
  }
  const old = new Set(older)
  const read = train.filter(({ id }) => !old.has(id))
  const records = await compareRecords(file, certificate, { train: read, predicted }, differences)
  const notChecked = [
    ...records.notChecked,
    'whether the votes are those of base classifiers trained on this data: certify again with the same options, and compare learnersDigest',
    ...(undecoded === 0
      ? []
      : [`whether ${undecoded} videos that are stated to be undecodable are: no video was decoded`]),
    ...(data.trusted === null ? [] : ['the trusted videos that fix the scale of features']),
  ]
  return { checked: records.checked, notChecked }
}

/** How each source was read. Its name does not count: the data may have been moved. The last of the stated sources is that of the trusted videos. */
function compareSources(
  { read, trusted }: NonNullable<ReadCertificate['data']>,
  { sources }: CertifySplit,
  differences: Differences,
): void {
  differences.compare('data.read.length', read.length, sources.length + (trusted === null ? 0 : 1))
  for (const [i, source] of sources.entries()) {
    const { source: _, ...stated } = read[i] ?? { source: '' }
    const { source: __, ...found } = readSource(source)
    differences.compare(`data.read[${i}]`, stated, JSON.parse(JSON.stringify(found)))
  }
}

/** Whether each row of the learners is a video: with several clips their number is not compared. */
function oneRowEach({ options }: ReadCertificate): boolean {
  return options?.clips === 1 && options.augment === undefined
}

/** @returns ids of the videos in its partitions; null where these are not counted */
async function compareRun(
  folder: string,
  certificate: ReadCertificate,
  { run, name, at }: { readonly run: ReadRun; readonly name: string; readonly at: string },
  set: SampleSet,
  differences: Differences,
): Promise<readonly string[] | null> {
  const about = { run: name }
  const { by } = certificate.buckets
  const { periods, learners } = run
  const published = await readBuckets(folder, bucketCount(run), run.bucketManifest)
  // More partitions than this no run has whose votes were read.
  if (run.ballots?.learners !== learners) return null
  const { buckets, offsets } = spreadOfPlan({ by, learners, offsets: run.offsets, periods })
  const groups = (needsGroups(run.rule) ? run.groups : published?.manifest.groups) ?? undefined
  if (groups !== undefined && buckets % groups !== 0) {
    differences.compare(`${at}groups`, groups, `a divisor of ${buckets}`, about)
    return null
  }
  const assignment = assignBuckets(set, { by, buckets, periods, groups })
  const again = bucketManifest(set, assignment)
  if (published !== null)
    differences.compare(
      `${published.name}: assignment`,
      Object.fromEntries(published.manifest.assignment),
      Object.fromEntries(again.assignment),
      about,
    )
  const { singleClassLearners, emptyLearners, samples } = ensembleFacts(set, { assignment, offsets, learners })
  differences.compare(`${at}singleClassLearners`, run.singleClassLearners, singleClassLearners, about)
  differences.compare(`${at}emptyLearners`, run.emptyLearners, emptyLearners, about)
  const facts = flipFacts(set, assignment)
  const { flips } = run
  if (oneRowEach(certificate)) {
    differences.compare(`${at}bucketManifest`, run.bucketManifest, again.digest, about)
    differences.compare(`${at}samples`, run.samples, samples, about)
    if (flips != null) {
      differences.compare(`${at}flips.samples`, flips.samples, facts.samples, about)
      differences.compare(`${at}flips.largestUnit`, flips.largestUnit, facts.largestUnit, about)
    }
  } else if (flips != null && flips.largestUnit < facts.largestUnit)
    differences.compare(`${at}flips.largestUnit`, flips.largestUnit, `at least ${facts.largestUnit}`, about)
  return again.assignment.map(([id]) => id)
}

/** The inputs of every run are the videos to predict, with their labels. */
function compareInputs(
  { runs }: ReadCertificate,
  predicted: readonly (LabeledVideo & { readonly class: number })[],
  differences: Differences,
): void {
  for (const [r, run] of runs.entries()) {
    if (run.inputs === null) continue
    const about = { run: runName(run) }
    differences.compare(`runs[${r}].inputs.length`, run.inputs.length, predicted.length, about)
    for (const [t, { id, label }] of run.inputs.entries()) {
      if (t >= predicted.length) break
      const found = { id: predicted[t].id, label: predicted[t].class }
      differences.compare(`runs[${r}].inputs[${t}]`, { id, label }, found, { ...about, input: id })
    }
  }
}
