/**
 * Which bucket a sample belongs to. The rule sees that sample alone: not its label, not other samples, not their number
 * or order. Everything the certificates say rests on this.
 */
import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import type { FeatureSet, SampleSet } from './feature-set.ts'
import { bucketOfDigest, sha256 } from './hash.ts'
import { checkPeriods, type Periods, periodOf } from './periods.ts'

const keyNames = ['content', 'id', 'source', 'time'] as const

/**
 * `content`: the video's bytes, whatever it is called; `id`: an identity the attacker cannot change; `source`: the group column; `time`:
 * the period it was collected in, not hashed.
 */
export type BucketKey = (typeof keyNames)[number]

export interface BucketOptions {
  readonly by: BucketKey
  readonly buckets: number
  /**
   * Two-level buckets for encoder groups: `buckets` is split evenly into this many groups; the first half of the hash
   * chooses the group, the second half the bucket inside it.
   */
  readonly groups?: number
  /** With `by: 'time'`: where one period ends and the next begins. Buckets are periods, oldest first. */
  readonly periods?: Periods
}

export interface BucketAssignment {
  readonly by: BucketKey
  readonly buckets: number
  readonly groups: number | undefined
  readonly periods: Periods | undefined
  /** [rows] bucket of each row; -1 where its time is in no period. */
  readonly bucketOf: Int32Array
  /** [buckets + 1] where each bucket starts in `order`. */
  readonly starts: Int32Array
  /** Row numbers, bucket by bucket, canonical order inside: (digest, label, part, features: those that the set has). File order never matters. */
  readonly order: Int32Array
}

/** Which bucket each training sample is in, as it is kept next to a certificate. */
export interface BucketManifest {
  /** Format and version of the manifest. */
  readonly schema: 'videomae.buckets/1'
  /** The function from a sample to its bucket, in words. */
  readonly hash: string
  /** What decides the bucket of a sample. */
  readonly by: BucketKey
  /** Number of buckets. */
  readonly buckets: number
  /** Encoder groups; null with one encoder. */
  readonly groups: number | null
  /** What one poisoned sample is when buckets are made this way. */
  readonly unit: string
  /** With buckets by time: the bounds of the periods. */
  readonly periods?: Periods
  /** In a bucket: with buckets by time, what is older or newer than all periods is not counted. */
  readonly rows: number
  /** Videos in a bucket. */
  readonly videos: number
  /** Rows in each bucket. */
  readonly sizes: readonly number[]
  /** Buckets without a row: their learners abstain, they vote for nobody. */
  readonly empty: readonly number[]
  /** [video id, bucket], sorted by id. */
  readonly assignment: readonly (readonly [string, number])[]
  /** SHA-256 over all of the above. */
  readonly digest: string
}

/** What one unit of the certified radius is, for each way of making buckets. */
export const poisonUnit: Readonly<Record<BucketKey, string>> = {
  content:
    'one video (one content, under however many names) inserted or deleted, or any change of its labels; a changed video is one deletion and one insertion, so it counts 2',
  id: 'one video inserted, deleted, changed or relabeled, provided that the attacker cannot choose or change ids',
  source: 'one source with all its videos, without limit on how many or what they are; every false identity counts',
  time: 'one period with everything collected in it, without limit on how much or what it is; a stretch of time that begins inside a period touches one period more than its length',
}

/** How `hash` of a manifest and a certificate says what decides the bucket. */
export function bucketRule(by: BucketKey): string {
  return by === 'time'
    ? 'number of the period, counted back from `until`, no hash'
    : 'first 8 bytes of SHA-256, big-endian, modulo buckets'
}

/**
 * The SHA-256 that decides the bucket of each row. By content that is its own digest and nothing else: an id that rows share
 * can be taken by whoever inserts a row, and must not move those that had it before.
 */
function bucketKeys(set: SampleSet, by: Exclude<BucketKey, 'time'>): readonly string[] {
  if (by === 'content') return set.digests
  if (by === 'id') return set.ids.map((id) => sha256(id))
  if (set.groups === undefined)
    throw invalidArgument('by', '"content" or "id" (the features have no group column)', by, 'Add a group column.')
  return set.groups.map((group) => sha256(group))
}

function hashedBuckets(
  set: SampleSet,
  by: Exclude<BucketKey, 'time'>,
  { buckets, groups }: Pick<BucketOptions, 'buckets' | 'groups'>,
): Int32Array {
  return Int32Array.from(bucketKeys(set, by), (key) => {
    if (groups === undefined) return bucketOfDigest(key, buckets)
    const inside = buckets / groups
    return bucketOfDigest(key, groups) * inside + bucketOfDigest(key, inside, 8)
  })
}

function periodsOfRows({ times }: SampleSet, { buckets, periods, groups }: BucketOptions): Int32Array {
  if (times === undefined)
    throw invalidArgument('by', '"content" or "id" (the features have no times)', 'time', 'Add a time column.')
  if (periods === undefined) throw invalidArgument('periods', 'where periods end and how long they are', periods)
  if (groups !== undefined) throw invalidArgument('groups', 'no encoder groups with partitions by time', groups)
  checkPeriods(periods)
  return Int32Array.from(times, (time) => periodOf(time, periods, buckets))
}

