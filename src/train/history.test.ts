import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readHistory } from './history.ts'
import { RunDirectory } from './run-directory.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'videomae-history-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

describe('readHistory', () => {
  const read = async (text: string | Uint8Array) => {
    const file = path.join(root, 'lines.jsonl')
    await writeFile(file, text)
    return readHistory(file)
  }

  test('is empty only where there is no file', async () => {
    expect(await readHistory(path.join(root, 'absent.jsonl'))).toEqual([])
    expect(await read('')).toEqual([])
    await mkdir(path.join(root, 'folder.jsonl'))
    await expect(readHistory(path.join(root, 'folder.jsonl'))).rejects.toMatchObject({
      code: 'HISTORY_UNREADABLE',
      exit: 'environment',
    })
  })

  test.skipIf(process.platform === 'win32')('does not wait for a pipe', async () => {
    execFileSync('mkfifo', [path.join(root, 'pipe.jsonl')])
    await expect(readHistory(path.join(root, 'pipe.jsonl'))).rejects.toMatchObject({
      code: 'HISTORY_UNREADABLE',
      message: expect.stringMatching(/[^.]\.$/),
    })
  })

  test.each([
    ['cut short', '{"step":1}\n{"step":2,"lo', [{ step: 1 }]],
    ['without its end of line', '{"step":1}\n{"step":2}', [{ step: 1 }, { step: 2 }]],
    ['of zeros, as a power cut leaves it', `{"step":1}\n${'\0'.repeat(40)}`, [{ step: 1 }]],
  ])('leaves out a last line %s, or takes it', async (_, text, expected) => {
    expect(await read(text)).toEqual(expected)
  })

  test.each([['{"step":1}\n{"st\n{"step":3}\n'], ['{"step":1}\n[2]\n'], ['{"step":1}\nnull\n']])(
    'refuses a damaged line further up: %j',
    async (text) => {
      await expect(read(text)).rejects.toMatchObject({
        code: 'HISTORY_UNREADABLE',
        exit: 'data',
        message: expect.stringContaining('line 2'),
      })
    },
  )
})

describe('a run that begins in the folder of an earlier one', () => {
  let run: RunDirectory
  beforeEach(async () => {
    run = new RunDirectory(await mkdtemp(path.join(root, 'run-')))
    await writeFile(path.join(run.path, 'metrics.jsonl'), '{"step":1}\n')
    await writeFile(path.join(run.path, 'validation.jsonl'), '{"step":1}\n')
    await writeFile(path.join(run.path, 'config.json'), '{"engineUsed":"native"}')
  })

  test('moves aside what that one has written down', async () => {
    await run.begin()
    await writeFile(path.join(run.path, 'metrics.jsonl'), '{"step":2}\n')
    await run.begin()
    await run.begin() // nothing is written down now
    expect((await readdir(run.path)).sort()).toEqual(['bad-files.jsonl', 'earlier-1', 'earlier-2', 'metrics.jsonl'])
    expect((await readdir(path.join(run.path, 'earlier-1'))).sort()).toEqual([
      'config.json',
      'metrics.jsonl',
      'validation.jsonl',
    ])
    expect(await readFile(path.join(run.path, 'earlier-2', 'metrics.jsonl'), 'utf8')).toBe('{"step":2}\n')
  })

  test('changes nothing where that cannot be read', async () => {
    await writeFile(path.join(run.path, 'metrics.jsonl'), 'damaged\n{"step":2}\n')
    const before = await readdir(run.path)
    await expect(run.begin()).rejects.toMatchObject({ code: 'HISTORY_UNREADABLE' })
    expect(await readdir(run.path)).toEqual(before)
  })
})
