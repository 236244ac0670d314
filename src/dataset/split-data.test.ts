import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runAsText, runHere } from '../../test/cli/run-here.ts'

let folder: string
const place = (...parts: string[]) => path.join(folder, ...parts)
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-split-data-'))
  for (const label of ['run', 'walk']) {
    mkdirSync(place('videos', label), { recursive: true })
    for (let i = 0; i < 20; i++)
      writeFileSync(place('videos', label, `subject${i % 5}-${i}.mp4`), `not decoded ${label} ${i === 7 ? 8 : i}`)
  }
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const split = (...more: string[]) => runHere('dataset split', place('videos'), '--out', place('out'), ...more)
const rows = () =>
  readFileSync(place('out', 'split.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(','))

it('divides by class, the same for the same seed, with copies on one side', async () => {
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

it('takes groups from names where it is told to', async () => {
  const { document } = await split('--groups', '(subject\\d+)')
  expect(document).toMatchObject({ groups: 5, withoutGroup: [] })
  const sides = new Map<string, Set<string>>()
  for (const [, , , , group, part] of rows()) sides.set(group, (sides.get(group) ?? new Set()).add(part))
  expect([...sides.keys()].sort()).toEqual([0, 1, 2, 3, 4].map((i) => `subject${i}`))
  for (const [group, parts] of sides) expect(parts.size, group).toBe(1)
})

it.each(['subject', '(nobody)', '(', '(?:subject)'])('refuses the pattern %s', async (pattern) => {
  const { document, code } = await split('--groups', pattern)
  expect(document.error?.code).toBe('INVALID_ARGUMENT')
  expect(code).toBe(2)
})

it('replaces no files of others', async () => {
  mkdirSync(place('out'))
  writeFileSync(place('out', 'split.csv'), 'mine')
  expect((await split()).document.error?.code).toBe('OUTPUT_TAKEN')
  expect((await runAsText('dataset split', place('videos'), '--out', place('other'))).text).toContain(
    '40 rows: 28 train',
  )
})
