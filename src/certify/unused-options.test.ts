import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { freshEncoder } from '../inference/encoder-source.ts'
import { computeFeatures } from '../inference/features.ts'
import { resolveConfiguration } from '../model/configuration.ts'
import { checkRules } from './certify-plan.ts'
import { headLearners } from './ensemble/heads/family.ts'
import { importBallots } from './import-votes.ts'
import { auditVideos } from './videos/audit-videos.ts'
import { planCertification, planVideos } from './videos/plan.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-unused-options-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string, text: string): string => {
  writeFileSync(path.join(folder, name), text)
  return path.join(folder, name)
}

const options = { by: 'content', partitions: 3 } as const
const refused = (name: string) =>
  expect.objectContaining({
    code: 'INVALID_ARGUMENT',
    exit: 'usage',
    message: expect.stringMatching(`(for|no) ${name} `),
  })

test('a spread is refused where no rule has one', () => {
  expect(() => checkRules({ ...options, rules: ['dpa'], spread: 8 })).toThrow(refused('spread'))
  expect(() => checkRules({ ...options, spread: 8 })).toThrow(refused('spread'))
  expect(() => checkRules({ ...options, rules: ['dpa', 'fa'], spread: 8 })).not.toThrow()
})

test('a spread of 1 is refused together with rules without one: both would write the same files', () => {
  expect(() => checkRules({ ...options, rules: ['roe', 'fa'], spread: 1 })).toThrow(refused('spread'))
  expect(() => checkRules({ ...options, rules: ['fa', 'roe_fa'], spread: 1 })).not.toThrow()
})

test('a share to predict is refused together with videos to predict', async () => {
  const plan = planVideos({ data: 'no such list.csv', test: 'nor this.csv', testShare: 0.5, cache: 'none' })
  await expect(plan).rejects.toThrow(refused('testShare'))
})

test('encoder groups of an audit are refused with a rule and an encoder that have none', async () => {
  const job = { data: 'none', from: 'none', rule: 'dpa', partitions: 4, groups: 2, out: 'none' } as const
  await expect(auditVideos(job)).rejects.toThrow(refused('groups'))
})

test('what splits videos is refused where something else does', async () => {
  const list = file('list.csv', 'path,label,split\na.mp4,a,train\nb.mp4,b,test\n')
  for (const name of ['a.mp4', 'b.mp4']) file(name, name)
  const plan = (options: object) => planVideos({ data: list, cache: 'none', ...options })
  await expect(plan({ split: 'folders' })).rejects.toThrow(refused('split'))
  await expect(plan({ data: folder, split: 'list' })).rejects.toThrow(refused('split'))
  await expect(plan({ data: folder, split: 'folders', testShare: 0.5 })).rejects.toThrow(refused('testShare'))
  // Rows decide it here, and no row may decide whether there is an answer: a note.
  const notes: string[] = []
  const onNote = (note: string) => notes.push(note)
  await plan({ testShare: 0.5, onNote })
  expect(notes).toContainEqual(expect.stringContaining('the test share of 0.5 has no effect'))
})

test('an engine and training data are refused for features of pixels', async () => {
  const plan = (options: object) => planCertification({ data: 'none', cache: 'none', from: 'pixels', ...options })
  await expect(plan({ engine: 'native' })).rejects.toThrow(refused('engine'))
  await expect(plan({ trainedOn: 'list.csv' })).rejects.toThrow(refused('trainedOn'))
})

test('several seeds are refused for heads, which draw no random numbers', () => {
  const set = { rows: 0 } as never
  const plan = { by: 'content', learners: 2, offsets: [0], seeds: 2 } as const
  return expect(async () => headLearners({ kind: 'ridge' }).train(set, plan)).rejects.toThrow(refused('seeds'))
})

test('a first class is refused where no cell is a class', async () => {
  const scores = file('scores.csv', 'l0_c0,l0_c1\n0.1,0.9\n')
  const read = importBallots(scores, { kind: 'scores', classes: 2, firstClass: 1 })
  await expect(read).rejects.toThrow(refused('firstClass'))
})

test('views are refused together with sliding windows', async () => {
  const size = { width: 8, depth: 1, heads: 2 }
  const configuration = resolveConfiguration({ imageSize: 8, frames: 4, patch: 4, encoder: size, decoder: size })
  const source = freshEncoder(configuration, { kind: 'dense', stride: 1, fps: null }, 0)
  for (const views of [{ clips: 2 }, { crops: 3 }]) {
    const computed = computeFeatures(source, [], { cache: folder, windowStep: 2, ...views })
    await expect(computed).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', exit: 'usage' })
  }
})

test('folds of a list are read as none, and a note says so; words of a split in them are one', async () => {
  const named = ['c.mp4', 'd.mp4', 'e.mp4', 'f.mp4'].map((name) => path.basename(file(name, name)))
  const list = (folds: readonly string[]) =>
    file(
      'folds.csv',
      ['path,label,fold', ...named.map((name, i) => `${name},${'ab'[i % 2]},${folds[i]}`), ''].join('\n'),
    )
  const planned = async (folds: readonly string[]) => {
    const notes: string[] = []
    const onNote = (note: string) => notes.push(note)
    const { split } = await planVideos({ data: list(folds), cache: 'none', testShare: 0.5, onNote })
    return { notes: notes.filter((note) => note.includes('not used here')), test: split.test.map(({ id }) => id) }
  }
  const numbered = await planned(['1', '1', '2', '2'])
  expect(numbered.notes).toEqual([expect.stringContaining('the column fold of')])
  const words = await planned(['train', 'train', 'test', 'test'])
  expect(words).toEqual({ notes: [], test: ['e.mp4', 'f.mp4'] })
})

test('no rule at all is refused as an empty list', () => {
  expect(() => checkRules({ ...options, rules: [] })).toThrow(/for rules but received an empty list\.$/)
})
