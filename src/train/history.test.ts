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

describe('a run that is resumed', () => {
  const whole = '{"step":1,"clips":4,"loss":1,"learningRate":0.1,"memory":1,"seconds":1}\n'
  const signs = '{"step":1,"arrowOfTime":1,"flowDirection":1,"effectiveRank":1,"videos":1}\n'
  const folder = async (name: string, text: string) => {
    const run = new RunDirectory(await mkdtemp(path.join(root, 'resumed-')))
    await writeFile(path.join(run.path, 'metrics.jsonl'), whole)
    await writeFile(path.join(run.path, name), text)
    return run
  }

  test.each([
    ['metrics.jsonl', `${whole}{"step":10}\n`, 'line 2 clips'],
    ['metrics.jsonl', `${whole}{"step":10}`, 'line 2 clips'],
    ['metrics.jsonl', `{}\n${whole}`, 'line 1 step'],
    ['metrics.jsonl', whole.replace('0.1', '"x"'), 'line 1 learningRate'],
    ['metrics.jsonl', whole.replace('"step":1', '"step":-1'), 'line 1 step'],
    ['signs.jsonl', `${signs}{"step":2}\n`, 'line 2 arrowOfTime'],
    ['validation.jsonl', '{"step":1,"accuracy":"1","loss":1}\n', 'line 1 accuracy'],
  ])('refuses a line of %s that is not of its form before anything is changed: %j', async (name, text, found) => {
    const run = await folder(name, text)
    const expected = {
      code: 'HISTORY_UNREADABLE',
      exit: 'data',
      message: expect.stringContaining(`${path.join(run.path, name)} as this program writes them, but in ${found}`),
    }
    await expect(run.checkHistory()).rejects.toMatchObject(expected)
    if (name === 'metrics.jsonl') await expect(run.rewind(10, [])).rejects.toMatchObject(expected)
    expect(await readFile(path.join(run.path, name), 'utf8')).toBe(text)
  })

  test('takes lines of its own form and lines of other programs, and keeps further fields in their places', async () => {
    const more = whole.replace('"clips"', '"mine":7,"clips"')
    const run = await folder('metrics.jsonl', more)
    await writeFile(path.join(run.path, 'mine.jsonl'), '{"of":"another program"}\n')
    await writeFile(path.join(run.path, 'signs.jsonl'), signs)
    await run.checkHistory()
    expect(await run.rewind(1, [])).toEqual([JSON.parse(more)])
    expect(await readFile(path.join(run.path, 'metrics.jsonl'), 'utf8')).toBe(more)
  })
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
