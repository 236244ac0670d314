import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compiledEntry } from '../core/entry.ts'
import {
  cleanLeftovers,
  commitDirectory,
  createTemporaryDirectory,
  removeDirectory,
  replaceDirectory,
  replaceFile,
  replaceFiles,
  writeFileAtomic,
} from './atomic.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atomic-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** No process has this number: the largest that Linux, macOS and Windows hand out is smaller. */
const deadPid = 2 ** 31 - 1
const tail = `${deadPid}-0123456789ab`

describe('files', () => {
  it('are replaced whole', async () => {
    const path = join(folder, 'a.json')
    await writeFileAtomic(path, 'first ü')
    await writeFileAtomic(path, Uint8Array.of(104, 105))
    expect(await readFile(path, 'utf8')).toBe('hi')
    expect(await readdir(folder)).toEqual(['a.json'])
  })

  it('stay as they were when writing fails, and nothing is left over', async () => {
    const path = join(folder, 'a.json')
    await writeFileAtomic(path, 'old')
    const failing = replaceFile(path, async (temporary) => {
      await writeFile(temporary, 'half')
      expect(await readFile(path, 'utf8')).toBe('old')
      throw new Error('disk full')
    })
    await expect(failing).rejects.toThrow('disk full')
    expect(await readFile(path, 'utf8')).toBe('old')
    expect(await readdir(folder)).toEqual(['a.json'])
  })
})

describe('files that belong together', () => {
  it('are replaced together, and what a kill left of them is removed', async () => {
    const path = join(folder, 'a.json')
    await writeFile(path, 'old')
    await mkdir(join(folder, `.a.json.new-${tail}`))
    await writeFile(join(folder, `.b.json.new-${tail}`), 'of another name: not ours')
    const write = async (temporary: string) => {
      const written = ['a.json', 'a.json.data'].map((name) => join(temporary, name))
      for (const file of written) await writeFile(file, 'new')
      return written
    }
    expect(await replaceFiles(path, write)).toEqual([path, `${path}.data`])
    expect((await readdir(folder)).sort()).toEqual([`.b.json.new-${tail}`, 'a.json', 'a.json.data'])
    expect(await readFile(path, 'utf8')).toBe('new')
  })

  it('stay as they were when writing fails, and nothing is left over', async () => {
    const path = join(folder, 'a.json')
    await writeFile(path, 'old')
    const failing = replaceFiles(path, async (temporary) => {
      await writeFile(join(temporary, 'a.json'), 'half')
      throw new Error('disk full')
    })
    await expect(failing).rejects.toThrow('disk full')
    expect(await readFile(path, 'utf8')).toBe('old')
    expect(await readdir(folder)).toEqual(['a.json'])
    await expect(replaceFiles(join(folder, 'nowhere', 'a'), async () => [])).rejects.toThrow('ENOENT')
  })
})

describe('directories', () => {
  async function commit(name: string, content: string): Promise<void> {
    const temporary = await createTemporaryDirectory(join(folder, name))
    await mkdir(join(temporary, 'inner'))
    await writeFile(join(temporary, 'inner', 'x'), content)
    await commitDirectory(temporary, join(folder, name))
  }

  it('appear and are replaced whole', async () => {
    await commit('step', 'one')
    await commit('step', 'two')
    expect(await readFile(join(folder, 'step', 'inner', 'x'), 'utf8')).toBe('two')
    expect(await readdir(folder)).toEqual(['step'])
  })

  it('stay as they were when filling the new one fails, and nothing is left over', async () => {
    await commit('step', 'one')
    const failing = replaceDirectory(join(folder, 'step'), async (temporary) => {
      await writeFile(join(temporary, 'y'), 'half')
      throw new Error('disk full')
    })
    await expect(failing).rejects.toThrow('disk full')
    expect(await readdir(folder)).toEqual(['step'])
    expect(await readdir(join(folder, 'step'))).toEqual(['inner'])
  })

  it('are removed whole', async () => {
    await commit('step', 'one')
    await removeDirectory(join(folder, 'step'))
    expect(await readdir(folder)).toEqual([])
    await expect(removeDirectory(join(folder, 'step'))).rejects.toThrow('ENOENT')
  })

  it('keep the old content when the new cannot be put in place', async () => {
    await commit('step', 'one')
    const gone = join(folder, '.step.new-1-0123456789ab')
    await expect(commitDirectory(gone, join(folder, 'step'))).rejects.toThrow('ENOENT')
    expect(await readFile(join(folder, 'step', 'inner', 'x'), 'utf8')).toBe('one')
  })
})

