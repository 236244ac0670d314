import { describe, expect, test } from 'vitest'
import { doseLearner } from '../../src/certify/dose/dose-learner.ts'
import { lethalDose } from '../../src/certify/dose/lethal-dose.ts'
import { lethalDoseChart, lethalDoseTable } from '../../src/certify/dose/lethal-dose-report.ts'
import { headLearners } from '../../src/certify/ensemble/heads/family.ts'
import type { EncoderProvenance } from '../../src/certify/threat/threat.ts'
import { certifyCommand } from '../../src/cli/certify.ts'
import { type CertifyCommandOptions, certify as certifyDefinition } from '../../src/cli/commands/certify.ts'
import {
  type LethalDoseCommandOptions,
  lethalDose as lethalDoseDefinition,
} from '../../src/cli/commands/lethal-dose.ts'
import { lethalDoseCommand } from '../../src/cli/lethal-dose.ts'
import { gaussians } from '../support/gaussians.ts'
import { optionsWith } from '../support/options-with.ts'

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
    expect(table).toContain('encoder public, number of samples shared with the protected set unknown')
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
    expect(lethalDoseTable(report)).toContain('* heads: no claim.')
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
    const dose = (more: Partial<LethalDoseCommandOptions>) =>
      expect(lethalDoseCommand('/nowhere', optionsWith(lethalDoseDefinition, { ...common, ...more }))).rejects
    await dose({ accuracies: '0.5,60%' }).toThrow(/--accuracies/)
    await dose({ subsets: 9 }).toThrow(/subsets/)
    await dose({ partitions: '0' }).toThrow(/--partitions/)
    await dose({ partitions: '4,4' }).toThrow(/each value once for partitions/)
    await dose({ accuracies: '0.5,0.50' }).toThrow(/each value once for accuracies/)
    await dose({ learner: 'ridge,ridge' }).toThrow(/each value once for learners/)
    await dose({ from: ['checkpoints/a', 'checkpoints/a/'] }).toThrow(/each value once for from/)
    const certificate = (more: Partial<CertifyCommandOptions>) =>
      expect(certifyCommand('/nowhere', optionsWith(certifyDefinition, { ...common, ...more }))).rejects
    await certificate({ collective: '1,x' }).toThrow(/--collective/)
    await certificate({ partitions: '5,x' }).toThrow(/--partitions/)
    await certificate({ partitions: '4,4' }).toThrow(/each value once for partitions but received "4,4"/)
    await certificate({ rule: 'dpa,roe,dpa' }).toThrow(/each value once for rules/)
    await certificate({ collective: '1,2,1' }).toThrow(/each value once for collective/)
    const groups = { from: undefined, rule: 'groups', groups: 3, groupRecipe: 'laptop-pretrain' }
    await certificate({ ...groups, partitions: '10' }).toThrow(/a multiple of the 3 encoder groups/)
  })
})

describe('lethalDose', () => {
  test('a learner that knows where to look needs fewer samples and gets the larger radius, as predicted', async () => {
    const shape = { classes: 4, width: 64, informative: 8, separation: 0.9 }
    const [train, probe] = [gaussians({ ...shape, rows: 2400, seed: 1 }), gaussians({ ...shape, rows: 150, seed: 2 })]
    const informed = <T extends typeof train>(data: T) => ({
      ...data,
      width: 8,
      features: Float32Array.from({ length: data.rows * 8 }, (_, i) => data.features[Math.floor(i / 8) * 64 + (i % 8)]),
    })
    const learners = headLearners({ kind: 'nearest_mean', scaling: 'none' })
    const report = await lethalDose(
      [
        doseLearner(train, probe, { name: 'all', learners, threads: 1 }),
        doseLearner(informed(train), informed(probe), { name: 'informed', learners, threads: 1 }),
      ],
      { partitions: [20, 60, 120, 240], subsets: 30, accuracies: [0.6, 0.7] },
    )
    const [all, knows] = report.learners
    const n = (learner: typeof all, at: number) => learner.complexity[at].samples ?? Number.NaN
    expect(n(all, 0)).toBeGreaterThan(2 * n(knows, 0))
    for (const learner of report.learners) {
      for (const row of learner.rows) {
        // DPA's base accuracy at K is the learning curve at N / K.
        expect(Math.abs(row.predictedBase - row.measuredBase)).toBeLessThan(0.05)
        const { medianRadius } = row.measured
        if (medianRadius !== null && medianRadius > 5)
          expect(Math.abs((row.predictedMedian ?? 0) / medianRadius - 1)).toBeLessThan(0.35)
      }
      for (const { samples, interval } of learner.complexity)
        if (samples !== null && interval !== null) {
          expect(interval[0]).toBeLessThanOrEqual(samples)
          expect(interval[1] ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(samples)
        }
    }
    const last = report.matched[report.matched.length - 1].rows
    expect(last[1].row?.partitions ?? 0).toBeGreaterThan(last[0].row?.partitions ?? 0)
    expect(lethalDoseTable(report)).toContain('| informed | 2400 |')
    expect(lethalDoseChart(report)).toContain('informed, predicted')
  })
})
