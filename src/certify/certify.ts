/**
 * From features to a certificate: buckets, learners, votes, rules, for every number of partitions asked for, from one
 * feature cache.
 */
import path from 'node:path'
import { invalidArgument } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { packageVersion } from '../core/package-version.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { type CertifyOptions, checkProtected, checkRules, type Ensemble, ensemblesOf, poolOf } from './certify-plan.ts'
import { type BucketManifest, bucketManifest, bucketRule } from './ensemble/buckets.ts'
import { digestOfEnsemble, digestsOfLearners } from './ensemble/digest.ts'
import { type EnsembleFacts, ensembleFacts, ensembleWarnings, tooManyPartitions } from './ensemble/ensemble-facts.ts'
import type { SampleSet, TestInputs } from './ensemble/feature-set.ts'
import { flipFacts } from './ensemble/heads/white-box.ts'
import type { PoolOptions, TrainedEnsemble } from './ensemble/learners.ts'
import { rowsOfUnits } from './ensemble/poison.ts'
import type { CertificateFile, CertificateRun } from './files/certificate-file.ts'
import { recordOfInputs, recordOfSet, type SampleFiles, writeSampleRecord } from './files/sample-record.ts'
import { type StoredBallots, type StoredFlips, writeBallots, writeFlips } from './files/stored-votes.ts'
import { type Ballots, ballotsOfInputs, inputsPerTurn } from './rules/ballot.ts'
import { certifyInputs, ruleOptions } from './rules/certify-ballots.ts'
import { collectiveRows } from './rules/collective.ts'
import {
  ballotRule,
  defaultRules,
  exactRadii,
  looksIntoHeads,
  needsGroups,
  needsPeriods,
  needsRankings,
  type Rule,
  type RunRule,
  ruleNamed,
  whiteBoxRule,
} from './rules/list.ts'
import { bestConstantAnswer, summarizeRadii } from './rules/metrics.ts'
import { plurality } from './rules/plurality.ts'
import type { InputCertificate } from './rules/rule.ts'
import { summarizeTargets, targetsNamed } from './rules/targeted-summary.ts'
import { checkThreat } from './threat/threat.ts'

/** Bytes of ballots held at once; more inputs are voted on in turns. */
const ballotBytes = 256 * 2 ** 20
/** Inputs voted on at once: bounds the memory for their features. */
const mostInputs = 8192

/**
 * Trains an ensemble, lets it vote, and certifies its predictions under each rule.
 *
 * @param set the protected training set
 * @param test inputs to certify; their labels are used for accuracy only
 * @throws VideoMaeError `THREAT_NOT_CERTIFIED` when the declaration cannot hold; `VIDEO_SPLIT`, `INVALID_ARGUMENT`
 */
export async function certify<Set extends SampleSet, Inputs extends TestInputs>(
  set: Set,
  test: Inputs,
  options: CertifyOptions<Set, Inputs>,
): Promise<{ certificate: CertificateFile; manifests: readonly BucketManifest[] }> {
  const { learners } = options
  const threat = checkAll(set, test, options)
  const targets = targetsOf(set, options)
  const ensembles = ensemblesOf(options)
  for (const { plan } of ensembles) checkProtected(set, plan)
  const units = options.by === 'time' ? Number.POSITIVE_INFINITY : rowsOfUnits(set, options.by).length
  for (const k of new Set(ensembles.map((ensemble) => ensemble.k))) {
    const warning = tooManyPartitions(k, units)
    if (warning !== null) options.onNote?.(`warning: ${warning}`)
  }
  if (options.votesDirectory !== undefined) makeFolder(options.votesDirectory)
  const runs: CertificateRun[] = []
  const manifests: BucketManifest[] = []
  const used = new Uint8Array(set.rows)
  for (const ensemble of ensembles) {
    const { k, d, rules, name } = ensemble
    const trained = await learners.train(set, ensemble.plan)
    const manifest = bucketManifest(set, trained.assignment)
    manifests.push(manifest)
    for (const row of trained.assignment.order) used[row] = 1
    const facts = ensembleFacts(set, trained)
    const few = tooManyPartitions(k, units)
    const warnings = [...(few === null ? [] : [few]), ...ensembleWarnings(facts, trained.learners)]
    for (const warning of ensembleWarnings(facts, trained.learners))
      options.onNote?.(`warning: K = ${k}${d > 1 ? `, d = ${d}` : ''}: ${warning}`)
    const toKeep = { k, d, rules, name, trained, threat, bucketManifest: manifest.digest, warnings }
    const kept = (await options.keepEnsemble?.(toKeep)) ?? null
    const found = await certifyEnsemble(set, test, trained, ensemble, options)
    const about = { test, trained, ensemble, facts, warnings, targets, kept, bucketManifest: manifest.digest }
    for (const counted of found.rules) runs.push(await runOf(about, found, counted, options))
  }
  const constant = bestConstantAnswer(test.labels)
  const certificate: CertificateFile = {
    schema: 'videomae.certificate/1',
    threat,
    buckets: { by: options.by, hash: bucketRule(options.by) },
    learner: learners.description,
    classNames: set.classNames,
    mostFrequentClass: mostFrequent(set, test),
    baseline: { name: set.classNames[constant.class], accuracy: constant.accuracy },
    trainingRows: Math.max(...manifests.map(({ rows }) => rows)),
    trainingVideos: Math.max(...manifests.map(({ videos }) => videos)),
    runs,
    samples: await keepSamples(set, test, options, (row) => used[row] === 1),
    provenance: {
      version: packageVersion(),
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
    },
  }
  return { certificate, manifests }
}

