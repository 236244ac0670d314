import { describe, expect, test } from 'vitest'
import { doseLearner } from '../../src/certify/dose-learner.ts'
import { headLearners } from '../../src/certify/heads/family.ts'
import { lethalDose } from '../../src/certify/lethal-dose.ts'
import { lethalDoseChart, lethalDoseTable } from '../../src/certify/lethal-dose-report.ts'
import type { EncoderProvenance } from '../../src/certify/threat.ts'
import { gaussians } from './gaussians.ts'

const [train, probe] = [gaussians({ rows: 60, seed: 1 }), gaussians({ rows: 10, seed: 2 })]
const learners = headLearners({ kind: 'nearest_mean' })
const encoder: EncoderProvenance = { digest: 'none', trust: 'public', labelsUsed: false, trainedOn: null }
const study = { partitions: [5, 10], subsets: 10 }

describe('a radius of a lethal-dose study', () => {
  test('comes with what it promises and on what condition', async () => {
    const threat = { threat: 'general', encoder } as const
    const report = await lethalDose([doseLearner(train, probe, { name: 'heads', learners, threat, threads: 1 })], study)
    expect(report.learners[0].threat).toMatchObject({ threat: 'general', encoder: { trust: 'public', overlap: null } })
    const table = lethalDoseTable(report)
    expect(table).toContain('* heads: threat general')
    expect(table).toContain('encoder public, samples shared with the protected set not known')
    expect(table).toContain('with the given encoder weights held fixed')
    expect(table).toContain('the corpus behind the published weights is not poisoned')
    expect(lethalDoseChart(report)).toContain('median radius (insertions and deletions)')
  })

  test('is refused where the encoder has seen the samples', () => {
    const trainedOn = { manifest: 'm', samples: train.digests }
    const threat = { threat: 'general', encoder: { ...encoder, trust: 'external', trainedOn } } as const
    expect(() => doseLearner(train, probe, { name: 'heads', learners, threat })).toThrow(/general does not hold/)
  })

  test('is not called certified where nothing was declared', async () => {
    const report = await lethalDose([doseLearner(train, probe, { name: 'heads', learners, threads: 1 })], study)
    expect(report.learners[0].threat).toBeNull()
    expect(lethalDoseTable(report)).toContain('* heads: no promise.')
    expect(lethalDoseChart(report)).not.toContain('certified')
  })
})
