import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runAsText, runHere } from '../support/run-here.ts'

let folder: string
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-split-data-'))
  for (const label of ['run', 'walk']) {
    mkdirSync(inFolder('videos', label), { recursive: true })
    for (let i = 0; i < 20; i++)
      writeFileSync(inFolder('videos', label, `subject${i % 5}-${i}.mp4`), `not decoded ${label} ${i === 7 ? 8 : i}`)
  }
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const split = (...more: string[]) => runHere('dataset split', inFolder('videos'), '--out', inFolder('out'), ...more)
const rows = () =>
  readFileSync(inFolder('out', 'split.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(','))

test('divides by class, the same for the same seed, with copies on one side', async () => {
  const { document } = await split()
  expect(document).toMatchObject({
    classes: ['run', 'walk'],
    rows: { rows: 40, train: 28, validation: 4, test: 8 },
    groups: 0,
  })
  expect(document).toMatchObject({ duplicates: [['run/subject2-7.mp4', 'run/subject3-8.mp4'], expect.anything()] })
  const first = rows()
  const partOf = (name: string) => first.find(([file]) => file.endsWith(name))?.[5]
  expect(partOf('run/subject2-7.mp4')).toBe(partOf('run/subject3-8.mp4'))
  await split()
  expect(rows()).toEqual(first)
  await split('--seed', '1')
  expect(rows()).not.toEqual(first)
})

test('takes groups from names where it is told to', async () => {
  const { document } = await split('--groups', '(subject\\d+)')
  expect(document).toMatchObject({ groups: 5, withoutGroup: [] })
  const sides = new Map<string, Set<string>>()
  for (const [, , , , group, part] of rows()) sides.set(group, (sides.get(group) ?? new Set()).add(part))
  expect([...sides.keys()].sort()).toEqual([0, 1, 2, 3, 4].map((i) => `subject${i}`))
  for (const [group, parts] of sides) expect(parts.size, group).toBe(1)
})

test.each(['subject', '(nobody)', '(', '(?:subject)'])('refuses the pattern %s', async (pattern) => {
  const { document, code } = await split('--groups', pattern)
  expect(document.error?.code).toBe('INVALID_ARGUMENT')
  expect(code).toBe(2)
})

test('says how the source was read, and which columns it does not use', async () => {
  const lines = ['run', 'walk'].flatMap((label) =>
    [0, 1, 2, 3, 4].map((i) => `videos/${label}/subject${i}-${i}.mp4,${label},1`),
  )
  writeFileSync(inFolder('list.csv'), ['path,label,flod', ...lines, ''].join('\n'))
  const { text } = await runAsText('dataset split', inFolder('list.csv'), '--out', inFolder('out'))
  expect(text).toMatch(/list\.csv as CSV, 10 videos; .*not used: flod$/m)
})

test('replaces no files of others', async () => {
  mkdirSync(inFolder('out'))
  writeFileSync(inFolder('out', 'split.csv'), 'mine')
  expect((await split()).document.error?.code).toBe('OUTPUT_TAKEN')
  expect((await runAsText('dataset split', inFolder('videos'), '--out', inFolder('other'))).text).toContain(
    '40 rows: 28 train',
  )
})

test('writes a list for each fold, and none of an earlier call stays', async () => {
  const { document } = await split('--folds', '3', '--groups', '(subject\\d+)')
  expect(document).toMatchObject({ rows: null, folds: [{ name: '1' }, { name: '2' }, { name: '3' }] })
  const lists = () => readdirSync(inFolder('out')).filter((name) => name.endsWith('.csv'))
  expect(lists()).toEqual(['fold-1.csv', 'fold-2.csv', 'fold-3.csv'])
  const tested = lists().flatMap((name) => {
    const lines = readFileSync(inFolder('out', name), 'utf8').trim().split('\n').slice(1)
    expect(lines).toHaveLength(40)
    return lines.filter((line) => line.endsWith(',test')).map((line) => line.split(',')[0])
  })
  expect(new Set(tested).size).toBe(40)
  expect(tested).toHaveLength(40)
  // The folds of a list: each subject is in one of two.
  const named = readFileSync(inFolder('out', 'fold-1.csv'), 'utf8').trim().split('\n').slice(1)
  const rows = named.map((line) =>
    [...line.split(',').slice(0, 2), /subject[01]-/.test(line) ? 'north' : 'south'].join(','),
  )
  writeFileSync(inFolder('list.csv'), ['path,label,fold', ...rows, ''].join('\n'))
  const { text } = await runAsText('dataset split', inFolder('list.csv'), '--out', inFolder('out'), '--folds', 'column')
  // Two contents are there twice, as subjects 2 and 3.
  expect(text).toContain('2 classes; fold north with 16 videos, fold south with 24 videos')
  expect(lists()).toEqual(['fold-1.csv', 'fold-2.csv'])
  const plain = await runAsText('dataset split', inFolder('list.csv'), '--out', inFolder('out'))
  expect(plain.text).toContain('note: the column fold of')
  expect(lists()).toEqual(['split.csv'])
})

test('says that a column of folds mixes them with parts', async () => {
  const lines = ['1', '2', 'train', '1'].map((fold, i) => {
    const label = ['run', 'walk'][i >> 1]
    return `videos/${label}/subject${i}-${i}.mp4,${label},${fold}`
  })
  writeFileSync(inFolder('list.csv'), ['path,label,fold', ...lines, ''].join('\n'))
  const { document } = await runHere(
    'dataset split',
    inFolder('list.csv'),
    '--out',
    inFolder('out'),
    '--folds',
    'column',
  )
  expect(document.error).toMatchObject({
    code: 'SPLIT_INVALID',
    hint: expect.stringMatching(/^The column fold also has parts of a split/),
  })
})
