import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeNpy } from '../format/npy.ts'
import {
  certifyImported,
  importBallots,
  importedCertificate,
  importedConditions,
  inPresentWords,
} from './import-votes.ts'
import { ballotsFromScores, ballotsOfInput } from './rules/ballot.ts'
import { certifyDpa } from './rules/dpa.ts'
import { certifyRunOff } from './rules/run-off-election.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'videomae-votes-'))
})
afterAll(() => rm(folder, { recursive: true }))
const file = (name: string) => path.join(folder, name)

test('votes from npy and from CSV certify alike; -1 abstains', async () => {
  const votes = [0, 0, 1, -1, 0, 2, 2, 2, 2, 2]
  await writeNpy(file('votes.npy'), [2, 5], Int32Array.from(votes))
  await writeFile(file('votes.csv'), 'id,l0,l1,l2,l3,l4,label\nfirst,0,0,1,-1,0,0\nsecond,2,2,2,2,2,1\n')
  const npy = certifyImported(await importBallots(file('votes.npy'), { kind: 'votes', classes: 3 }), { rule: 'dpa' })
  const csv = certifyImported(await importBallots(file('votes.csv'), { kind: 'votes', classes: 3 }), { rule: 'dpa' })
  expect(npy.summary).toBeNull()
  expect(csv.inputs.map(({ prediction, radius, abstentions }) => ({ prediction, radius, abstentions }))).toEqual([
    { prediction: 0, radius: certifyDpa([0, 0, 1, 3, 0], 3).radius, abstentions: 1 },
    { prediction: 2, radius: 2, abstentions: 0 },
  ])
  expect(npy.inputs.map(({ radius }) => radius)).toEqual(csv.inputs.map(({ radius }) => radius))
  expect(csv.summary?.cleanAccuracy).toBe(0.5)
  expect(csv.inputs[1].id).toBe('second')
})

test('radii that the search gave up on are not counted as exact', async () => {
  await writeFile(file('search.csv'), 'id,l0,l1,l2,l3\na,0,0,0,0\nb,0,0,0,1\nc,0,0,1,1\n')
  const imported = await importBallots(file('search.csv'), { kind: 'votes', classes: 2 })
  const certified = [true, false, true].map((exact) => ({
    prediction: 0,
    radius: 0,
    rivals: [1],
    abstentions: 0,
    exact,
  }))
  expect(importedCertificate(imported, { rule: 'fa_exact', offsets: [0, 1] }, certified).exactRadii).toBe(2)
  expect(importedCertificate(imported, { rule: 'dpa' }, certified).exactRadii).toBeNull()
})

test('scores become strict ballots; equal scores go to the smaller class; seeds are added up', async () => {
  const scores = [1, 1, 0, 0, 2, 2, 5, 6, 7, 0, 0, 0]
  await writeNpy(file('scores.npy'), [1, 4, 3], Float32Array.from(scores))
  const { ballots } = await importBallots(file('scores.npy'), { kind: 'scores', classes: 3 })
  expect([...ballotsOfInput(ballots, 0)]).toEqual([0, 1, 2, 1, 2, 0, 2, 1, 0, 0, 1, 2])
  const certified = certifyImported({ ballots, ids: undefined, labels: undefined }, { rule: 'roe' }).inputs[0]
  expect(certified.radius).toBe(certifyRunOff([0, 1, 2, 1, 2, 0, 2, 1, 0, 0, 1, 2], 3).radius)
  const pairs = await importBallots(file('scores.npy'), { kind: 'scores', classes: 3, seeds: 2 })
  expect([...ballotsOfInput(pairs.ballots, 0)]).toEqual([1, 2, 0, 2, 1, 0]) // (1,3,2) and (5,6,7)
  expect([...ballotsFromScores([0.5, 0.25, 0.25], 1, 1, 3).ranks]).toEqual([0, 1, 2])
})

