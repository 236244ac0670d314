import { describe, expect, test } from 'vitest'
import { gaussians } from '../../../../test/support/gaussians.ts'
import { RandomStream } from '../../../core/random.ts'
import { audit } from '../../audit/audit.ts'
import { headLearners } from '../../ensemble/heads/family.ts'
import { poisonAtRandom } from '../../ensemble/poison.ts'
import { groupScaledHeads } from './group-scales.ts'

const shape = { width: 48, informative: 12 }
const set = gaussians({ ...shape, rows: 600, seed: 1 })
const inputs = gaussians({ ...shape, rows: 40, seed: 2 })
const heads = headLearners({ kind: 'ridge' })
const learners = groupScaledHeads(heads, 5)
const plan = { by: 'content', learners: 20, groups: 5, threads: 1 } as const

describe('groupScaledHeads', () => {
  test('one video changes every head of its group and no other, in any order of the files', async () => {
    const before = await learners.train(set, plan)
    const { rows } = poisonAtRandom(set, 'content', 1, new RandomStream(1), ['insert'])
    const poisoned = learners.poisoned(set, inputs, rows)
    const after = await learners.train(poisoned, plan)
    const changed = before.records.filter(({ sha256 }, i) => sha256 !== after.records[i].sha256)
    const group = Math.floor(after.assignment.bucketOf[poisoned.rows - 1] / 4)
    expect(changed.map(({ learner }) => learner)).toEqual([0, 1, 2, 3].map((i) => 4 * group + i))
    const { rows: shuffled } = poisonAtRandom(set, 'content', 0, new RandomStream(2))
    const again = await learners.train(learners.poisoned(set, inputs, shuffled), plan)
    expect(again.records).toEqual(before.records)
  })

  test('each group sees inputs through its own scale', async () => {
    const trained = await learners.train(set, plan)
    const { ranks } = await trained.vote(inputs, { from: 0, to: 40 }, { keep: 'votes' })
    let right = 0
    for (let t = 0; t < 40; t++) for (let i = 0; i < 20; i++) if (ranks[t * 20 + i] === inputs.labels[t]) right++
    expect(right / 800).toBeGreaterThan(0.6)
    const elsewhere = { ...inputs, features: inputs.features.map((value) => value + 5) }
    const perGroup = Array.from({ length: 5 }, (_, g) => (g === 2 ? elsewhere : inputs))
    const votes = await trained.vote({ ...inputs, perGroup }, { from: 0, to: 40 }, { keep: 'votes' })
    for (let i = 0; i < 20; i++) {
      const same = Array.from({ length: 40 }, (_, t) => votes.ranks[t * 20 + i] === ranks[t * 20 + i]).every(Boolean)
      expect(same).toBe(i < 8 || i >= 12)
    }
  })

  test('the attack on the scale succeeds where copies of the input do not', async () => {
    const { attack: _, ...plain } = learners
    const options = {
      by: 'content',
      partitions: 20,
      rule: 'groups',
      groups: 5,
      trials: 0,
      attacks: 15,
      threads: 1,
    } as const
    const [weak, strong] = await Promise.all(
      [plain, learners].map((family) => audit(set, inputs, { ...options, learners: family, attackClips: 4 })),
    )
    expect([weak.attacks.within, strong.attacks.within]).toEqual([0, 0])
    expect(weak.attacks.beyond).toBeLessThan(5)
    expect(strong.attacks.beyond).toBeGreaterThanOrEqual(8)
  })
})
