import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { assertAudit, audit, checkRules, type Rule, type SampleSet, type TestInputs } from '../certify/index.ts'
import { type Prepared, planCertification, prepareGroups, prepareLearners } from '../certify-videos/index.ts'
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
    const result =
      rule === 'groups' && groups !== undefined
        ? await auditOf(await prepareGroups(plan, videos, groups))
        : await prepareLearners(plan, videos, auditOf)
    await mkdir(out, { recursive: true })
    const file = path.join(out, 'audit.json')
    await writeFileAtomic(file, `${JSON.stringify(result)}\n`)
    const { actions, attacks: attacked } = result
    const done = Object.entries(actions).map(([kind, count]) => `${count} ${kind}`)
    // A failed audit is one JSON document too: the error names what changed, the file has the rest.
    assertAudit(result)
    report(
      json,
      { ...result, file },
      `${result.trials} poisonings of ${result.poisons} poisons (${done.join(', ')}), rule ${rule}, ${result.learners} learners\n` +
        `trained again each time: ${result.retrained}\n` +
        `learners changed       ${result.changedLearners} of ${result.allowedLearners} allowed\n` +
        `certified predictions  ${result.checkedPredictions} checked, none changed; violations: ${result.violations.length}\n` +
        `same bytes when trained again in another order: ${result.reproducible ? 'yes' : 'NO'}\n` +
        `attacks on ${attacked.tried} inputs: ${attacked.beyond} succeed with radius + 1 poisons, ${attacked.within} with the radius\n` +
        `wrote  ${file}`,
    )
  } finally {
    interrupt.dispose()
  }
}
