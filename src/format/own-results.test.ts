import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { requireOwnResults, requireOwnTable } from './own-results.ts'

let folder: string
const place = (...parts: string[]) => path.join(folder, ...parts)
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-own-results-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const own = {
  what: 'the lists of an earlier call',
  isWritten: (name: string) => ['lists.json', 'a.csv'].includes(name),
  main: 'lists.json',
  begins: /^\{"lists"/,
}
/** The number of a process that has ended. */
const ended = spawnSync(process.execPath, ['--version']).pid
const leftover = (name: string, pid = ended) => `.${name}.new-${pid}-0123456789ab`

test('what a killed command left is removed, and what others left or still write stays', async () => {
  const stay = ['other.txt', leftover('other.txt'), leftover('a.csv', process.ppid), 'lists.json']
  for (const name of [...stay, leftover('lists.json'), leftover('a.csv')]) writeFileSync(place(name), '{"lists": 1}')
  await requireOwnResults(folder, own)
  expect(readdirSync(folder).sort()).toEqual(stay.sort())
  await expect(requireOwnResults(place('absent'), own)).resolves.toBeUndefined()
})

test('nothing is removed from a folder that is refused', async () => {
  for (const name of ['lists.json', leftover('a.csv')]) writeFileSync(place(name), 'mine')
  await expect(requireOwnResults(folder, own)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
  expect(readdirSync(folder)).toHaveLength(2)
})

test('a table has its own leftovers only', async () => {
  mkdirSync(place('tables'))
  for (const name of [leftover('a.csv'), leftover('b.csv')]) writeFileSync(place('tables', name), 'id')
  await requireOwnTable(place('tables', 'a.csv'), 'id', 'an earlier table')
  expect(readdirSync(place('tables'))).toEqual([leftover('b.csv')])
})
