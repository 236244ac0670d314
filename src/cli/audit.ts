import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import {
  type AuditReport,
  assertAudit,
  audit,
  type BucketKey,
  checkRules,
  type Rule,
  type SampleSet,
  type TestInputs,
  type Threat,
} from '../certify/index.ts'
import {
  auditLists,
  type CertifyVideosOptions,
  type CertifyVideosPlan,
  checkPlan,
  isHeadKind,
  type ListAuditReport,
  type Prepared,
  planCertification,
  prepareGroups,
  prepareLearners,
} from '../certify/videos/index.ts'
import { VideoMaeError } from '../core/errors.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { report } from './certify.ts'
import {
  bucketsOf,
  groupCount,
  learnerOf,
  progressOf,
  type VideoCommandOptions,
  videoOptions,
} from './certify-options.ts'
import { interruptSignal } from './interrupt.ts'

export interface AuditCommandOptions extends VideoCommandOptions {
  /** One encoder, or one for each group. */
  readonly from: readonly string[]
  readonly partitions?: number
  readonly rule?: Rule
  /** Rule `groups`: encoder groups. */
  readonly groups?: number
  /** DPA*: learners of each partition. */
  readonly seedsPerPartition?: number
  /** Random poisonings. */
  readonly trials?: number
  /** Inputs attacked with radius + 1 poisons. */
  readonly attacks?: number
  /** Largest number of poisons in one trial. */
  readonly budget?: number
  /** Attacks on the list or folder itself, through everything that `certify` does. */
  readonly listTrials?: number
}

/** `audit.json`: what poisoned features did, and attacks on rows and files. */
interface WholeAudit extends AuditReport {
  /** Null where they were not asked for, or cannot be made: `listsSkipped` says why. */
  readonly lists: ListAuditReport | null
  readonly listsSkipped: string | null
}

/** `videomae audit`. */
export async function auditCommand(data: string, options: AuditCommandOptions): Promise<void> {
  const { from, partitions = 50, rule = 'dpa', trials, attacks, budget, out } = options
  const { spread, seed, threads, quiet = false, json = false } = options
  const interrupt = interruptSignal('Run the same command again: finished features are kept.')
  try {
    const { signal } = interrupt
    const { by } = bucketsOf([rule], options)
    const groups = groupCount(options.groups, from)
    checkRules({ rules: [rule], partitions, groups, by })
    const videos = { ...videoOptions(data, from, await learnerOf(options, options.learner), options, signal), by }
    const plan = await planCertification(videos)
    const auditOf = <Set extends SampleSet, Inputs extends TestInputs>(prepared: Prepared<Set, Inputs>) =>
      audit(prepared.set, prepared.test, {
        ...{ by, partitions, rule, groups, periods: plan.periods, trials, attacks, spread, seed, threads, signal },
        learners: prepared.learners,
        seeds: options.seedsPerPartition,
        largestBudget: budget,
        onProgress: progressOf(quiet, 'poisonings'),
      })
    const counted =
      rule === 'groups' && groups !== undefined
        ? await auditOf(await prepareGroups(plan, videos, groups))
        : await prepareLearners(plan, videos, auditOf)
    const result: WholeAudit = {
      ...counted,
      ...(await attackLists(videos, plan, { ...options, rule, partitions, groups, by }, signal)),
    }
    await mkdir(out, { recursive: true })
    const file = path.join(out, 'audit.json')
    await writeFileAtomic(file, `${JSON.stringify(result)}\n`)
    // A failed audit is one JSON document too: the error names what changed, the file has the rest.
    assertAudit(result)
    assertLists(result)
    assertChecked(result)
    report(json, { ...result, file }, `${textOf(result)}\nwrote  ${file}`)
  } finally {
    interrupt.dispose()
  }
}

