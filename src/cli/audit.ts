import type { ListAuditReport } from '../certify/videos/audit/list-audit.ts'
import { assertVideoAudit, auditVideos, type VideoAudit } from '../certify/videos/audit-videos.ts'
import { bucketsOf, groupCount, learnerOf, videoOptions } from './certify-options.ts'
import type { AuditCommandOptions } from './commands/audit.ts'
import { interruptSignal } from './interrupt.ts'
import { printResult } from './print-result.ts'

/** `videomae audit`. */
export async function auditCommand(data: string, options: AuditCommandOptions): Promise<void> {
  const { from, partitions, rule, trials, attacks, budget, spread, json = false } = options
  const interrupt = interruptSignal('Run the same command again: finished features are kept.')
  try {
    const { by } = bucketsOf([rule], options)
    const videos = videoOptions(data, from, await learnerOf(options, options.learner), options, interrupt.signal)
    const { report: result, file } = await auditVideos({
      ...videos,
      ...{ by, partitions, rule, trials, attacks, spread },
      groups: groupCount(options.groups, from),
      largestBudget: budget,
      seedsPerPartition: options.seedsPerPartition,
      listTrials: options.listTrials,
      whiteBox: options.whiteBox,
    })
    // A failed audit is one JSON document too: the error names what changed, the file has the rest.
    assertVideoAudit(result)
    printResult(json, { ...result, file }, `${textOf(result)}\nwrote  ${file}`)
  } finally {
    interrupt.dispose()
  }
}

function textOf(result: VideoAudit): string {
  const { actions, attacks, lists, labelFlips } = result
  return (
    `${result.trials} poisonings with ${result.poisons} poisoned samples (${counts(actions).join(', ')}), rule ${result.rule}, ${result.learners} base classifiers\n` +
    `trained again each time: ${result.retrained}\n` +
    `base classifiers changed  ${result.changedLearners} of ${result.allowedLearners} allowed\n` +
    `certified predictions     ${result.checkedPredictions} checked, none changed; violations: ${result.violations.length}\n` +
    `same bytes when trained again in another order: ${result.reproducible ? 'yes' : 'NO'}\n` +
    `attacks on ${attacks.tried} inputs: ${attacks.beyond} succeed with radius + 1 poisoned samples, ${attacks.within} of ${attacks.triedWithin} with the radius\n` +
    (lists === null
      ? `attacks on rows and files: none (${result.listsSkipped})`
      : textOfLists('attacks on rows and files', lists)) +
    (labelFlips === null ? '' : `\n${textOfLists('flipped labels, with the white-box certificate', labelFlips)}`) +
    '\nresult: no certified prediction changed'
  )
}

const counts = (of: Readonly<Record<string, number>>): string[] =>
  Object.entries(of).flatMap(([name, count]) => (count === 0 ? [] : [`${count} ${name}`]))

function textOfLists(what: string, lists: ListAuditReport): string {
  const refused = counts(lists.refused)
  return (
    `${what}: ${lists.trials} attacks, ${lists.units} units in all, on a ${lists.form} of ${lists.rows} rows, threat ${lists.threat} (${counts(lists.acts).join(', ')})\n` +
    `certified predictions     ${lists.checkedPredictions} checked, none changed${refused.length > 0 ? `; no answer: ${refused.join(', ')}` : ''}`
  )
}
