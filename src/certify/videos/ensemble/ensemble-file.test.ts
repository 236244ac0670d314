import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { sampleEnsemble } from '../../../../scripts/support/fuzzing/ensemble-format.ts'
import type { EnsembleDescription } from './description.ts'
import { readEnsemble, type StoredEnsemble, writeEnsemble } from './ensemble-file.ts'
import { voteOnRows } from './votes.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-ensemble-file-'))
const file = path.join(folder, 'ensemble.safetensors')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Heads of features of width 1 that all vote by their bias; -1: no samples. */
function voting(votes: readonly number[], change: Partial<EnsembleDescription> = {}): StoredEnsemble {
  const classes = 3
  const weights = new Float32Array(votes.length * classes * 2)
  const knows = new Uint8Array(votes.length * classes)
  for (const [learner, vote] of votes.entries()) {
    if (vote < 0) continue
    weights[(learner * classes + vote) * 2 + 1] = 1
    knows.fill(1, learner * classes, (learner + 1) * classes)
  }
  const { description } = sampleEnsemble({ partitions: votes.length, ...change })
  const heads = { head: description.head, classes, width: 1, learners: votes.length, weights, knows }
  return { description, heads, scales: null }
}

describe('an ensemble file', () => {
  test('gives back what was written, and the same bytes for the same ensemble', async () => {
    const written = sampleEnsemble()
    const digest = await writeEnsemble(file, written)
    const bytes = readFileSync(file)
    const read = await readEnsemble(file)
    expect(read.digest).toBe(digest)
    expect(read.description).toEqual(written.description)
    expect(read.heads.weights).toEqual(written.heads.weights)
    expect(read.heads.knows).toEqual(written.heads.knows)
    expect(read.scales).toEqual(written.scales)
    expect(await writeEnsemble(file, read)).toBe(digest)
    expect(readFileSync(file).equals(bytes)).toBe(true)
  })

  test('is refused where any byte of its numbers or its claim has changed', async () => {
    await writeEnsemble(file, sampleEnsemble())
    const whole = readFileSync(file)
    const claim = whole.indexOf('any r units')
    for (const at of [claim, whole.length - 1, whole.length - 100]) {
      const changed = Buffer.from(whole)
      changed[at] ^= 1
      writeFileSync(file, changed)
      await expect(readEnsemble(file), `byte ${at}`).rejects.toMatchObject({ code: 'ENSEMBLE_INVALID' })
    }
  })

  const { encoder } = sampleEnsemble().description.threat
  const perGroup = { ...encoder, trust: 'per_group' } as const
  const spread = { rules: ['fa'], partitions: 3, spread: 2, offsets: [1, 4] } as Partial<EnsembleDescription>
  test.each<[field: string, change: Partial<EnsembleDescription>]>([
    ['schema', { schema: 'videomae.ensemble/2' as 'videomae.ensemble/1' }],
    ['partitions', { partitions: 5 }],
    ['rules', { rules: ['dpa', 'fa'] }],
    ['rules', { rules: ['dpa', 'dpa'] }],
    // One poisoned sample would reach two learners, and count as one.
    ['spread', { ...spread, rules: ['dpa'] }],
    ['offsets', { ...spread, offsets: [1] }],
    ['offsets', { ...spread, offsets: [1, 1] }],
    ['offsets', { ...spread, offsets: [1, 6] }],
    ['offsets', { offsets: [1] }],
    ['groups', { rules: ['groups'] }],
    ['groups', { rules: ['groups'], groups: 4 }],
    ['periods', { rules: ['temporal'], offsets: [], by: 'time' }],
    ['periods', { periods: { until: 1, length: 1, coverage: 1 } }],
    ['coverage', { rules: ['temporal'], offsets: [], by: 'time', periods: { until: 1, length: 1, coverage: 0 } }],
    ['coverage', { rules: ['temporal'], offsets: [], by: 'time', periods: { until: 1, length: 1, coverage: 65_536 } }],
    ['classNames', { classNames: ['a', 'a', 'b'] }],
    ['heads', { classNames: ['a', 'b'] }],
    ['classes', { classes: 'any' }],
    ['classNames', { classNames: ['a', 'b', '(any other class)'] }],
    // One poisoned sample in an encoder of a group would reach all its base classifiers.
    ['threat', { threat: { ...sampleEnsemble().description.threat, encoder: perGroup } }],
  ])('is refused by name: %s, %j', async (field, change) => {
    await writeEnsemble(file, sampleEnsemble(change))
    await expect(readEnsemble(file)).rejects.toMatchObject({
      code: 'ENSEMBLE_INVALID',
      message: expect.stringMatching(new RegExp(`^Expected a certified ensemble in ${file}: .*${field}`, 's')),
    })
  })

  test('is refused where a number is none', async () => {
    const ensemble = sampleEnsemble()
    const refused = (what: RegExp) => expect(readEnsemble(file)).rejects.toThrow(what)
    ensemble.heads.weights[4] = Number.NaN
    await writeEnsemble(file, ensemble)
    await refused(/heads: value 1 of base classifier 0, class 1 is NaN/)
    ensemble.heads.weights[4] = 0
    // A class without samples may score -infinity, by its bias alone.
    ensemble.heads.weights[2] = Number.NEGATIVE_INFINITY
    await writeEnsemble(file, ensemble)
    await readEnsemble(file)
    ensemble.heads.weights[5] = Number.NEGATIVE_INFINITY
    await writeEnsemble(file, ensemble)
    await refused(/base classifier 0, class 1 is -Infinity/)
    ensemble.heads.weights[5] = 0
    ensemble.heads.knows[3] = 2
    await writeEnsemble(file, ensemble)
    await refused(/knows: value 3 is 2/)
    ensemble.heads.knows[3] = 1
    ensemble.scales![0].deviation[0] = 0
    await writeEnsemble(file, ensemble)
    await refused(/scale.deviation: value 0 is 0/)
  })
})