/** A trained ensemble, and what every rule says of it. */
interface CertifiedOf<Inputs extends TestInputs> {
  readonly test: Inputs
  readonly trained: TrainedEnsemble<Inputs>
  readonly ensemble: Ensemble
  readonly facts: EnsembleFacts
  readonly warnings: readonly string[]
  readonly targets: readonly number[]
  /** Where the ensemble is kept for new inputs. */
  readonly kept: CertificateRun['ensemble']
  readonly bucketManifest: string
}

/** What the certificate says of one rule of an ensemble. */
async function runOf<Set extends SampleSet, Inputs extends TestInputs>(
  { test, trained, ensemble, facts, warnings, targets, kept, bucketManifest }: CertifiedOf<Inputs>,
  { baseAccuracy, ballots, learnersFile }: CertifiedEnsemble,
  { rule, certificates, flips }: CertifiedEnsemble['rules'][number],
  options: CertifyOptions<Set, Inputs>,
): Promise<CertificateRun> {
  const periods = needsPeriods(rule)
  const collective = await collectiveOf(rule, trained, test, certificates, options)
  return {
    rule,
    partitions: ensemble.k,
    spread: ensemble.d,
    seeds: options.seeds ?? 1,
    learners: trained.learners,
    offsets: periods ? [] : trained.offsets,
    groups: needsGroups(rule) ? (options.groups ?? null) : null,
    bucketManifest,
    learnersDigest: digestOfEnsemble(trained.records),
    // That certificate looks at the training samples.
    ensemble: looksIntoHeads(rule) ? null : kept,
    ...facts,
    warnings,
    baseAccuracy,
    abstentions: certificates.reduce((sum, certificate) => sum + certificate.abstentions, 0),
    collective,
    exactRadii: exactRadii(rule, certificates),
    ...(targets.length > 0 && certificates[0].targets !== undefined
      ? { targeted: summarizeTargets(targets, certificates, test.labels) }
      : {}),
    summary: summarizeRadii(scoredRadii(certificates, test.labels)),
    ...(periods
      ? {
          periods: options.periods,
          earliness: summarizeRadii(scoredRadii(certificates, test.labels, ({ earliness = 0 }) => earliness)),
        }
      : {}),
    inputs: options.perInput === false ? null : perInput(certificates, test),
    ballots,
    ...(looksIntoHeads(rule) ? { flips } : {}),
    learnersFile,
  }
}

/** What is refused before anything is trained. @returns the threat that is certified */
function checkAll<Set extends SampleSet, Inputs extends TestInputs>(
  set: Set,
  test: Inputs,
  options: CertifyOptions<Set, Inputs>,
): ReturnType<typeof checkThreat> {
  const { learners, rules = defaultRules } = options
  learners.check(set, test)
  if (test.rows === 0) throw invalidArgument('test.rows', 'at least one input', 0)
  checkRules(options)
  if (options.whiteBox === true && (options.threat.threat !== 'label_flip' || learners.description.kind !== 'ridge'))
    throw invalidArgument('whiteBox', 'threat "label_flip" and ridge heads', options.threat.threat)
  const threat = checkThreat(set, options.by, rules, options.threat)
  checkGroups(test, options)
  return threat
}

