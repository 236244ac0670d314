/** Whether two certificates make the same claim, so that one says something about the other. */
import { needsGroups } from '../rules/list.ts'
import type { ReadCertificate, ReadRun } from '../verify/schema.ts'

/** A value that two certificates state differently. */
export interface ClaimDifference {
  /** Path of the value in the file. */
  readonly field: string
  /** The value in the first certificate. */
  readonly before: unknown
  /** The value in the second certificate. */
  readonly after: unknown
}

/** Options that are paths. What is there is compared by its digests: those of the encoder, the scale and the records. */
const paths = new Set(['from', 'trusted'])

/**
 * Values that a claim takes as fixed and that differ. The claim of the first certificate then says nothing about the second.
 *
 * The encoders of groups are trained on the protected videos, so there they may differ: `encoderMayChange`.
 */
export function claimDifferences(before: ReadCertificate, after: ReadCertificate): readonly ClaimDifference[] {
  const differences: ClaimDifference[] = []
  const compare = (field: string, a: unknown, b: unknown): void => {
    if (canonical(a) !== canonical(b)) differences.push({ field, before: a ?? null, after: b ?? null })
  }
  compare('threat.threat', before.threat.threat, after.threat.threat)
  compare('buckets.by', before.buckets.by, after.buckets.by)
  if (!(encoderMayChange(before) && encoderMayChange(after)))
    compare('threat.encoder.digest', before.threat.encoder.digest, after.threat.encoder.digest)
  compareMembers('learner', before.learner, after.learner, compare)
  compareMembers('options', withoutPaths(before.options), withoutPaths(after.options), compare)
  compare('data.classes', before.data?.classes, after.data?.classes)
  if (before.data?.classes !== 'any') compare('classNames', before.classNames, after.classNames)
  // Numbers depend on the program and the machine; no claim is about another one.
  compareMembers('provenance', before.provenance, after.provenance, compare)
  return differences
}

/** Whether videos that change may change the encoder without breaking the claim. */
export function encoderMayChange({ threat, runs }: ReadCertificate): boolean {
  return (
    threat.encoder.trust === 'per_group' &&
    threat.threat !== 'label_flip' &&
    runs.every(({ rule }) => needsGroups(rule))
  )
}

/** What makes two runs one predictor: without the data, the same base classifiers and the same rule. */
export function runKey({ rule, partitions, spread, seeds, offsets, groups, periods, learners }: ReadRun): string {
  return canonical([rule, partitions, spread, seeds, offsets, groups, periods ?? null, learners])
}

function withoutPaths(options: ReadCertificate['options']): Record<string, unknown> | undefined {
  if (options === undefined) return undefined
  return Object.fromEntries(Object.entries(options).filter(([key]) => !paths.has(key)))
}

function compareMembers(
  name: string,
  before: Readonly<Record<string, unknown>> | undefined,
  after: Readonly<Record<string, unknown>> | undefined,
  compare: (field: string, a: unknown, b: unknown) => void,
): void {
  for (const key of new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]))
    compare(`${name}.${key}`, before?.[key], after?.[key])
}

/** JSON whose members are sorted by name. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, member: unknown) =>
      typeof member === 'object' && member !== null && !Array.isArray(member)
        ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
        : member,
    ) ?? 'null'
  )
}