describe('votes', () => {
  const row = [Float32Array.of(1)]
  test('go to the smaller class where they are equal, and learners without samples abstain', async () => {
    const [voted] = await voteOnRows(voting([1, 1, 0, 0, -1, -1]), 'dpa', [row])
    expect(voted.certificate).toEqual({ prediction: 0, radius: 0, rivals: [1], abstentions: 2 })
    expect([...voted.counts]).toEqual([2, 2, 0])
    // 4 votes for class 2, 1 for class 0, which comes first: floor(3 / 2 + 1 / 2) - 1.
    const [led] = await voteOnRows(voting([2, 2, 0, 2, 2, -1]), 'dpa', [row])
    expect(led.certificate).toEqual({ prediction: 2, radius: 1, rivals: [0], abstentions: 1 })
  })

  test.each(['dpa', 'roe'] as const)(
    'that are no numbers name the file, the learner and the class: %s',
    async (rule) => {
      const ensemble = sampleEnsemble()
      // Class 1 of learner 2, which has no samples of it: features add up to infinity, the bias takes it away again.
      ensemble.heads.weights.set([3e38, 3e38, Number.NEGATIVE_INFINITY], (2 * 3 + 1) * 3)
      ensemble.heads.knows[2 * 3 + 1] = 0
      await writeEnsemble(file, ensemble)
      const read = await readEnsemble(file)
      await expect(voteOnRows(read, rule, [[Float32Array.of(3, 3)]])).rejects.toMatchObject({
        code: 'OUTPUT_NOT_FINITE',
        message: expect.stringMatching(/ensemble\.safetensors.* class 1 by base classifier 2 is NaN.*tensor heads/),
      })
      expect(await voteOnRows(read, rule, [[Float32Array.of(-3, -3)]])).toHaveLength(1)
    },
  )

  test('are counted by the rule: a poisoned sample of two learners weighs more', async () => {
    const finite = { rules: ['fa'], partitions: 3, spread: 2, offsets: [0, 1] } as Partial<EnsembleDescription>
    const [voted] = await voteOnRows(voting([2, 2, 2, 2, 2, 2], finite), 'fa', [row])
    // A lead of 6 over class 0, with ties for it: one partition takes 4 of it away, two take all.
    expect(voted.certificate).toMatchObject({ prediction: 2, radius: 1, rivals: [0] })
    const [disjoint] = await voteOnRows(voting([2, 2, 2, 2, 2, 2]), 'dpa', [row])
    expect(disjoint.certificate).toMatchObject({ prediction: 2, radius: 2 })
  })

  test('of each encoder group are on the features of its own encoder', async () => {
    const grouped = { rules: ['groups'], groups: 2 } as Partial<EnsembleDescription>
    const { description, heads } = voting([0, 0, 0, 0, 0, 0], grouped)
    // By the sign of the feature: class 2 above 0, class 1 below.
    const weights = Float32Array.from({ length: 36 }, (_, i) => [0, 0, -1, 0, 1, 0][i % 6])
    const ensemble = { description, heads: { ...heads, weights }, scales: null }
    const [up, down] = [Float32Array.of(1), Float32Array.of(-1)]
    const voted = await voteOnRows(ensemble, 'groups', [
      [up, down],
      [up, up],
    ])
    expect(voted.map(({ counts }) => [...counts])).toEqual([
      [0, 3, 3],
      [0, 0, 6],
    ])
    expect(voted.map(({ certificate }) => certificate.prediction)).toEqual([1, 2])
    // Each scaled by the mean of its own group: 1 - 2 is below 0.
    const scale = (mean: number) => ({ mean: Float64Array.of(mean), deviation: Float64Array.of(1) })
    const [scaled] = await voteOnRows({ ...ensemble, scales: [scale(2), scale(0)] }, 'groups', [[up, up]])
    expect([...scaled.counts]).toEqual([0, 3, 3])
  })
})
