import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { assertAudit, audit, type Rule } from '../certify/index.ts'
import { planCertification, prepareLearners } from '../certify-videos/index.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { report } from './certify.ts'
import { learnerOf, progressOf, type VideoCommandOptions, videoOptions } from './certify-options.ts'
import { interruptSignal } from './run.ts'

export interface AuditCommandOptions extends VideoCommandOptions {
  readonly from: string
  readonly partitions?: number
  readonly rule?: Rule
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
  const { from, partitions = 50, rule = 'dpa', by = 'content', trials, attacks, budget, out } = options
  const { spread, seed, threads, quiet = false, json = false } = options
  const interrupt = interruptSignal('Run the same command again: finished features are kept.')
  try {
    const { signal } = interrupt
    const videos = videoOptions(data, from, await learnerOf(options, options.learner), options, signal)
    const result = await prepareLearners(await planCertification(videos), videos, ({ learners, set, test }) =>
      audit(set, test, {
        ...{ learners, by, partitions, rule, trials, attacks, spread, seed, threads, signal },
        seeds: options.seedsPerPartition,
        largestBudget: budget,
        onProgress: progressOf(quiet, 'poisonings'),
      }),
    )
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
