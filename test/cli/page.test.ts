import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { pageHint, requirePage, writePage } from '../../src/cli/page.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

const folder = folderForTests('videomae-page-')
afterEach(() => vi.restoreAllMocks())

function makeRun(name: string): string {
  const run = path.join(folder, name)
  mkdirSync(run)
  writeFileSync(path.join(run, 'config.json'), '{"engineUsed":"native"}')
  writeFileSync(path.join(run, 'metrics.jsonl'), '')
  return run
}

describe('--report', () => {
  test('refuses a path where another file is, before the work', async () => {
    const run = makeRun('taken')
    const page = path.join(run, 'report.html')
    writeFileSync(page, 'mine')
    await expect(requirePage(true, run)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
    await expect(requirePage(undefined, run)).resolves.toBeUndefined()
    expect(readFileSync(page, 'utf8')).toBe('mine')
  })

  test('writes the page; without it a note says that one from before is about another result', async () => {
    const run = makeRun('old')
    const notes = vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
    expect(await writePage(undefined, run)).toEqual([])
    expect(notes).not.toHaveBeenCalled()
    expect(pageHint(run)).not.toContain('from before')
    expect(await writePage(true, run)).toEqual([path.join(run, 'report.html')])
    expect(notes).not.toHaveBeenCalled()
    expect(await writePage(undefined, run)).toEqual([])
    expect(notes.mock.calls.join()).toContain('report.html is older than this result')
    expect(pageHint(run)).toContain('report.html there is older than the run')
  })
})

test('the hint names a run with blanks as a shell takes it', () => {
  expect(pageHint(path.join(folder, 'my run'))).toMatch(/ report ".*my run"\n$/)
  expect(pageHint(path.join(folder, 'run'))).toMatch(/ report \S*run\n$/)
})
