/** Audits that retrain, on Gaussian features, and what they find where a learner breaks the promise. */
import { describe, expect, test } from 'vitest'
import { assertAudit, audit } from '../../src/certify/audit/audit.ts'
import { sha256 } from '../../src/certify/ensemble/hash.ts'
import { headLearners } from '../../src/certify/ensemble/heads/family.ts'
import { gaussians } from '../support/gaussians.ts'

const set = gaussians({ rows: 400, seed: 1 })
const inputs = gaussians({ rows: 60, seed: 2 })
const ridge = { learners: headLearners({ kind: 'ridge' }) }

describe('audit', () => {
  test.each([
    ['dpa', 'content'],
    ['fa', 'content'],
    ['roe', 'id'],
    ['roe_fa', 'source'],
  ] as const)('finds no violation of %s with buckets by %s, and attacks stay outside the radius', async (rule, by) => {
    const report = await audit(set, inputs, {
      rule,
      by,
      partitions: 15,
      ...(rule === 'fa' || rule === 'roe_fa' ? { spread: 2 } : {}),
      trials: 12,
      attacks: 6,
      threads: 1,
      ...ridge,
    })
    assertAudit(report)
    expect(report.reproducible).toBe(true)
    expect(report.changedLearners).toBeGreaterThan(0)
    expect(report.checkedPredictions).toBeGreaterThan(100)
    expect(report.attacks.tried).toBe(6)
  })

  test('one long video in each of radius + 1 buckets usually turns a prediction: the certificate is tight in practice', async () => {
    const report = await audit(set, inputs, {
      ...ridge,
      rule: 'dpa',
      by: 'content',
      partitions: 15,
      trials: 0,
      attacks: 15,
      attackClips: 40,
      threads: 1,
    })
    expect(report.attacks.within).toBe(0)
    expect(report.attacks.beyond).toBeGreaterThanOrEqual(10)
  })

  test('buckets that follow names which are taken are caught', async () => {
    // What one name stands for is hashed together: a file added under the name of another moves that one, too.
    const train: typeof ridge.learners.train = (data, plan) => {
      const contents = new Map<string, string>()
      for (const [row, id] of data.ids.entries()) contents.set(id, (contents.get(id) ?? '') + data.digests[row])
      return ridge.learners.train({ ...data, digests: data.ids.map((id) => sha256(contents.get(id) ?? '')) }, plan)
    }
    const options = { rule: 'dpa', by: 'content', partitions: 15, trials: 10, attacks: 0, threads: 1 } as const
    const wanted = { ...options, kinds: ['insert'], largestBudget: 2 } as const
    const leaky = await audit(set, inputs, { ...wanted, learners: { ...ridge.learners, train } })
    expect(leaky.violations.map(({ what }) => what).join()).toMatch(/base classifiers changed, but at most/)
    assertAudit(await audit(set, inputs, { ...wanted, ...ridge }))
  })

  test('a shared statistic is caught', async () => {
    // Centring on the mean of all samples: a typical leak. One poisoned sample then changes every learner.
    const leaky = (rows: number) => {
      const part = gaussians({ rows, seed: 1 })
      const mean = part.features.reduce((sum, value) => sum + value, 0) / part.features.length
      return { ...part, features: part.features.map((value) => value - mean) }
    }
    const plan = { by: 'id', learners: 15, threads: 1 } as const
    const [before, after] = [await ridge.learners.train(leaky(400), plan), await ridge.learners.train(leaky(399), plan)]
    expect(before.records.filter((record, i) => record.sha256 !== after.records[i].sha256).length).toBe(15)
  })
})
