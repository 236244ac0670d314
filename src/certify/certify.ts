/**
 * From features to a certificate: buckets, learners, votes, rules, for every number of partitions asked for, from one
 * feature cache.
 */
import { invalidArgument } from '../core/errors.ts'
import { type Ballots, votesOfInput } from './ballot.ts'
import type { CertificateFile, CertificateRun } from './certificate-file.ts'
import {
  rules as allRules,
  certifyBallots,
  type InputCertificate,
  needsRankings,
  type Rule,
} from './certify-ballots.ts'
import { type CertifyOptions, ensemblesOf, threadsOf } from './certify-plan.ts'
import { type BucketManifest, bucketManifest } from './data/buckets.ts'
import { checkFeatureSet, checkTestSet, type FeatureSet, type TestSet } from './data/feature-set.ts'
import { sha256 } from './data/hash.ts'
import { resolveHead } from './heads/head.ts'
import type { TrainedLearners } from './heads/plan.ts'
import type { PoolOptions } from './heads/pool.ts'
import { trainLearners, voteInGroups, voteLearners } from './heads/train.ts'
import { summariseRadii } from './metrics.ts'
import { certifyCollective, loadSolver } from './rules/collective.ts'
import { checkThreat } from './threat.ts'
import { certifyRidgeLabelFlips } from './white-box.ts'

/** Bytes of ballots held at once; more inputs are voted on in turns. */
const ballotBytes = 256 * 2 ** 20

/**
 * @param set the protected training set
 * @param test inputs to certify; their labels are used for accuracy only
 * @throws VideoMaeError `THREAT_NOT_CERTIFIED` when the declaration cannot hold; `INVALID_ARGUMENT`
 */
export async function certify(
  set: FeatureSet,
  test: TestSet,
  options: CertifyOptions,
): Promise<{ certificate: CertificateFile; manifests: readonly BucketManifest[] }> {
  checkFeatureSet(set)
  checkTestSet(test, set.classNames.length)
  if (test.rows === 0) throw invalidArgument('test.rows', 'at least one input', 0)
  const { rules = ['dpa', 'roe'] } = options
  const unknown = rules.find((rule) => !allRules.includes(rule))
  if (unknown !== undefined || rules.length === 0)
    throw invalidArgument('rules', `some of ${allRules.join(', ')}`, unknown)
  if (
    options.whiteBox === true &&
    (options.threat.threat !== 'label_flip' || (options.head?.kind ?? 'ridge') !== 'ridge')
  )
    throw invalidArgument('whiteBox', 'threat "label_flip" and ridge heads', options.threat.threat)
  const threat = checkThreat(set, options.by, rules, options.threat)
  checkGroupTests(test, options)

  const runs: CertificateRun[] = []
  const manifests: BucketManifest[] = []
  for (const { k, d, rules: mine, train } of ensemblesOf(options)) {
    const trained = await trainLearners(set, train)
    const manifest = bucketManifest(set, trained.assignment)
    manifests.push(manifest)
    const { byRule, baseAccuracy } = await certifyInTurns(trained, test, mine, options)
    if (options.whiteBox === true && d === 1)
      byRule.set('dpa_white_box', await certifyRidgeLabelFlips(set, trained, test, options.signal))
    for (const [rule, certificates] of byRule) {
      const collective = await collectiveOf(rule, trained, test, certificates, options)
      runs.push(describeRun({ k, d, rule, trained, manifest, certificates, baseAccuracy, collective, test, options }))
    }
  }
  const certificate: CertificateFile = {
    schema: 'videomae.certificate/1',
    threat,
    buckets: { by: options.by, hash: 'first 8 bytes of SHA-256, big-endian, modulo buckets' },
    head: resolveHead(options.head ?? { kind: 'ridge' }),
    classNames: set.classNames,
    trainingRows: set.rows,
    trainingVideos: new Set(set.ids).size,
    runs,
  }
  return { certificate, manifests }
}

function checkGroupTests(test: TestSet, { threat, groups, groupTests }: CertifyOptions): void {
  if (groupTests === undefined) {
    if (threat.encoder.trust === 'per_group' && groups !== undefined)
      throw invalidArgument('groupTests', 'the inputs as each group encoder sees them', groupTests)
    return
  }
  if (groupTests.length !== groups)
    throw invalidArgument('groupTests', `one test set for each group`, groupTests.length)
  const other = groupTests.find((part) => part.rows !== test.rows || part.width !== test.width)
  if (other !== undefined)
    throw invalidArgument('groupTests', `${test.rows} x ${test.width} features each`, `${other.rows} x ${other.width}`)
}

