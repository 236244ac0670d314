/** What a lethal-dose study lets expect at other sizes. Oracle: the measured ensembles of the study itself. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gaussians } from '../../../test/support/gaussians.ts'
import { headLearners } from '../ensemble/heads/family.ts'
import { parseRequirements } from '../rules/requirement.ts'
import { doseLearner } from './dose-learner.ts'
import { type LethalDoseReport, lethalDose } from './lethal-dose.ts'
import { proposalTable, proposeFromDose, readDoseStudy } from './proposal.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-proposal-'))
const file = path.join(folder, 'lethal-dose.json')
const shape = { width: 4, classes: 3, separation: 0.7 }
let report: LethalDoseReport
beforeAll(async () => {
  const learners = headLearners({ kind: 'nearest_mean' })
  const learner = doseLearner(gaussians({ ...shape, rows: 180, seed: 1 }), gaussians({ ...shape, rows: 50, seed: 2 }), {
    ...{ name: 'pixels, nearest_mean', learners, threads: 1 },
  })
  report = await lethalDose([learner], { partitions: [5, 9, 20, 45], subsets: 10 })
  writeFileSync(file, JSON.stringify(report))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('at the size of the study, expects of dpa what was measured', async () => {
  const { candidates, samples, studySamples } = proposeFromDose(await readDoseStudy(file), 180)
  expect([samples, studySamples]).toEqual([180, 180])
  const dpa = candidates.filter(({ rule }) => rule === 'dpa')
  expect(dpa.map(({ partitions }) => partitions)).toEqual([5, 9, 20, 45])
  for (const [i, { expected, learners, samples: each }] of dpa.entries()) {
    const { measured } = report.learners[0].rows[i]
    expect(expected).toEqual(measured)
    expect(learners * each).toBe(180)
  }
})

test('with more data the same base classifiers are more, and radii grow with their number', async () => {
  const study = await readDoseStudy(file)
  const [once, fourfold] = [180, 720].map((samples) => proposeFromDose(study, samples))
  for (const [i, { partitions, rule, samples, expected }] of fourfold.candidates.entries()) {
    const before = once.candidates[i]
    expect([partitions, rule, samples]).toEqual([4 * before.partitions, before.rule, before.samples])
    expect(expected.cleanAccuracy).toBe(before.expected.cleanAccuracy)
    for (const [r, share] of before.expected.certifiedAccuracy.entries())
      if (rule === 'dpa') expect(expected.certifiedAccuracy[4 * r] ?? 0).toBeGreaterThanOrEqual(share)
  }
  // A spread does not make the votes of a margin worse.
  const mean = (rule: string, spread: number) =>
    fourfold.candidates
      .filter((each) => each.rule === rule && each.spread === spread)
      .reduce((sum, { expected }) => sum + expected.averageCertifiedRadius, 0)
  expect(mean('fa', 4)).toBeGreaterThanOrEqual(mean('dpa', 1))
})

test('proposes what meets a requirement, or what keeps the accuracy, or nothing', async () => {
  const study = await readDoseStudy(file)
  const free = proposeFromDose(study, 720)
  const most = Math.max(...free.candidates.map(({ expected }) => expected.cleanAccuracy))
  expect(free.best?.expected.cleanAccuracy).toBeGreaterThanOrEqual(0.9 * most)
  for (const { expected } of free.candidates)
    if (expected.cleanAccuracy >= 0.9 * most)
      expect(free.best?.expected.averageCertifiedRadius).toBeGreaterThanOrEqual(expected.averageCertifiedRadius)
  const requirements = parseRequirements(['accuracy>=0.5', 'certified@3>=0.2'])
  const met = proposeFromDose(study, 720, { requirements })
  expect(met.candidates.some(({ meets }) => meets === true)).toBe(true)
  expect(met.best?.meets).toBe(true)
  expect(met.best?.expected.certifiedAccuracy[3]).toBeGreaterThanOrEqual(0.2)
  const none = proposeFromDose(study, 720, { requirements: parseRequirements(['certified@700>=0.9']) })
  expect(none.best).toBeNull()
  expect(proposalTable(none)).toContain('proposed  nothing')
  expect(proposalTable({ ...none, learner: 'a\nproposed  all' })).not.toMatch(/^proposed {2}all/m)
  expect(proposalTable(met)).toContain(`proposed  --partitions ${met.best?.partitions}`)
})

test('refuses another file, and a study of another learner', async () => {
  const other = path.join(folder, 'other.json')
  writeFileSync(other, JSON.stringify({ ...report, learners: [] }))
  await expect(readDoseStudy(other)).rejects.toMatchObject({ code: 'DOSE_INVALID' })
  const study = await readDoseStudy(file)
  expect(() => proposeFromDose(study, 100, { learner: 'pixels, ridge' })).toThrow(
    expect.objectContaining({ code: 'DOSE_INVALID' }),
  )
})

test('refuses a study of another kind of base classifier, and says what else is not the same', async () => {
  const study = await readDoseStudy(file)
  const options = { learner: 'elsewhere/run, nearest_mean', kind: 'nearest_mean' }
  expect(proposeFromDose(study, 100, options).learner).toBe('pixels, nearest_mean')
  for (const kind of ['ridge', 'mean'])
    expect(() => proposeFromDose(study, 100, { kind, learner: `pixels, ${kind}` })).toThrow(
      expect.objectContaining({ code: 'DOSE_INVALID' }),
    )
  const threat = { unit: 'one video', encoder: { digest: 'a' } }
  const [learner] = study.learners
  const notesOf = (of: typeof threat | null) =>
    proposeFromDose({ ...study, learners: [{ ...learner, threat: of }] }, 100, { ...options, threat }).notes
  expect(notesOf(threat)).toEqual([])
  expect(notesOf(null)).toEqual([expect.stringContaining('does not say')])
  expect(notesOf({ ...threat, encoder: { digest: 'b' } })).toEqual([expect.stringMatching(/encoder.*b, here a/)])
  expect(notesOf({ ...threat, unit: 'one source' })).toEqual([expect.stringContaining('one source')])
  const proposal = proposeFromDose(study, 100, { ...options, threat })
  expect(proposalTable(proposal)).toContain('warning   the study does not say which encoder it used')
})

test('counts inputs and does not list them, and refuses numbers that no study has', async () => {
  const other = path.join(folder, 'large.json')
  const study = (change: object) => {
    const rows = [
      { partitions: 4, size: 45, measured: { inputs: 10_000_000, certifiedAccuracy: [0.9, 0.5], ...change } },
    ]
    writeFileSync(other, JSON.stringify({ ...report, learners: [{ name: 'a', samples: 180, rows }] }))
    return readDoseStudy(other)
  }
  const many = await study({})
  const before = process.memoryUsage().rss
  const { candidates } = proposeFromDose(many, 180)
  expect(candidates[0].expected).toMatchObject({ inputs: 10_000_000, certifiedAccuracy: [0.9, 0.5] })
  // A list of so many numbers has 80 MB.
  expect(process.memoryUsage().rss - before).toBeLessThan(60e6)
  for (const certifiedAccuracy of [
    [0.5, 0.9],
    [1, 1, 1, 1],
  ])
    await expect(study({ certifiedAccuracy })).rejects.toMatchObject({ code: 'DOSE_INVALID' })
  const text = JSON.stringify(report)
  for (const [from, to] of [
    ['"samples":180', '"samples":240'],
    ['"partitions":5,"size":36', '"partitions":5,"size":35'],
  ]) {
    expect(text).toContain(from)
    writeFileSync(other, text.replace(from, to))
    await expect(readDoseStudy(other), to).rejects.toMatchObject({ code: 'DOSE_INVALID' })
  }
  writeFileSync(other, JSON.stringify({ ...report, learners: [...report.learners, ...report.learners] }))
  await expect(readDoseStudy(other)).rejects.toMatchObject({ code: 'DOSE_INVALID' })
})
