/** The facts of buckets that are published next to a certificate, checked against each other and against the votes. */
import { bucketRule, poisonUnit } from '../ensemble/buckets.ts'
import { ensembleWarnings } from '../ensemble/ensemble-facts.ts'
import { bucketOfDigest, sha256 } from '../ensemble/hash.ts'
import { looksIntoHeads, needsGroups, needsPeriods } from '../rules/list.ts'
import { learnerSizes, spreadOffsets } from '../rules/spread.ts'
import type { Differences } from './differences.ts'
import type { Recount } from './recount.ts'
import type { ReadBuckets, ReadCertificate, ReadRun } from './schema.ts'

/** Buckets of a run: with `temporal` there are more periods than learners. */
export function bucketCount({ learners, periods }: ReadRun): number {
  return learners + (periods?.coverage ?? 1) - 1
}

/**
 * Values of a run that follow from each other.
 *
 * @param seed of the options; the spread is drawn again from it
 * @param votesRead whether there are votes of as many learners: a number alone must not make work
 */
export function compareLayout(
  { run, name, at }: { readonly run: ReadRun; readonly name: string; readonly at: string },
  seed: unknown,
  votesRead: boolean,
  differences: Differences,
): void {
  const about = { run: name }
  const { learners, partitions, spread, offsets } = run
  differences.compare(`${at}learners`, learners, partitions * spread, about)
  if (!needsGroups(run.rule)) differences.compare(`${at}groups`, run.groups, null, about)
  if (needsPeriods(run.rule)) {
    differences.compare(`${at}offsets`, offsets, [], about)
    differences.compare(`${at}spread`, spread, 1, about)
    return
  }
  differences.compare(`${at}spread`, spread, offsets.length, about)
  if (spread === 1) differences.compare(`${at}offsets`, offsets, [0], about)
  else if (votesRead && Number.isInteger(seed) && partitions * spread === learners)
    differences.compare(`${at}offsets`, offsets, spreadOffsets(partitions, spread, Number(seed)), about)
}

/** The file of buckets: its digest, what it says of itself, and what the run says of its learners. */
export function compareBuckets(
  { run, name, at }: { readonly run: ReadRun; readonly name: string; readonly at: string },
  { name: fileName, manifest }: { readonly name: string; readonly manifest: ReadBuckets },
  { buckets: { by } }: ReadCertificate,
  counted: Recount | null,
  differences: Differences,
): void {
  const about = { run: name }
  const file = `${fileName}: `
  const { digest, ...found } = manifest
  const { sizes, assignment, periods } = found
  // In the order in which they are written: the digest is of the text.
  const body = {
    schema: found.schema,
    hash: bucketRule(by),
    by,
    buckets: found.buckets,
    groups: found.groups,
    unit: poisonUnit[by],
    ...(periods === undefined ? {} : { periods }),
    rows: sizes.reduce((sum, size) => sum + size, 0),
    videos: assignment.length,
    sizes,
    empty: sizes.flatMap((size, bucket) => (size === 0 ? [bucket] : [])),
    assignment: by === 'id' ? assignment.map(([id]) => [id, bucketOf(id, found)] as const) : assignment,
  }
  differences.compare(file, found, body, about)
  differences.compare(`${file}digest`, digest, sha256(JSON.stringify(body)), about)
  differences.compare(`${at}bucketManifest`, run.bucketManifest, digest, about)
  differences.compare(`${file}periods`, periods, run.periods, about)
  if (looksIntoHeads(run.rule)) differences.compare(`${at}flips.samples`, run.flips?.samples, body.rows, about)
  if (needsGroups(run.rule)) differences.compare(`${at}groups`, run.groups, found.groups, about)
  const unordered = assignment.findIndex(([id], i) => i > 0 && id <= assignment[i - 1][0])
  if (unordered >= 0)
    differences.compare(
      `${file}assignment[${unordered}]`,
      assignment[unordered],
      'a video behind the one before',
      about,
    )
  const videos = new Int32Array(sizes.length)
  for (const [, bucket] of assignment) videos[bucket]++
  for (const [bucket, count] of videos.entries())
    if (count > sizes[bucket] || (count === 0) !== (sizes[bucket] === 0))
      differences.compare(`${file}sizes[${bucket}]`, sizes[bucket], `rows of ${count} videos`, about)
  compareLargestUnit({ run, at }, by, sizes, videos, differences)
  compareSizes({ run, name, at }, sizes, counted, differences)
}

/**
 * White-box radii are divided by the most rows of one unit. A partition with more rows than videos has a video of at least the mean
 * number of rows; a unit is a video, or several.
 */
function compareLargestUnit(
  { run: { flips }, at }: { readonly run: ReadRun; readonly at: string },
  by: ReadBuckets['by'],
  sizes: readonly number[],
  videos: Int32Array,
  differences: Differences,
): void {
  if (flips == null) return
  const least = sizes.reduce((most, rows, b) => Math.max(most, videos[b] === 0 ? 0 : Math.ceil(rows / videos[b])), 1)
  if (flips.largestUnit < least)
    differences.compare(`${at}flips.largestUnit`, flips.largestUnit, `at least ${least}, as a ${by} has so many rows`)
}

function bucketOf(id: string, { buckets, groups }: Pick<ReadBuckets, 'buckets' | 'groups'>): number {
  const key = sha256(id)
  if (groups === null) return bucketOfDigest(key, buckets)
  const inside = Math.max(1, Math.floor(buckets / groups))
  return bucketOfDigest(key, groups) * inside + bucketOfDigest(key, inside, 8)
}

/** Rows of each learner; one without any has no vote. */
function compareSizes(
  { run, name, at }: { readonly run: ReadRun; readonly name: string; readonly at: string },
  sizes: readonly number[],
  counted: Recount | null,
  differences: Differences,
): void {
  const about = { run: name }
  const { learners, periods } = run
  const offsets =
    periods === undefined
      ? run.offsets
      : Array.from({ length: periods.coverage }, (_, i) => (sizes.length - i) % sizes.length)
  const rows = learnerSizes(sizes, learners, offsets)
  const sorted = rows.toSorted()
  const empty = rows.filter((count) => count === 0).length
  differences.compare(`${at}emptyLearners`, run.emptyLearners, empty, about)
  differences.compare(
    `${at}samples`,
    run.samples,
    { fewest: sorted[0], median: sorted[Math.floor((learners - 1) / 2)], most: sorted[learners - 1] },
    about,
  )
  const expected = ensembleWarnings({ ...run, emptyLearners: empty }, learners)
  for (const warning of expected)
    differences.compare(`${at}warnings`, run.warnings.includes(warning) ? warning : null, warning, about)
  if (counted === null) return
  for (const [learner, count] of rows.entries())
    if (count === 0)
      differences.compare(
        `${at}ballots: inputs without a vote of base classifier ${learner}, which has no training row`,
        counted.silent[learner],
        counted.certificates.length,
        about,
      )
}