/** Votes on as many inputs at a time as memory allows, and certifies them by every rule. */
export async function certifyInTurns(
  trained: TrainedLearners,
  test: TestSet,
  rules: readonly Rule[],
  options: PoolOptions & { readonly groups?: number; readonly groupTests?: readonly TestSet[] },
): Promise<{ byRule: Map<Rule | 'dpa_white_box', InputCertificate[]>; baseAccuracy: number }> {
  const byRule = new Map<Rule | 'dpa_white_box', InputCertificate[]>(rules.map((rule) => [rule, []]))
  const rankings = rules.some(needsRankings)
  const perInput = trained.learners * (rankings ? trained.classes : 1)
  const turn = Math.max(1, Math.min(test.rows, Math.floor(ballotBytes / perInput)))
  let right = 0
  for (let from = 0; from < test.rows; from += turn) {
    const to = Math.min(test.rows, from + turn)
    const part = rowsOf(test, from, to)
    const parts = options.groupTests?.map((seen) => rowsOf(seen, from, to))
    const keep = rankings ? 'rankings' : 'votes'
    const ballots =
      parts === undefined
        ? await voteLearners(trained, part, { ...options, keep })
        : await voteInGroups(trained, parts, { ...options, keep })
    right += rightVotes(ballots, part.labels)
    for (const rule of rules) {
      const certified = certifyBallots(ballots, {
        rule,
        offsets: trained.offsets,
        ...(options.groups === undefined ? {} : { groups: options.groups }),
      })
      byRule.get(rule)?.push(...certified)
    }
  }
  return { byRule, baseAccuracy: right / (test.rows * trained.learners) }
}

function rowsOf(test: TestSet, from: number, to: number): TestSet {
  return {
    features: test.features.subarray(from * test.width, to * test.width),
    rows: to - from,
    width: test.width,
    labels: test.labels.subarray(from, to),
  }
}

function rightVotes(ballots: Ballots, labels: Int32Array): number {
  let right = 0
  for (let t = 0; t < ballots.inputs; t++) {
    for (let i = 0; i < ballots.learners; i++)
      if (ballots.ranks[(t * ballots.learners + i) * ballots.places] === labels[t]) right++
  }
  return right
}

/** The collective bound over the inputs that are predicted right, for the rules that are pluralities. */
async function collectiveOf(
  rule: Rule | 'dpa_white_box',
  trained: TrainedLearners,
  test: TestSet,
  certificates: readonly InputCertificate[],
  options: CertifyOptions,
): Promise<CertificateRun['collective']> {
  if (options.collective === undefined || !['dpa', 'fa', 'fa_exact'].includes(rule)) return null
  const ballots = await voteLearners(trained, test, { ...threadsOf(options), keep: 'votes' })
  const right = certificates.flatMap(({ prediction }, t) =>
    prediction === test.labels[t] ? [votesOfInput(ballots, t)] : [],
  )
  const solver = await loadSolver()
  const bounds: { budget: number; changedAtMost: number; certifiedAccuracy: number }[] = []
  for (const budget of options.collective) {
    options.signal?.throwIfAborted()
    const bound = await certifyCollective(right, trained.classes, { budget, offsets: trained.offsets, solver })
    const certifiedAccuracy = (right.length - bound.changedAtMost) / test.rows
    bounds.push({ budget, changedAtMost: bound.changedAtMost, certifiedAccuracy })
  }
  return bounds
}

/** Radii as `summariseRadii` wants them: -1 where the prediction is wrong. */
export function scoredRadii(certificates: readonly InputCertificate[], labels: ArrayLike<number>): Int32Array {
  return Int32Array.from(certificates, ({ prediction, radius }, t) => (prediction === labels[t] ? radius : -1))
}

function describeRun(run: {
  readonly k: number
  readonly d: number
  readonly rule: Rule | 'dpa_white_box'
  readonly trained: TrainedLearners
  readonly manifest: BucketManifest
  readonly certificates: readonly InputCertificate[]
  readonly baseAccuracy: number
  readonly collective: CertificateRun['collective']
  readonly test: TestSet
  readonly options: CertifyOptions
}): CertificateRun {
  const { trained, test, certificates } = run
  return {
    rule: run.rule,
    partitions: run.k,
    spread: run.d,
    learners: trained.learners,
    offsets: trained.offsets,
    groups: run.rule === 'groups' ? (run.options.groups ?? null) : null,
    bucketManifest: run.manifest.digest,
    learnersDigest: sha256(trained.records.map((record) => record.sha256).join('\n')),
    emptyLearners: trained.records.filter((record) => record.samples === 0).length,
    baseAccuracy: run.baseAccuracy,
    abstentions: certificates.reduce((sum, certificate) => sum + certificate.abstentions, 0),
    collective: run.collective,
    summary: summariseRadii(scoredRadii(certificates, test.labels)),
    inputs:
      run.options.perInput === false
        ? null
        : certificates.map((certificate, t) => ({
            id: test.ids?.[t] ?? String(t),
            label: test.labels[t],
            ...certificate,
          })),
  }
}
