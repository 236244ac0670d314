/** Attacks on the certificates of a folder or list of videos, in one call. */
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { requireCount } from '../../core/counts.ts'
import { invalidArgument, unusedArgument, VideoMaeError } from '../../core/errors.ts'
import { isRunning } from '../../core/is-running.ts'
import { makeFolder } from '../../core/make-folder.ts'
import { writeFileAtomic } from '../../format/atomic.ts'
import { requireOwnResults } from '../../format/own-results.ts'
import {
  type AuditOptions,
  type AuditOutcome,
  type AuditReport,
  assertAudit,
  audit,
  checkAudit,
  spreadOf,
} from '../audit/audit.ts'
import { auditDefaults } from '../audit/defaults.ts'
import { checkRules } from '../certify-plan.ts'
import type { BucketKey } from '../ensemble/buckets.ts'
import type { SampleSet, TestInputs } from '../ensemble/feature-set.ts'
import { digestOfRecord, recordOfSet } from '../files/sample-record.ts'
import { needsGroups, partitionRule, type Rule, rulesOfLayout } from '../rules/list.ts'
import type { Threat } from '../threat/threat.ts'
import { auditLists, type ListAuditReport } from './audit/list-audit.ts'
import { isHeadKind } from './learners/learner-options.ts'
import { ensembleSize } from './memory.ts'
import { type CertifyVideosOptions, type CertifyVideosPlan, checkCertificationPlan, planCertification } from './plan.ts'
import { type Prepared, prepareGroups, prepareLearners } from './prepare.ts'
import { claimOf, planOptionsOf, stage, type VideoStudyOptions } from './study.ts'

/** Options of `auditVideos`. */
export interface AuditVideosJob
  extends VideoStudyOptions,
    Partial<Pick<AuditOptions<SampleSet, TestInputs>, 'partitions' | 'rule'>>,
    Pick<AuditOptions<SampleSet, TestInputs>, 'spread' | 'groups' | 'trials' | 'attacks' | 'largestBudget'> {
  /** DPA*: learners of each partition. Default 1. */
  readonly seedsPerPartition?: number
  /** Attacks on the list or folder itself, through everything that `certifyVideos` does. Default 20, or 2 for trained networks. */
  readonly listTrials?: number
  /**
   * Also attacks on labels in the rows, against the white-box label-flip certificate: ridge heads, rule `dpa` and a list. Default false.
   */
  readonly whiteBox?: boolean
}

/** `audit.json`: what poisoned features did, and attacks on rows and files. */
export interface VideoAudit extends AuditReport {
  /** SHA-256 of encoder and readout, as in the certificate that the audit is of. */
  readonly encoder: string
  /** SHA-256 of `protected-set.json` of that certificate, with partitions by content, id or source. */
  readonly protectedSet: string
  /** Null where they were not requested, or cannot be made: `listsSkipped` says why. */
  readonly lists: ListAuditReport | null
  /** Why no rows and files were attacked; null where they were. */
  readonly listsSkipped: string | null
  /** Labels flipped in the rows against the white-box certificate and that of the votes; null where not requested. */
  readonly labelFlips: ListAuditReport | null
}

/**
 * Poisons the training set many times, trains again and compares certified predictions. Writes `audit.json` into `out`.
 *
 * @returns the report, and the path of `audit.json`; violations are in the report, see `assertVideoAudit`
 * @throws VideoMaeError `AUDIT_NOTHING_CHECKED` where no claim holds with the encoder, and as `certifyVideos`
 */