/** Through the way that `certify` goes, where the encoder can be taken as given. */
async function attackLists(
  videos: CertifyVideosOptions,
  plan: CertifyVideosPlan,
  options: AuditCommandOptions & { readonly rule: Rule; readonly partitions: number; readonly by: BucketKey },
  signal: AbortSignal,
): Promise<Pick<WholeAudit, 'lists' | 'listsSkipped'>> {
  const { rule, partitions, groups, by, spread, seed, threads, out, quiet = false } = options
  const trials = options.listTrials ?? (isHeadKind(plan.learner.kind) ? 20 : 2)
  const skipped = (why: string) => ({ lists: null, listsSkipped: why })
  if (trials === 0) return skipped('not asked for')
  if (plan.sources.length > 1)
    return skipped('the encoders of groups would have to be pretrained again for each attack')
  const threat = threatOf(plan, by, rule)
  if (threat === null) return skipped('no claim holds with this encoder')
  const lists = await auditLists({
    ...{ videos, rules: [rule], partitions, threat, groups, spread, trials, seed, threads, signal },
    seeds: options.seedsPerPartition,
    folder: path.join(out, `attacked-${process.pid}`),
    onProgress: progressOf(quiet, 'attacks on rows and files'),
  })
  return { lists, listsSkipped: null }
}

/** The strongest claim that the encoder allows; null where none does. */
function threatOf(plan: CertifyVideosPlan, by: BucketKey, rule: Rule): Threat | null {
  for (const threat of [by === 'source' ? 'source' : by === 'time' ? 'temporal' : 'general', 'label_flip'] as const) {
    try {
      checkPlan(plan, by, [rule], threat)
      return threat
    } catch (error) {
      if (!(error instanceof VideoMaeError) || error.code !== 'THREAT_NOT_CERTIFIED') throw error
    }
  }
  return null
}

function assertLists({ lists }: WholeAudit): void {
  if (lists === null || lists.violations.length === 0) return
  const [{ what, acts }] = lists.violations
  throw new VideoMaeError(
    `Expected certified predictions to stay under attacks on rows and files, but ${lists.violations.length} changed; the first: ${what} (${acts.join(', ')}).`,
    {
      code: 'AUDIT_FAILED',
      exit: 'checkFailed',
      hint: 'Do not use the certificates of this set-up; report the case with its seed.',
    },
  )
}

/** A check that had nothing to check has not passed. */
function assertChecked({ checkedPredictions, attacks, lists, inputs }: WholeAudit): void {
  if (checkedPredictions + attacks.triedWithin + (lists?.checkedPredictions ?? 0) > 0) return
  throw new VideoMaeError(
    `Expected certified predictions to check, but nothing was checked: no attack was within the radius of any of the ${inputs} inputs.`,
    {
      code: 'AUDIT_NOTHING_CHECKED',
      exit: 'nothingChecked',
      hint: 'Radii are 0, or no attacks were asked for. Take another K or a more accurate learner, more --trials, or a smaller --budget.',
    },
  )
}

function textOf(result: WholeAudit): string {
  const { actions, attacks, lists } = result
  const counts = (of: Readonly<Record<string, number>>) =>
    Object.entries(of).flatMap(([name, count]) => (count === 0 ? [] : [`${count} ${name}`]))
  const refused = lists === null ? [] : counts(lists.refused)
  return (
    `${result.trials} poisonings of ${result.poisons} poisons (${counts(actions).join(', ')}), rule ${result.rule}, ${result.learners} learners\n` +
    `trained again each time: ${result.retrained}\n` +
    `learners changed       ${result.changedLearners} of ${result.allowedLearners} allowed\n` +
    `certified predictions  ${result.checkedPredictions} checked, none changed; violations: ${result.violations.length}\n` +
    `same bytes when trained again in another order: ${result.reproducible ? 'yes' : 'NO'}\n` +
    `attacks on ${attacks.tried} inputs: ${attacks.beyond} succeed with radius + 1 poisons, ${attacks.within} of ${attacks.triedWithin} with the radius\n` +
    (lists === null
      ? `attacks on rows and files: none (${result.listsSkipped})`
      : `attacks on rows and files: ${lists.trials} of ${lists.units} units on a ${lists.form} of ${lists.rows} rows, threat ${lists.threat} (${counts(lists.acts).join(', ')})\n` +
        `certified predictions  ${lists.checkedPredictions} checked, none changed${refused.length > 0 ? `; no answer: ${refused.join(', ')}` : ''}`)
  )
}
