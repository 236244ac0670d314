import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'
import { thisProcess } from '../../src/train/process-identity.ts'
import { lockRun } from '../../src/train/run-lock.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'videomae-lock-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

/** A folder with the lock of a process: this one, changed where a test says so. */
async function lockedFolder(change: Record<string, unknown>): Promise<string> {
  const folder = await mkdtemp(path.join(root, 'run-'))
  const content = { ...thisProcess(), since: '2026-01-02T03:04:05.678Z', ...change }
  await writeFile(path.join(folder, 'run-1.lock'), JSON.stringify(content))
  return folder
}

const endedPid = 2 ** 22 + 1 // above the largest number that Linux gives out

describe('lockRun', () => {
  test.each(['', ' '])('refuses %j, which would be the working folder', async (blank) => {
    await expect(lockRun(blank)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('refuses a second run until the first one has released the folder', async () => {
    const folder = path.join(root, 'new', 'run')
    const lock = await lockRun(folder)
    await expect(lockRun(folder)).rejects.toMatchObject({ code: 'RUN_LOCKED', exit: 'usage' })
    await expect(lockRun(folder)).rejects.toThrow(new RegExp(`in use by process ${process.pid} \\(this one\\)`))
    await writeFile(path.join(folder, 'metrics.jsonl'), '')
    await lock.release()
    await lock.release()
    expect(await readdir(folder)).toEqual(['metrics.jsonl'])
    await (await lockRun(folder)).release()
  })

  test('takes away the folder that it has made where nothing is in it', async () => {
    const folder = path.join(root, 'made')
    await (await lockRun(folder)).release()
    expect(existsSync(folder)).toBe(false)
    await mkdir(folder)
    await (await lockRun(folder)).release()
    expect(existsSync(folder)).toBe(true)
  })

  test.each<[string, Partial<ReturnType<typeof thisProcess>>]>([
    ['a process that has ended', { pid: endedPid }],
    ['a process whose number another one has now', { started: '1' }],
    ['a process from before the machine was started again', { boot: 'another start' }],
  ])('takes over the lock of %s, and says so', async (_, change) => {
    if (change.started !== undefined && thisProcess().started === null) return // this system does not tell
    if (change.boot !== undefined && thisProcess().boot === null) return
    const folder = await lockedFolder(change)
    const notes: string[] = []
    const lock = await lockRun(folder, (note) => notes.push(note))
    expect(notes).toEqual([expect.stringMatching(/^Took over the lock of .* which has ended \(since 2026-01-02/)])
    expect(await readdir(folder)).toEqual(['run-2.lock'])
    await lock.release()
    expect(await readdir(folder)).toEqual([])
  })

  test('refuses the lock of another machine and says what to do', async () => {
    const folder = await lockedFolder({ host: 'node17 pid:[1]', pid: endedPid })
    await expect(lockRun(folder)).rejects.toMatchObject({
      code: 'RUN_LOCKED',
      message: expect.stringContaining(`process ${endedPid} on node17 since 2026-01-02`),
      hint: expect.stringContaining(`delete ${path.join(folder, 'run-1.lock')} and start again`),
    })
    expect(await readdir(folder)).toEqual(['run-1.lock'])
  })

  test('never takes over a lock with keys that it does not know, and names them', async () => {
    const folder = await lockedFolder({ pid: endedPid, container: 'abc' })
    await expect(lockRun(folder)).rejects.toMatchObject({
      code: 'RUN_LOCKED',
      hint: expect.stringContaining('keys that this version does not know (container)'),
    })
    expect(await readdir(folder)).toEqual(['run-1.lock'])
  })

  test('takes a lock that is not whole for one that is being made, but not for ever', async () => {
    const folder = await lockedFolder({})
    const file = path.join(folder, 'run-1.lock')
    await writeFile(file, '')
    await expect(lockRun(folder)).rejects.toMatchObject({ code: 'RUN_LOCKED' })
    const old = new Date(Date.now() - 60_000)
    await utimes(file, old, old)
    await (await lockRun(folder)).release()
    expect(await readdir(folder)).toEqual([])
  })
})

describe('processes that start at the same moment', () => {
  const module = fileURLToPath(
    compiledEntry(new URL('../../src/train/run-lock.ts', import.meta.url).href, './run-lock'),
  )
  const script = `
    import { lockRun } from ${JSON.stringify(module)}
    process.stdout.write('ready\\n')
    await new Promise((resolve) => process.stdin.once('data', resolve))
    const outcome = await lockRun(process.argv[1]).then(() => 'won', (error) => error.code ?? error.stack)
    process.stdout.write(outcome + '\\n')
    process.stdin.on('end', () => process.exit())
  `

  /** What becomes of each of them. */
  async function race(folder: string, count: number): Promise<string[]> {
    const children = Array.from({ length: count }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', script, folder], { stdio: ['pipe', 'pipe', 'inherit'] }),
    )
    const lines = children.map(() => '')
    for (const [i, child] of children.entries()) child.stdout.on('data', (text: Buffer) => (lines[i] += String(text)))
    const until = async (done: (text: string) => boolean): Promise<void> => {
      while (!lines.every(done)) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await until((text) => text.includes('ready'))
    for (const child of children) child.stdin.write('go')
    await until((text) => text.split('\n').length > 2)
    const ended = children.map((child) => new Promise((resolve) => child.on('close', resolve)))
    for (const child of children) child.stdin.end()
    await Promise.all(ended)
    return lines.map((text) => text.split('\n')[1]).sort()
  }

  test.each([
    ['an empty folder', async () => mkdtemp(path.join(root, 'race-'))],
    ['a folder with a lock that is left behind', () => lockedFolder({ pid: endedPid })],
  ])(
    'in %s: exactly one wins',
    async (_, folderOf) => {
      for (let round = 0; round < 3; round++) {
        const folder = await folderOf()
        expect(await race(folder, 4)).toEqual(['RUN_LOCKED', 'RUN_LOCKED', 'RUN_LOCKED', 'won'])
        const [lock, ...others] = await readdir(folder)
        expect(others).toEqual([])
        expect(JSON.parse(await readFile(path.join(folder, lock), 'utf8'))).toMatchObject({ host: thisProcess().host })
      }
    },
    300_000,
  )
})