/** Writes the records of samples and inputs where votes are kept, too. */
async function keepSamples(
  set: SampleSet,
  test: TestInputs,
  { by, perInput, votesDirectory }: Pick<CertifyOptions<never, never>, 'by' | 'perInput' | 'votesDirectory'>,
  used: (row: number) => boolean,
): Promise<SampleFiles | null> {
  if (votesDirectory === undefined) return null
  const protectedSet = await writeSampleRecord(votesDirectory, recordOfSet(set, by, used))
  const inputs = perInput === false ? null : recordOfInputs(test, by, set.classNames)
  return { protectedSet, inputs: inputs === null ? null : await writeSampleRecord(votesDirectory, inputs) }
}

/** The certificates of one ensemble, and the files that they can be verified from. */
interface CertifiedEnsemble {
  readonly rules: readonly {
    readonly rule: CertificateRun['rule']
    readonly certificates: readonly InputCertificate[]
    readonly flips: StoredFlips | null
  }[]
  readonly baseAccuracy: number
  readonly ballots: StoredBallots | null
  readonly learnersFile: string | null
}

/** Certifies by all rules of one ensemble, and keeps the votes where they are wanted. */
async function certifyEnsemble<Set extends SampleSet, Inputs extends TestInputs>(
  set: Set,
  test: Inputs,
  trained: TrainedEnsemble<Inputs>,
  { name, rules }: Ensemble,
  options: CertifyOptions<Set, Inputs>,
): Promise<CertifiedEnsemble> {
  const folder = options.perInput === false ? undefined : options.votesDirectory
  const { learners, classes } = trained
  const shape = { inputs: test.rows, learners, classes, places: rules.some(needsRankings) ? classes : 1 }
  const count = (onBallots?: (ballots: Ballots) => Promise<void>) =>
    certifyInTurns(trained, test, rules, { ...options, onBallots, targets: targetsOf(set, options) })
  const counted =
    folder === undefined ? { stored: null, result: await count() } : await writeBallots(folder, name, shape, count)
  const { byRule, baseAccuracy } = counted.result
  const certified: CertifiedEnsemble['rules'][number][] = [...byRule].map(([rule, certificates]) => ({
    rule,
    certificates,
    flips: null,
  }))
  const { certifyLabelFlips } = trained
  if (options.whiteBox === true && certifyLabelFlips !== undefined) {
    const flip = (onCosts?: (costs: Float32Array) => Promise<void>) =>
      certifyLabelFlips(test, {
        ...{ threads: options.threads, signal: options.signal, onNote: options.onNote, onCosts },
        onProgress: options.onCertified,
      })
    const flipped =
      folder === undefined ? { stored: null, result: await flip() } : await writeFlips(folder, name, shape, flip)
    const flips = flipped.stored === null ? null : { ...flipped.stored, ...flipFacts(set, trained.assignment) }
    certified.push({ rule: whiteBoxRule, certificates: flipped.result, flips })
  }
  const learnersFile = folder === undefined ? null : `learners-${name}.txt`
  if (folder !== undefined && learnersFile !== null)
    await writeFileAtomic(path.join(folder, learnersFile), digestsOfLearners(trained.records))
  return { rules: certified, baseAccuracy, ballots: counted.stored, learnersFile }
}

function targetsOf(
  set: SampleSet,
  { targetClasses = [] }: Pick<CertifyOptions<never, never>, 'targetClasses'>,
): number[] {
  return targetsNamed(targetClasses, set.classNames)
}

/** What always answering the most frequent class of the training set gets right. */
function mostFrequent(set: SampleSet, test: TestInputs): CertificateFile['mostFrequentClass'] {
  const counts = new Int32Array(set.classNames.length)
  for (const label of set.labels) counts[label]++
  const label = plurality(counts)
  const right = test.labels.reduce((sum, truth) => sum + (truth === label ? 1 : 0), 0)
  return { name: set.classNames[label], accuracy: right / test.rows }
}

function checkGroups(
  test: TestInputs,
  { threat, groups, rules = [] }: Pick<CertifyOptions<never, never>, 'threat' | 'groups' | 'rules'>,
): void {
  if (test.perGroup === undefined) {
    if (threat.encoder.trust === 'per_group' && rules.some(needsGroups))
      throw invalidArgument('test.perGroup', 'the inputs as each group encoder sees them', test.perGroup)
    return
  }
  if (test.perGroup.length !== groups)
    throw invalidArgument('test.perGroup', 'one test set for each group', test.perGroup.length)
}