test('the offsets of a spread are printed with the certificate', async () => {
  const votes = await importBallots(file('votes.npy'), { kind: 'votes', classes: 3 })
  const conditions = (offsets?: number[]) => certifyImported(votes, { rule: 'fa', offsets }).conditions.join('; ')
  expect(conditions([0, 3])).toContain('partition j reached the base classifiers j + 0, j + 3, modulo 5')
  expect(certifyImported(votes, { rule: 'dpa' }).conditions.join('; ')).not.toContain('modulo')
})

test('rules that count one learner for each bucket say so, and refuse a spread', async () => {
  // 12 learners of one opinion, each bucket reached three: two poisoned samples may change six votes, and a tie goes to class 0.
  await writeNpy(
    file('spread.npy'),
    [1, 12, 2],
    Float32Array.from({ length: 24 }, (_, i) => i % 2),
  )
  const scores = await importBallots(file('spread.npy'), { kind: 'scores', classes: 2 })
  const offsets = [0, 3, 7]
  const [disjoint] = certifyImported(scores, { rule: 'dpa' }).inputs
  const [spread] = certifyImported(scores, { rule: 'fa', offsets }).inputs
  expect([disjoint.radius, spread.radius]).toEqual([5, 1])
  for (const rule of ['dpa', 'roe', 'groups', 'temporal'] as const) {
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', hint: expect.stringContaining('fa, fa_exact') })
    const own = { ...(rule === 'groups' ? { groups: 4 } : {}), ...(rule === 'temporal' ? { coverage: 2 } : {}) }
    expect(() => certifyImported(scores, { rule, offsets, ...own })).toThrow(refused)
    const { conditions } = certifyImported(scores, { rule, offsets: [0], ...own })
    if (rule !== 'temporal') expect(conditions.join('; ')).toContain('the partitions are disjoint')
  }
})

test('names what is wrong with a file', async () => {
  const write = async (text: string) => {
    await writeFile(file('bad.csv'), text)
    return importBallots(file('bad.csv'), { kind: 'votes', classes: 3 })
  }
  await expect(write('l0,l1\n0,7\n')).rejects.toThrow(/line 2, column l1 is "7", which is not a class: 0 to 2/)
  await expect(write('l0,l1\n0\n')).rejects.toThrow(/line 2 has 1 cells/)
  await expect(write('l0,l1\n0,x\n')).rejects.toThrow(/column l1 is "x"/)
  await expect(write('l0,l1\n')).rejects.toThrow(/is empty/)
  await expect(importBallots(file('votes.npy'), { kind: 'votes', classes: 3, seeds: 5 })).rejects.toThrow(/need scores/)
  await writeNpy(file('flat.npy'), [4], Int32Array.of(0, 1, 2, 0))
  await expect(importBallots(file('flat.npy'), { kind: 'votes', classes: 3 })).rejects.toThrow(/shape is \(4\)/)
  await writeFile(file('ok.csv'), 'l0\n0\n')
  const votes = await importBallots(file('ok.csv'), { kind: 'votes', classes: 3 })
  expect(() => certifyImported(votes, { rule: 'roe' })).toThrow(/full rankings/)
  expect(() => certifyImported(votes, { rule: 'fa' })).toThrow(/spread/)
})

test('conditions of earlier versions are the same conditions, in other words', () => {
  const before = [
    'each learner was trained on its own buckets only, and again on the same samples gives the same votes',
    'the bucket of a sample is a function of that sample alone',
    'the list of classes and their order were fixed before, and no sample can change them',
    'column i of the file is learner i, and bucket j reached the learners j + 0, j + 3, modulo 12, and no others',
    'what one poison is follows from how the buckets were made',
  ]
  const now = importedConditions({ rule: 'fa', offsets: [0, 3] }, 12, false)
  expect(before.map(inPresentWords)).toEqual(now)
  expect(now.map(inPresentWords)).toEqual(now)
  expect(now.join()).not.toMatch(/learner|bucket|one poison is/)
  const disjoint =
    'the number in the name of a column is that of its learner, and the partitions are disjoint: no sample reached two learners'
  expect(importedConditions({ rule: 'dpa' }, 12, true)).toContain(inPresentWords(disjoint))
})
