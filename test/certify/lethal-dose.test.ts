import { describe, expect, test } from 'vitest'
import { doseLearner } from '../../src/certify/dose/dose-learner.ts'
import { lethalDose } from '../../src/certify/dose/lethal-dose.ts'
import { lethalDoseChart, lethalDoseTable } from '../../src/certify/dose/lethal-dose-report.ts'
import { headLearners } from '../../src/certify/ensemble/heads/family.ts'
import type { EncoderProvenance } from '../../src/certify/threat/threat.ts'
import { certifyCommand } from '../../src/cli/certify.ts'
import { lethalDoseCommand } from '../../src/cli/lethal-dose.ts'
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

describe('options are refused before anything is trained or read', () => {
  test('by the study', async () => {
    const untouched = () => Promise.reject(new Error('something was trained'))
    const learner = { name: 'any', samples: 20, labels: [0], voteOfSubsets: untouched, voteOfPartitions: untouched }
    const refused = (more: object) =>
      expect(lethalDose([learner, { ...learner, name: 'other', samples: 8 }], { ...study, ...more })).rejects
    await refused({ accuracies: [0.5, Number.NaN] }).toThrow(/shares from 0 to 1 for accuracies/)
    await refused({ targets: [60] }).toThrow(/shares from 0 to 1 for targets/)
    await refused({ subsets: 9 }).toThrow(/at least 10/)
    await refused({ partitions: [] }).toThrow(/partitions/)
    await refused({ partitions: [2.5] }).toThrow(/partitions/)
    await refused({ partitions: [4, 5, 4] }).toThrow(/each value once for partitions but received "4,5,4"/)
    await refused({ accuracies: [0.5, 0.5] }).toThrow(/each value once for accuracies/)
    await refused({ targets: [0.5, 0.5] }).toThrow(/each value once for targets/)
    await expect(lethalDose([learner, learner], study)).rejects.toThrow(/each value once for learners/)
    await refused({}).toThrow(/integers from 1 to 8 for partitions/) // the second learner has too few for 10
    await refused({ partitions: [4] }).toThrow(/was trained/)
  })

  test('by the commands', async () => {
    const common = { from: ['pixels'], out: '/nowhere/out' }
    const dose = (more: object) => expect(lethalDoseCommand('/nowhere', { ...common, ...more })).rejects
    await dose({ accuracies: '0.5,60%' }).toThrow(/--accuracies/)
    await dose({ subsets: 9 }).toThrow(/subsets/)
    await dose({ partitions: '0' }).toThrow(/--partitions/)
    await dose({ partitions: '4,4' }).toThrow(/each value once for partitions/)
    await dose({ accuracies: '0.5,0.50' }).toThrow(/each value once for accuracies/)
    await dose({ learner: 'ridge,ridge' }).toThrow(/each value once for learners/)
    await dose({ from: ['checkpoints/a', 'checkpoints/a/'] }).toThrow(/each value once for from/)
    const certificate = (more: object) => expect(certifyCommand('/nowhere', { ...common, ...more })).rejects
    await certificate({ collective: '1,x' }).toThrow(/--collective/)
    await certificate({ partitions: '5,x' }).toThrow(/--partitions/)
    await certificate({ partitions: '4,4' }).toThrow(/each value once for partitions but received "4,4"/)
    await certificate({ rule: 'dpa,roe,dpa' }).toThrow(/each value once for rules/)
    await certificate({ collective: '1,2,1' }).toThrow(/each value once for collective/)
    const groups = { from: undefined, rule: 'groups', groups: 3, groupRecipe: 'laptop-pretrain' }
    await certificate({ ...groups, partitions: '10' }).toThrow(/a multiple of the 3 encoder groups/)
  })
})
