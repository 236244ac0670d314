import { describe, expect, test } from 'vitest'
import { gaussians } from '../../../test/support/gaussians.ts'
import { RandomStream } from '../../core/random.ts'
import { assignBuckets, bucketManifest, checkUnits } from './buckets.ts'
import { checkFeatureSet, type FeatureSet, selectRows } from './feature-set.ts'
import { bucketOfContent, bucketOfDigest, sha256 } from './hash.ts'
import { periodOf } from './periods.ts'

const set = gaussians({ rows: 200, seed: 1 })
const contents = (data: FeatureSet, assignment: ReturnType<typeof assignBuckets>) =>
  Array.from(assignment.order, (row) => `${assignment.bucketOf[row]} ${data.digests[row]} ${data.labels[row]}`)

describe('assignBuckets', () => {
  test('does not depend on file order, other samples or labels', () => {
    const before = assignBuckets(set, { by: 'content', buckets: 16 })
    const order = new RandomStream(7).permutation(200)
    const shuffled = selectRows(set, order)
    expect(contents(shuffled, assignBuckets(shuffled, { by: 'content', buckets: 16 }))).toEqual(contents(set, before))
    const half = selectRows(
      set,
      Array.from({ length: 100 }, (_, i) => i),
    )
    expect([...assignBuckets(half, { by: 'content', buckets: 16 }).bucketOf]).toEqual([
      ...before.bucketOf.slice(0, 100),
    ])
    const relabeled = { ...set, labels: set.labels.map((label) => (label + 1) % 3) }
    expect([...assignBuckets(relabeled, { by: 'content', buckets: 16 }).bucketOf]).toEqual([...before.bucketOf])
  })

  test('by content keeps a content together under any names, and a name that is taken moves nothing', () => {
    const clips: FeatureSet = { ...set, digests: set.digests.map((_, row) => set.digests[(row >> 2) << 2]) }
    const { bucketOf } = assignBuckets(clips, { by: 'content', buckets: 50 })
    for (let row = 0; row < 200; row++) expect(bucketOf[row]).toBe(bucketOf[(row >> 2) << 2])
    const before = [...assignBuckets(set, { by: 'content', buckets: 50 }).bucketOf]
    expect(before).toEqual(set.digests.map((digest) => bucketOfDigest(digest, 50)))
    for (let taken = 0; taken < 20; taken++) {
      const named = selectRows(set, [...set.ids.keys(), taken])
      const digest = sha256(`inserted ${taken}`)
      const inserted = { ...named, digests: named.digests.with(200, digest) }
      const after = [...assignBuckets(inserted, { by: 'content', buckets: 50 }).bucketOf]
      expect(after).toEqual([...before, bucketOfDigest(digest, 50)])
      // It is refused where a set is declared as protected: what one video is would not be clear.
      const refused = { code: 'VIDEO_SPLIT', message: expect.stringContaining('digests differ') }
      expect(() => checkUnits(inserted, { by: 'content', buckets: 50 })).toThrow(expect.objectContaining(refused))
    }
    for (const by of ['content', 'id', 'source'] as const) checkUnits(set, { by, buckets: 50 })
    checkUnits(clips, { by: 'content', buckets: 50 })
  })

  test('keeps sources together, and a video that belongs to two of them is refused', () => {
    const { bucketOf } = assignBuckets(set, { by: 'source', buckets: 10 })
    for (let row = 0; row < 200; row++) expect(bucketOf[row]).toBe(bucketOf[row % 40])
    const torn = { ...set, ids: set.ids.map(() => 'one video') }
    expect(() => checkUnits(torn, { by: 'source', buckets: 10 })).toThrow(/one partition/)
    const { groups: _, ...without } = set
    expect(() => assignBuckets(without, { by: 'source', buckets: 10 })).toThrow(/group column/)
  })

  test('two-level buckets: the group follows the first half of the hash alone', () => {
    const flat = assignBuckets(set, { by: 'content', buckets: 4 })
    const nested = assignBuckets(set, { by: 'content', buckets: 20, groups: 4 })
    for (let row = 0; row < 200; row++) expect(Math.floor(nested.bucketOf[row] / 5)).toBe(flat.bucketOf[row])
    expect(new Set(nested.bucketOf).size).toBe(20)
  })

  test('the manifest lists empty buckets and changes with the content', () => {
    const few = selectRows(set, [0, 1, 2])
    const manifest = bucketManifest(few, assignBuckets(few, { by: 'content', buckets: 8 }))
    expect(manifest.sizes.reduce((sum, size) => sum + size)).toBe(3)
    expect(manifest.empty.length).toBeGreaterThanOrEqual(5)
    expect(manifest.assignment).toHaveLength(3)
    const other = selectRows(set, [0, 1, 3])
    expect(bucketManifest(other, assignBuckets(other, { by: 'content', buckets: 8 })).digest).not.toBe(manifest.digest)
  })
})

describe('periods', () => {
  const periods = { until: 100, length: 10, coverage: 1 }
  const timed = { ...set, times: set.ids.map((_, row) => row) }

  test('are counted back from their end, which belongs to none', () => {
    const of = (time: number) => periodOf(time, periods, 3)
    expect([100, 99.9, 90, 89.9, 80, 79, 70, 69.9].map(of)).toEqual([-1, 2, 2, 1, 1, 0, 0, -1])
  })

  test('hold the rows of their time alone, and the manifest counts no others', () => {
    const assignment = assignBuckets(timed, { by: 'time', buckets: 4, periods })
    const { starts, order } = assignment
    for (let bucket = 0; bucket < 4; bucket++)
      expect([...order.subarray(starts[bucket], starts[bucket + 1])].sort((a, b) => a - b)).toEqual(
        Array.from({ length: 10 }, (_, i) => 60 + 10 * bucket + i),
      )
    const manifest = bucketManifest(timed, assignment)
    expect(manifest).toMatchObject({ rows: 40, videos: 40, sizes: [10, 10, 10, 10], periods })
    expect(manifest.assignment).toHaveLength(40)
  })

  test('need times, one for all clips of a video, and bounds', () => {
    expect(() => assignBuckets(set, { by: 'time', buckets: 4, periods })).toThrow(/have no times/)
    expect(() => assignBuckets(timed, { by: 'time', buckets: 4 })).toThrow(/where periods end/)
    const torn = { ...timed, ids: set.ids.map(() => 'one video') }
    expect(() => checkUnits(torn, { by: 'time', buckets: 4, periods })).toThrow(/its times differ/)
    checkUnits(timed, { by: 'time', buckets: 4, periods })
  })
})

test('bucketOfDigest takes the first eight bytes, big-endian', () => {
  const digest = sha256('clip-000001')
  expect(bucketOfDigest(digest, 1200)).toBe(1162)
  expect(bucketOfContent('clip-000001', 1200)).toBe(1162)
  expect(() => bucketOfDigest('abc', 3)).toThrow(/SHA-256/)
})

test('checkFeatureSet names the row that is not finite and refuses labels outside the classes', () => {
  const features = set.features.slice()
  features[5 * 12 + 3] = Number.NaN
  expect(() => checkFeatureSet({ ...set, features })).toThrow(/row 5 .* NaN at 3/)
  expect(() => checkFeatureSet({ ...set, labels: set.labels.map(() => 3) })).toThrow(/below 3/)
})