/** Votes on as many inputs at a time as memory allows, and certifies them by every rule. */
export async function certifyInTurns<Inputs extends TestInputs>(
  trained: TrainedEnsemble<Inputs>,
  test: Inputs,
  rules: readonly Rule[],
  options: PoolOptions &
    Pick<CertifyOptions<never, never>, 'groups' | 'periods' | 'onVotes' | 'onCertified'> & {
      /** Classes for which certificates say what they cost. */
      readonly targets?: readonly number[]
      /** Called with the ballots of the next inputs. */
      readonly onBallots?: (ballots: Ballots) => Promise<void>
    },
): Promise<{ byRule: Map<Rule, InputCertificate[]>; baseAccuracy: number }> {
  const byRule = new Map<Rule, InputCertificate[]>(rules.map((rule) => [rule, []]))
  const rankings = rules.some(needsRankings)
  const { learners, classes } = trained
  const places = rankings ? classes : 1
  const turn = Math.min(test.rows, mostInputs, inputsPerTurn({ learners, classes, places }, ballotBytes))
  let right = 0
  for (let from = 0; from < test.rows; from += turn) {
    const to = Math.min(test.rows, from + turn)
    const keep = rankings ? 'rankings' : 'votes'
    const ballots = await trained.vote(test, { from, to }, { ...poolOf(options), onProgress: options.onVotes, keep })
    await options.onBallots?.(ballots)
    right += rightVotes(ballots, test.labels.subarray(from, to))
    const { groups, periods, targets } = options
    for (const [r, rule] of rules.entries()) {
      const counting = ruleOptions(rule, { offsets: trained.offsets, groups, periods }, targets)
      const certified = await certifyInputs(ballots, counting, {
        signal: options.signal,
        onProgress: (done) =>
          options.onCertified?.(rules.length * from + r * (to - from) + done, rules.length * test.rows),
      })
      const all = byRule.get(rule)
      for (const certificate of certified) all?.push(certificate)
    }
  }
  return { byRule, baseAccuracy: right / (test.rows * trained.learners) }
}

function rightVotes(ballots: Ballots, labels: Int32Array): number {
  let right = 0
  for (let t = 0; t < ballots.inputs; t++) {
    for (let i = 0; i < ballots.learners; i++)
      if (ballots.ranks[(t * ballots.learners + i) * ballots.places] === labels[t]) right++
  }
  return right
}

/** The collective bound over the inputs that are predicted right, for the rules that have one. */
async function collectiveOf<Inputs extends TestInputs>(
  rule: RunRule,
  trained: TrainedEnsemble<Inputs>,
  test: Inputs,
  certificates: readonly InputCertificate[],
  options: PoolOptions & Pick<CertifyOptions<never, never>, 'collective' | 'groups' | 'periods'>,
): Promise<CertificateRun['collective']> {
  if (options.collective === undefined || ruleNamed(rule).collective === null) return null
  const counted = ballotRule(rule)
  const keep = needsRankings(counted) ? 'rankings' : 'votes'
  const ballots = await trained.vote(test, { from: 0, to: test.rows }, { ...poolOf(options), keep })
  const rows = certificates.flatMap(({ prediction }, t) => (prediction === test.labels[t] ? [t] : []))
  const { groups, periods, signal } = options
  return collectiveRows(ballotsOfInputs(ballots, rows), test.rows, options.collective, {
    ...ruleOptions(counted, { offsets: trained.offsets, groups, periods }),
    radii: rows.map((t) => certificates[t].radius),
    signal,
  })
}

/**
 * Radii as `summarizeRadii` wants them: -1 where the prediction is wrong.
 *
 * @param radiusOf another figure of a certificate than its radius
 */
export function scoredRadii(
  certificates: readonly InputCertificate[],
  labels: ArrayLike<number>,
  radiusOf: (certificate: InputCertificate) => number = ({ radius }) => radius,
): Int32Array {
  return Int32Array.from(certificates, (certificate, t) =>
    certificate.prediction === labels[t] ? radiusOf(certificate) : -1,
  )
}

function perInput(certificates: readonly InputCertificate[], { ids, labels }: TestInputs): CertificateRun['inputs'] {
  return certificates.map((certificate, t) => ({ id: ids?.[t] ?? String(t), label: labels[t], ...certificate }))
}
