/** The folder of all temporary files of the tests: what a killed run has left goes, and nothing else. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { thisProcess } from '../../src/train/process-identity.ts'
import { claimFolder, removeLeftovers } from './temporary-folder.ts'

const parent = mkdtempSync(path.join(os.tmpdir(), 'leftovers-'))
afterAll(() => rmSync(parent, { recursive: true }))

const made = (name: string): string => {
  mkdirSync(path.join(parent, name), { recursive: true })
  return path.join(parent, name)
}

test('folders of runs that were killed are removed, with what Vitest made for itself', () => {
  const running = thisProcess()
  const ended = { ...running, pid: 2 ** 30 }
  const runner = made('a-folder-of-vitest')
  const gone = claimFolder(parent, { process: ended, runner })
  const stays = [
    claimFolder(parent, { process: running, runner: made('another-one') }),
    claimFolder(parent, { process: { ...ended, host: 'another machine' }, runner: null }),
    made('another-one'),
    made('videomae-tests-without-an-owner'),
    made('elsewhere/not-next to'),
  ]
  const misled = claimFolder(parent, { process: ended, runner: stays[4] })
  removeLeftovers(parent)
  expect([gone, runner, misled].filter((folder) => existsSync(folder))).toEqual([])
  expect(stays.filter((folder) => !existsSync(folder))).toEqual([])
})

test('temporary folders of tests are in that folder', () => {
  expect(path.basename(os.tmpdir())).toMatch(/^videomae-tests-/)
  expect(existsSync(path.join(os.tmpdir(), '.owner.json'))).toBe(true)
})