/**
 * Assigns each training sample to a bucket: by a hash of its content or id, or by its time.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function assignBuckets(set: SampleSet | FeatureSet, options: BucketOptions): BucketAssignment {
  const { by, buckets, groups, periods } = options
  if (!keyNames.includes(by)) throw invalidArgument('by', `one of ${keyNames.join(', ')}`, by)
  if (!Number.isInteger(buckets) || buckets < 1) throw invalidArgument('buckets', 'a positive integer', buckets)
  if (groups !== undefined && (!Number.isInteger(groups) || groups < 1 || buckets % groups !== 0))
    throw invalidArgument('groups', `a divisor of ${buckets}`, groups)
  const bucketOf = by === 'time' ? periodsOfRows(set, options) : hashedBuckets(set, by, options)
  const order = Int32Array.from({ length: set.rows }, (_, row) => row)
    .filter((row) => bucketOf[row] >= 0)
    .sort((a, b) => bucketOf[a] - bucketOf[b] || compareRows(set, a, b))
  const starts = new Int32Array(buckets + 1)
  for (const row of order) starts[bucketOf[row] + 1]++
  for (let bucket = 0; bucket < buckets; bucket++) starts[bucket + 1] += starts[bucket]
  return { by, buckets, groups, periods, bucketOf, starts, order }
}

/** What decides the bucket, and how a video that is in two of them is mended. */
const decides: Readonly<Record<Exclude<BucketKey, 'id'>, { readonly what: string; readonly hint: string }>> = {
  content: {
    what: 'digests',
    hint: 'Give all rows of a video the SHA-256 of its whole file as digest, or different ids: then each row is one poisoned sample.',
  },
  source: { what: 'sources', hint: 'Give all clips of a video the same source, or make partitions by content or id.' },
  time: { what: 'times', hint: 'Give all clips of a video the same time, or make partitions by content or id.' },
}

/**
 * Checks that a protected set says what one video is: rows that are called one video and are in several buckets would make the
 * radius count less than it says. Not a part of training, where the bucket of a row depends on no other: whoever inserts a row
 * under the id of another can have the set refused, but moves nothing.
 *
 * @throws VideoMaeError `VIDEO_SPLIT`, `INVALID_ARGUMENT`
 */
export function checkUnits(set: SampleSet, options: BucketOptions): void {
  const { by } = options
  if (by === 'id') return // which is what the rows of a video share
  const keys: ArrayLike<string | number> = by === 'time' ? periodsOfRows(set, options) : bucketKeys(set, by)
  const keyOfVideo = new Map<string, string | number>()
  for (let row = 0; row < set.rows; row++) {
    const id = set.ids[row]
    if ((keyOfVideo.get(id) ?? keys[row]) !== keys[row]) {
      const { what, hint } = decides[by]
      const message = `Expected all clips of video ${id} in one partition, but its ${what} differ.`
      throw new VideoMaeError(message, { code: 'VIDEO_SPLIT', exit: 'data', hint })
    }
    keyOfVideo.set(id, keys[row])
  }
}

function compareRows(set: SampleSet | FeatureSet, a: number, b: number): number {
  if (set.digests[a] !== set.digests[b]) return set.digests[a] < set.digests[b] ? -1 : 1
  if (set.labels[a] !== set.labels[b]) return set.labels[a] - set.labels[b]
  const [partA, partB] = [set.parts?.[a] ?? '', set.parts?.[b] ?? '']
  if (partA !== partB) return partA < partB ? -1 : 1
  if (!('features' in set)) return 0
  for (let k = 0; k < set.width; k++) {
    const difference = set.features[a * set.width + k] - set.features[b * set.width + k]
    if (difference !== 0) return difference
  }
  return 0 // identical in every way: their order cannot matter
}

/** The record of a bucketing, to publish next to a certificate. */
export function bucketManifest(set: SampleSet, assignment: BucketAssignment): BucketManifest {
  const { by, buckets, starts, periods, bucketOf } = assignment
  const videos = new Map<string, number>()
  for (let row = 0; row < set.rows; row++) if (bucketOf[row] >= 0) videos.set(set.ids[row], bucketOf[row])
  const sizes = Array.from({ length: buckets }, (_, bucket) => starts[bucket + 1] - starts[bucket])
  const body = {
    schema: 'videomae.buckets/1' as const,
    hash: bucketRule(by),
    by,
    buckets,
    groups: assignment.groups ?? null,
    unit: poisonUnit[by],
    ...(periods === undefined ? {} : { periods }),
    rows: assignment.order.length,
    videos: videos.size,
    sizes,
    empty: sizes.flatMap((size, bucket) => (size === 0 ? [bucket] : [])),
    assignment: [...videos].sort(([a], [b]) => (a < b ? -1 : 1)),
  }
  return { ...body, digest: sha256(JSON.stringify(body)) }
}