export async function auditVideos(
  job: AuditVideosJob,
): Promise<{ readonly report: VideoAudit; readonly file: string }> {
  const { partitions = auditDefaults.partitions, rule = auditDefaults.rule, groups, out, whiteBox = false } = job
  const { by } = claimOf([rule], job)
  checkRules({
    ...{ rules: [rule], partitions, groups, by, whiteBox },
    ...{ spread: job.spread, seeds: job.seedsPerPartition },
  })
  if (whiteBox && rule !== partitionRule) throw invalidArgument('whiteBox', `rule "${partitionRule}"`, rule)
  if (whiteBox && (job.learner ?? { kind: 'ridge' }).kind !== 'ridge')
    throw invalidArgument('whiteBox', 'ridge heads', job.learner?.kind)
  if (whiteBox && job.listTrials === 0)
    throw invalidArgument('whiteBox', 'at least one trial on rows (listTrials)', job.listTrials)
  checkAudit({ ...job, learners: partitions * spreadOf(rule, job.spread) })
  if (groups !== undefined && !needsGroups(rule) && [job.from].flat().length <= 1)
    throw unusedArgument('groups', `without rule ${rulesOfLayout('groups')}`, groups)
  if (job.listTrials !== undefined) requireCount('listTrials', job.listTrials, 'listTrials', 0)
  await requireOwnResults(out, {
    what: 'that of an earlier audit',
    isWritten: (name) => name === 'audit.json',
    main: 'audit.json',
    begins: /^\{"schema":"videomae\.audit\//,
  })
  const videos = planOptionsOf(job, by)
  const plan = await planCertification(videos)
  // Before hours of poisonings: a claim about labels that the encoder or the rows do not allow.
  if (whiteBox) checkCertificationPlan(plan, by, [rule], 'label_flip', true)
  const claim = claimToAttack(plan, by, rule)
  const auditOf = async <Set extends SampleSet, Inputs extends TestInputs>({
    set,
    test,
    learners,
    encoder,
  }: Prepared<Set, Inputs>) => {
    const { trials, attacks, largestBudget, spread, seed, threads, signal } = job
    const about = { encoder: encoder.digest, protectedSet: digestOfRecord(recordOfSet(set, by, () => true)) }
    const found = await audit(set, test, {
      ...{ learners, by, partitions, rule, groups, trials, attacks, largestBudget, spread, seed, threads, signal },
      periods: plan.periods,
      seeds: job.seedsPerPartition,
      onProgress: stage(job.onProgress, 'poisonings'),
    })
    return { ...found, ...about }
  }
  const coverage = job.periods?.coverage
  const size = ensembleSize({ partitions: [partitions], rules: [rule], spread: job.spread, coverage })
  const counted =
    needsGroups(rule) && groups !== undefined
      ? await auditOf(await prepareGroups(plan, videos, groups, size))
      : await prepareLearners(plan, videos, auditOf, size)
  const report: VideoAudit = {
    ...counted,
    ...(await attackLists(videos, plan, { ...job, rule, partitions, claim })),
  }
  makeFolder(out)
  const file = path.join(out, 'audit.json')
  await writeFileAtomic(file, `${JSON.stringify(report)}\n`)
  return { report, file }
}

/** The same way that `certifyVideos` goes, where the encoder can be taken as given. */
async function attackLists(
  videos: CertifyVideosOptions,
  plan: CertifyVideosPlan,
  job: AuditVideosJob & {
    readonly rule: Rule
    readonly partitions: number
    readonly claim: Threat
  },
): Promise<Pick<VideoAudit, 'lists' | 'listsSkipped' | 'labelFlips'>> {
  const { rule, partitions, groups, claim, spread, seed, threads, signal, out, whiteBox = false } = job
  const trials = job.listTrials ?? (isHeadKind(plan.learner.kind) ? 20 : 2)
  const skipped = (why: string) => ({ lists: null, listsSkipped: why, labelFlips: null })
  if (trials === 0) return skipped('not requested')
  if (plan.sources.length > 1)
    return skipped('the encoders of groups would have to be pretrained again for each attack')
  await removeAttacked(out)
  const shared = {
    ...{ videos, rules: [rule], partitions, groups, spread, trials, seed, threads, signal },
    seeds: job.seedsPerPartition,
    folder: path.join(out, `attacked-${process.pid}`),
  }
  const lists = await auditLists({
    ...{ ...shared, threat: claim },
    onProgress: stage(job.onProgress, 'attacks on rows and files'),
  })
  if (!whiteBox) return { lists, listsSkipped: null, labelFlips: null }
  const labelFlips = await auditLists({
    ...{ ...shared, threat: 'label_flip', whiteBox },
    onProgress: stage(job.onProgress, 'flipped labels'),
  })
  return { lists, listsSkipped: null, labelFlips }
}

/** Removes the attacked lists and files of audits that were killed. */
async function removeAttacked(out: string): Promise<void> {
  for (const name of await readdir(out).catch((): string[] => [])) {
    const [, pid] = /^attacked-(\d+)$/.exec(name) ?? []
    if (pid !== undefined && !isRunning(Number(pid))) await rm(path.join(out, name), { recursive: true, force: true })
  }
}

/**
 * The strongest claim that the encoder allows.
 *
 * @throws VideoMaeError `AUDIT_NOTHING_CHECKED` where none does: learners that stay as they should prove nothing then
 */
function claimToAttack(plan: CertifyVideosPlan, by: BucketKey, rule: Rule): Threat {
  const strongest = by === 'source' ? 'source' : by === 'time' ? 'temporal' : 'general'
  const refusals: string[] = []
  for (const threat of [strongest, 'label_flip'] as const) {
    try {
      checkCertificationPlan(plan, by, [rule], threat)
      return threat
    } catch (error) {
      if (!(error instanceof VideoMaeError) || error.code !== 'THREAT_NOT_CERTIFIED') throw error
      refusals.push(error.message)
    }
  }
  throw new VideoMaeError(
    `Expected a claim to attack, but no claim is valid with this encoder, so nothing was checked. ${refusals.at(-1)}`,
    {
      code: 'AUDIT_NOTHING_CHECKED',
      exit: 'nothingChecked',
      hint: '`certify` refuses every --threat for the same reason. Use an encoder that was trained on other data.',
    },
  )
}

/** What decides whether the audit of videos has passed. */
export interface VideoAuditOutcome extends AuditOutcome {
  readonly attacks: Pick<AuditReport['attacks'], 'within' | 'triedWithin'>
  readonly checkedPredictions: number
  readonly inputs: number
  readonly lists?: ListOutcome | null
  readonly labelFlips?: ListOutcome | null
}

interface ListOutcome {
  readonly checkedPredictions: number
  readonly violations: readonly { readonly what: string; readonly acts: readonly string[] }[]
}

/**
 * Ends an audit of videos that found a violation, or compared nothing, with an error.
 *
 * @throws VideoMaeError `AUDIT_FAILED` where anything changed that must not, `AUDIT_NOTHING_CHECKED` where nothing was compared
 */
export function assertVideoAudit(report: VideoAuditOutcome): void {
  assertAudit(report)
  assertLists(report.lists)
  assertLists(report.labelFlips)
  assertChecked(report)
}

function assertLists(lists: ListOutcome | null | undefined): void {
  if (lists == null || lists.violations.length === 0) return
  const [{ what, acts }] = lists.violations
  throw new VideoMaeError(
    `Expected certified predictions to stay under attacks on rows and files, but ${lists.violations.length} changed; the first: ${what} (${acts.join(', ')}).`,
    {
      code: 'AUDIT_FAILED',
      exit: 'checkFailed',
      hint: 'Do not use certificates of this setup; report the case with its seed.',
    },
  )
}

/** A check that had nothing to check has not passed. */
function assertChecked({ checkedPredictions, attacks, lists, labelFlips, inputs }: VideoAuditOutcome): void {
  const ofRows = (lists?.checkedPredictions ?? 0) + (labelFlips?.checkedPredictions ?? 0)
  if (checkedPredictions + attacks.triedWithin + ofRows > 0) return
  throw new VideoMaeError(
    `Expected certified predictions to check, but nothing was checked: no attack was within the radius of any of the ${inputs} inputs.`,
    {
      code: 'AUDIT_NOTHING_CHECKED',
      exit: 'nothingChecked',
      hint: 'All radii are 0, or no attacks were requested. Use another K, a more accurate base classifier, more --trials, or a smaller --budget.',
    },
  )
}