describe('leftovers', () => {
  it('of dead processes are deleted or restored, all else stays', async () => {
    await mkdir(join(folder, `.a.old-${tail}`))
    await writeFile(join(folder, `.a.old-${tail}`, 'whole'), '1')
    await mkdir(join(folder, `.a.new-${tail}`))
    await mkdir(join(folder, 'b'))
    await mkdir(join(folder, `.b.old-${tail}`))
    await writeFile(join(folder, `.c.json.new-${tail}`), 'half')
    await mkdir(join(folder, `.e.gone-${tail}`, 'half removed'), { recursive: true })
    await writeFile(join(folder, `.d.new-${process.pid}-0123456789ab`), 'being written')
    await writeFile(join(folder, '.hidden'), 'mine')
    await writeFile(join(folder, 'a.new-1'), 'mine')
    await symlink(folder, join(folder, `.link.new-${tail}`))

    const cleaned = await cleanLeftovers(folder)
    expect(cleaned.restored).toEqual(['a'])
    expect(cleaned.deleted.length).toBe(5)
    expect((await readdir(folder)).sort()).toEqual(
      ['.hidden', `.d.new-${process.pid}-0123456789ab`, 'a', 'a.new-1', 'b'].sort(),
    )
    expect(await readFile(join(folder, 'a', 'whole'), 'utf8')).toBe('1')
    expect(await cleanLeftovers(folder)).toEqual({ restored: [], deleted: [] })
  })
})

it('leftovers that bear our own process number but are older than we are go too, as in a restarted container', async () => {
  await mkdir(join(folder, `.a.old-${process.pid}-0123456789ab`))
  await mkdir(join(folder, `.b.new-${process.pid}-0123456789ab`))
  expect(await cleanLeftovers(folder)).toEqual({ restored: [], deleted: [] })
  const cleaned = await cleanLeftovers(folder, Date.now() + 60_000)
  expect(cleaned).toEqual({ restored: ['a'], deleted: [`.b.new-${process.pid}-0123456789ab`] })
})

describe('kill -9', () => {
  /** Replaces one directory and one file as fast as it can; every generation holds four files of equal content. */
  const writer = (module: string) => `
    import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
    import { join } from 'node:path'
    import { commitDirectory, createTemporaryDirectory, removeDirectory, writeFileAtomic } from ${JSON.stringify(module)}
    const target = join(process.argv[2], 'step')
    rmSync(join(process.argv[2], 'passing'), { recursive: true, force: true })
    for (let generation = Number(process.argv[3]); ; generation++) {
      const temporary = await createTemporaryDirectory(target)
      for (const name of ['a', 'b', 'c', 'd']) writeFileSync(join(temporary, name), String(generation).repeat(5000))
      await commitDirectory(temporary, target)
      await writeFileAtomic(join(process.argv[2], 'state.json'), JSON.stringify({ generation, pad: 'x'.repeat(9000) }))
      const passing = join(process.argv[2], 'passing')
      mkdirSync(passing)
      for (let i = 0; i < 40; i++) writeFileSync(join(passing, String(i)), '')
      await removeDirectory(passing)
      process.send?.(generation)
    }`

  it('at random moments leaves the old or the new, never half', async () => {
    const scripts = await mkdtemp(join(tmpdir(), 'atomic-writer-'))
    await writeFile(join(scripts, 'writer.mjs'), writer(compiledEntry(import.meta.url, './atomic').href))
    let last = 0
    let interrupted = 0
    for (let round = 0; round < 12; round++) {
      const child = fork(join(scripts, 'writer.mjs'), [folder, String(last + 1)])
      await once(child, 'message')
      await new Promise((resolve) => setTimeout(resolve, (round * 7919) % 41))
      child.kill('SIGKILL')
      await once(child, 'exit')

      const before = await readdir(folder)
      await cleanLeftovers(folder)
      if (before.some((name) => name.startsWith('.'))) interrupted++
      const passing = before.filter((name) => name === 'passing')
      expect((await readdir(folder)).sort()).toEqual([...passing, 'state.json', 'step'])
      const contents = await Promise.all(
        ['a', 'b', 'c', 'd'].map((name) => readFile(join(folder, 'step', name), 'utf8')),
      )
      expect(new Set(contents).size).toBe(1)
      const state = JSON.parse(await readFile(join(folder, 'state.json'), 'utf8')) as { generation: number }
      expect(state.generation).toBeGreaterThan(last)
      const generation = state.generation
      expect([String(generation).repeat(5000), String(generation + 1).repeat(5000)]).toContain(contents[0])
      last = generation + 1
    }
    expect(interrupted).toBeGreaterThan(0)
    await rm(scripts, { recursive: true })
  })
})
