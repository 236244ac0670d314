/** What a certificate claims, derived again from what it says of threat, buckets and encoder. */
import { VideoMaeError } from '../../core/errors.ts'
import { bucketRule } from '../ensemble/buckets.ts'
import { looksIntoHeads } from '../rules/list.ts'
import { readingConditions, threatStatement } from '../threat/threat.ts'
import type { Differences } from './differences.ts'
import type { ReadCertificate } from './schema.ts'

/** Compares claim, unit, conditions and limits of the threat with those that follow. */
export function compareStatement(certificate: ReadCertificate, differences: Differences): void {
  const { threat: stated, buckets, runs, data, options } = certificate
  differences.compare('buckets.hash', buckets.hash, bucketRule(buckets.by))
  const rules = runs.flatMap(({ rule }) => (looksIntoHeads(rule) ? [] : [rule]))
  let statement: ReturnType<typeof threatStatement>
  try {
    statement = threatStatement(stated.threat, buckets.by, rules, stated.encoder)
  } catch (error) {
    if (!(error instanceof VideoMaeError && error.code === 'THREAT_NOT_CERTIFIED')) throw error
    differences.compare('threat.threat', stated.threat, `refused: ${error.message}`)
    return
  }
  const split = options?.split
  const reading =
    data === undefined
      ? []
      : readingConditions(
          { source: data.source, test: data.test, split: typeof split === 'string' ? split : null },
          data.classes === 'any',
        )
  differences.compare('threat', stated, { ...statement, conditions: [...statement.conditions, ...reading] })
}
