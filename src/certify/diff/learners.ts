/** Which base classifiers of two certificates differ, and which of them a changed unit reaches. */
import { bucketOfDigest, sha256 } from '../ensemble/hash.ts'
import { learnersOfBucket } from '../rules/spread.ts'
import { bucketCount } from '../verify/buckets.ts'
import { readBuckets, readLearnerDigests } from '../verify/read-files.ts'
import type { ReadCertificate, ReadRun } from '../verify/schema.ts'
import type { ChangedUnit } from './changes.ts'
import { encoderMayChange } from './claims.ts'

interface Folder {
  readonly folder: string
  readonly certificate: ReadCertificate
}

interface LearnerComparison {
  readonly changed: number
  readonly reached: number
  /** Numbers of learners that changed and are not reached. */
  readonly beyond: readonly number[]
}

/** Digests of heads cover their own classes only: a list with more classes leaves them what they are. */
const headKinds: readonly string[] = ['ridge', 'nearest_mean', 'linear']

/**
 * Null where the digests of learners, or what decides the partitions, are not next to both certificates, or another list of classes
 * changes all of them.
 */
export async function compareLearners(
  a: Folder,
  b: Folder,
  { run, other }: { readonly run: ReadRun; readonly other: ReadRun },
  units: readonly ChangedUnit[],
): Promise<LearnerComparison | null> {
  const { learner, classNames } = a.certificate
  const sameClasses = JSON.stringify(classNames) === JSON.stringify(b.certificate.classNames)
  if (!sameClasses && !headKinds.includes(learner.kind)) return null
  const [before, after] = [await digestsOf(a, run), await digestsOf(b, other)]
  const partition = await readBuckets(a.folder, bucketCount(run), run.bucketManifest)
  if (before === null || after === null || partition === null) return null
  const groups = partition.manifest.groups ?? undefined
  if (groups !== undefined && run.learners % groups !== 0) return null
  const reached = reachOf(a.certificate, run, units, groups)
  const changed = before.flatMap((digest, i) => (digest === after[i] ? [] : [i]))
  return { changed: changed.length, reached: reached.size, beyond: changed.filter((i) => !reached.has(i)) }
}

/** Null where the file is not there, or is not the one that the run names. */
async function digestsOf({ folder }: Folder, { learnersFile = null, learnersDigest, learners }: ReadRun) {
  const text = learnersFile === null ? null : await readLearnerDigests(folder, learnersFile)
  if (text === null || sha256(text) !== learnersDigest) return null
  const digests = text.split('\n')
  return digests.length === learners ? digests : null
}

/** Learners that the changed units may change. */
function reachOf(
  certificate: ReadCertificate,
  run: ReadRun,
  units: readonly ChangedUnit[],
  groups: number | undefined,
): ReadonlySet<number> {
  const { learners, offsets, periods } = run
  const reached = new Set<number>()
  for (const { unit, change } of units) {
    if (periods !== undefined) {
      const period = learners + periods.coverage - 2 - Number(unit)
      for (let i = Math.max(0, period - periods.coverage + 1); i <= Math.min(period, learners - 1); i++) reached.add(i)
      continue
    }
    const key = certificate.buckets.by === 'content' ? unit : sha256(unit)
    if (groups === undefined) {
      for (const i of learnersOfBucket(bucketOfDigest(key, learners), learners, offsets)) reached.add(i)
      continue
    }
    const inside = learners / groups
    const first = bucketOfDigest(key, groups) * inside
    // A video that comes or goes may change the encoder of its group.
    if (change !== 'label' && encoderMayChange(certificate)) for (let i = first; i < first + inside; i++) reached.add(i)
    else reached.add(first + bucketOfDigest(key, inside, 8))
  }
  return reached
}
