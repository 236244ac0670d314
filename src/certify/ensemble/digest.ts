/** Digests of plans and of trained learners: what must be equal for two of them to be one. */
import { createHash } from 'node:crypto'
import type { SampleSet } from './feature-set.ts'
import type { EnsembleLayout } from './layout.ts'
import type { LearnerRecord } from './learners.ts'
import type { EnsembleTrainer } from './trainer.ts'

/** Everything the learners depend on, one SHA-256: how they are trained, the spread, the classes and what is in each bucket. */
export function digestOfPlan<Set extends SampleSet>(
  { set, assignment, offsets, seeds }: EnsembleLayout<Set>,
  { version, description, contentOf }: Pick<EnsembleTrainer<Set, never>, 'version' | 'description' | 'contentOf'>,
): string {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([version, description, offsets, set.classNames, assignment.buckets, seeds]))
  for (const row of assignment.order)
    hash.update(`\n${assignment.bucketOf[row]} ${set.digests[row]} ${set.labels[row]} ${contentOf(set, row)}`)
  return hash.digest('hex')
}

/**
 * SHA-256 of a trained learner. Certificates record it.
 *
 * @param of what names it next to its numbers: how it is trained, how many samples it has, and their classes by name
 * @param numbers its weights
 */
export function digestOfLearner(
  of: { readonly description: unknown; readonly samples: number; readonly classNames: readonly string[] },
  numbers: Iterable<string | Uint8Array>,
): string {
  const hash = createHash('sha256').update(JSON.stringify([of.description, of.samples, of.classNames]))
  for (const part of numbers) hash.update(part)
  return hash.digest('hex')
}

/** The digests of all learners, one in each line. */
export function digestsOfLearners(records: readonly LearnerRecord[]): string {
  return records.map((record) => record.sha256).join('\n')
}

/** SHA-256 over the digests of all learners: training again must give it again. */
export function digestOfEnsemble(records: readonly LearnerRecord[]): string {
  return createHash('sha256').update(digestsOfLearners(records)).digest('hex')
}
