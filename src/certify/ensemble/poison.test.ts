import { describe, expect, test } from 'vitest'
import { gaussians } from '../../../test/support/gaussians.ts'
import { RandomStream } from '../../core/random.ts'
import { certify } from '../certify.ts'
import { doseLearner } from '../dose/dose-learner.ts'
import { assignBuckets } from './buckets.ts'
import { selectRows } from './feature-set.ts'
import { sha256 } from './hash.ts'
import { headLearners } from './heads/family.ts'
import { poisonAtRandom, rowsOfUnits, samplesOf } from './poison.ts'

const single = gaussians({ rows: 40, seed: 1 })
/** Twenty videos of two clips each; the last two are one content under two names. */
const set = {
  ...single,
  ids: single.ids.map((_, row) => `video-${String(row >> 1).padStart(2, '0')}`),
  digests: single.digests.map((_, row) => single.digests[Math.min(row & ~1, 36)]),
}

describe('a unit of poison', () => {
  test('is what shares a bucket: a content under any names, an id, or a source', () => {
    const byContent = rowsOfUnits(set, 'content')
    expect(byContent).toHaveLength(19)
    expect(byContent[18]).toEqual([36, 37, 38, 39])
    expect(rowsOfUnits(set, 'id')).toHaveLength(20)
    expect(rowsOfUnits(set, 'source')).toHaveLength(40)
    // In the order of names, whatever the order of the rows: draws from them are the same then.
    const reversed = selectRows(set, [...set.ids.keys()].reverse())
    expect(rowsOfUnits(reversed, 'content').map(([row]) => 39 - row)).toEqual(byContent.map((rows) => rows.at(-1)))
  })

  test('is what a lethal-dose study draws and counts', () => {
    const learners = headLearners({ kind: 'nearest_mean' })
    expect(doseLearner(set, single, { name: 'by content', learners }).samples).toBe(19)
    expect(doseLearner(set, single, { name: 'by id', learners, by: 'id' }).samples).toBe(20)
  })

  test('that is edited stays one video, in one other bucket', () => {
    for (let seed = 0; seed < 10; seed++) {
      const { rows, cost } = poisonAtRandom(set, 'content', 2, new RandomStream(seed), ['edit'])
      expect(cost).toBe(2)
      const edited = rows.filter(({ content }) => content.kind === 'noisy')
      expect(edited.length).toBeGreaterThanOrEqual(2)
      expect(new Set(edited.map(({ digest }) => digest)).size).toBe(1)
    }
  })

  test('is inserted under a new name or one that is taken, and moves no other row', () => {
    const taken = new Set(set.ids)
    const { bucketOf } = assignBuckets(set, { by: 'content', buckets: 7 })
    const bucketOfContent = new Map(set.digests.map((digest, row) => [digest, bucketOf[row]]))
    const { rows } = poisonAtRandom(set, 'content', 40, new RandomStream(3), ['insert'])
    const inserted = rows.filter(({ content }) => content.kind === 'noisy')
    const collide = inserted.filter(({ id }) => taken.has(id)).length
    expect(collide).toBeGreaterThan(5)
    expect(collide).toBeLessThan(inserted.length - 5)
    const after = assignBuckets(samplesOf(rows, set), { by: 'content', buckets: 7 }).bucketOf
    for (const [i, { digest }] of rows.entries())
      expect(after[i]).toBe(bucketOfContent.get(digest) ?? Number(BigInt(`0x${digest.slice(0, 16)}`) % 7n))
  })
})

test('a set in which one video has several contents is not certified', async () => {
  const encoder = { digest: 'none', trust: 'fixed', labelsUsed: false, trainedOn: null } as const
  const options = { threat: { threat: 'general', encoder }, partitions: 3, rules: ['dpa'], threads: 1 } as const
  const learners = headLearners({ kind: 'nearest_mean' })
  const torn = { ...set, digests: set.digests.with(0, sha256('other')) }
  const refused = expect.objectContaining({ code: 'VIDEO_SPLIT' })
  await expect(certify(torn, single, { ...options, learners, by: 'content' })).rejects.toThrow(refused)
  expect(() => doseLearner(torn, single, { name: '', learners })).toThrow(refused)
  const { certificate } = await certify(torn, single, { ...options, learners, by: 'id' })
  expect(certificate.trainingVideos).toBe(20)
})
