import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { lstat, mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'
import { systemError } from '../../src/core/system-error.ts'
import {
  cleanLeftovers,
  commitDirectory,
  createTemporaryDirectory,
  followLink,
  removeDirectory,
  replaceDirectory,
  replaceFile,
  replaceFiles,
  writeFileAtomic,
} from '../../src/format/atomic.ts'

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
  test('are replaced whole', async () => {
    const path = join(folder, 'a.json')
    await writeFileAtomic(path, 'first ü')
    await writeFileAtomic(path, Uint8Array.of(104, 105))
    expect(await readFile(path, 'utf8')).toBe('hi')
    expect(await readdir(folder)).toEqual(['a.json'])
  })

  test('stay as they were when writing fails, and nothing is left over', async () => {
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

/** For tests of links, which on Windows only an administrator may make. */
const onPosix = test.skipIf(process.platform === 'win32')

describe.skipIf(!existsSync('/dev/full'))('a full disk', () => {
  test('is said with the file that was to be written, for files alone and together', async () => {
    const path = join(folder, 'a.json')
    const full = async (): Promise<never> => {
      const handle = await open('/dev/full', 'w')
      try {
        await handle.write('x')
      } finally {
        await handle.close()
      }
      throw new Error('written')
    }
    const named = expect.objectContaining({
      message: `The operating system refused: ENOSPC: no space left on device, write (${path}).`,
    })
    expect(systemError(await replaceFile(path, full).catch((error) => error))).toEqual(named)
    expect(systemError(await replaceFiles(path, full).catch((error) => error))).toEqual(named)
    expect(await readdir(folder)).toEqual([])
  })
})

describe('a symbolic link', () => {
  onPosix('stays one: what it names is written, also where nothing is there yet', async () => {
    await mkdir(join(folder, 'models'))
    await writeFile(join(folder, 'models', 'v1.json'), 'old')
    await symlink(join('models', 'v1.json'), join(folder, 'current.json'))
    await symlink('current.json', join(folder, 'best.json'))
    await symlink(join('models', 'v2.json'), join(folder, 'next.json'))
    for (const name of ['best.json', 'next.json']) await writeFileAtomic(join(folder, name), `through ${name}`)
    expect(await readFile(join(folder, 'models', 'v1.json'), 'utf8')).toBe('through best.json')
    expect(await readFile(join(folder, 'models', 'v2.json'), 'utf8')).toBe('through next.json')
    for (const name of ['best.json', 'current.json', 'next.json']) {
      expect((await lstat(join(folder, name))).isSymbolicLink()).toBe(true)
    }
    expect(await readdir(join(folder, 'models'))).toEqual(['v1.json', 'v2.json'])
  })

  onPosix('that leads to itself, and what is none, mean themselves', async () => {
    const path = join(folder, 'loop')
    await symlink(path, path)
    expect(await followLink(path)).toBe(path)
    expect(await followLink(folder)).toBe(folder)
    expect(await followLink(join(folder, 'nothing'))).toBe(join(folder, 'nothing'))
  })
})

describe('files that belong together', () => {
  const writeAll = (names: readonly string[]) => async (temporary: string) => {
    const written = names.map((name) => join(temporary, name))
    for (const file of written) await writeFile(file, 'new')
    return written
  }
  /** Names and contents; of directories the names of what they hold. */
  async function contents(): Promise<Record<string, string>> {
    const found: Record<string, string> = {}
    for (const name of (await readdir(folder)).sort()) {
      const path = join(folder, name)
      found[name] = (await lstat(path)).isDirectory() ? (await readdir(path)).join() : await readFile(path, 'utf8')
    }
    return found
  }

  test('are replaced together, and what a kill left of them is removed', async () => {
    const path = join(folder, 'a.json')
    await writeFile(path, 'old')
    await mkdir(join(folder, `.a.json.new-${tail}`))
    await writeFile(join(folder, `.b.json.new-${tail}`), 'of another name: not ours')
    expect(await replaceFiles(path, writeAll(['a.json', 'a.json.data']))).toEqual([path, `${path}.data`])
    expect((await readdir(folder)).sort()).toEqual([`.b.json.new-${tail}`, 'a.json', 'a.json.data'])
    expect(await readFile(path, 'utf8')).toBe('new')
  })

  test('stay as they were when writing fails, and nothing is left over', async () => {
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

  test.each([
    ['the first part', 'a.json.data'],
    ['a later part', 'a.json.more'],
    ['the file itself', 'a.json'],
  ])('are all as they were when %s cannot be put in place', async (_, obstacle) => {
    const names = ['a.json', 'a.json.data', 'a.json.index', 'a.json.more']
    // No file takes the place of a directory, whoever asks; `a.json.index` is new.
    await mkdir(join(folder, obstacle))
    await writeFile(join(folder, obstacle, 'mine'), '')
    for (const name of names) {
      if (name !== obstacle && name !== 'a.json.index') await writeFile(join(folder, name), `old ${name}`)
    }
    const before = await contents()
    await expect(replaceFiles(join(folder, 'a.json'), writeAll(names))).rejects.toThrow()
    expect(await contents()).toEqual(before)
  })

  test.each([
    ['the file was moved aside', [], {}],
    ['all were', ['a.json.data'], {}],
    ['the parts had come', ['a.json.data'], { 'a.json.data': 'new' }],
  ])('are all back after a kill when %s', async (_, partsAside, there: Record<string, string>) => {
    const old = { 'a.json': 'old', 'a.json.data': 'old data' }
    for (const [name, content] of Object.entries(old)) {
      const aside = name === 'a.json' || partsAside.some((part) => part === name)
      await writeFile(join(folder, aside ? `.${name}.old-${tail}` : name), content)
    }
    for (const [name, content] of Object.entries(there)) await writeFile(join(folder, name), content)
    await writeFile(join(folder, `.b.old-${deadPid}-ba9876543210`), 'of another name: not ours')
    const other = { [`.b.old-${deadPid}-ba9876543210`]: 'of another name: not ours' }
    const failing = replaceFiles(join(folder, 'a.json'), () => Promise.reject(new Error('disk full')))
    await expect(failing).rejects.toThrow('disk full')
    expect(await contents()).toEqual({ ...other, ...old })
  })

  test('are the new ones after a kill when all had come', async () => {
    for (const name of ['a.json', 'a.json.data']) {
      await writeFile(join(folder, name), 'new')
      await writeFile(join(folder, `.${name}.old-${tail}`), 'old')
    }
    expect((await cleanLeftovers(folder)).restored).toEqual([])
    expect(await contents()).toEqual({ 'a.json': 'new', 'a.json.data': 'new' })
  })
})

describe('directories', () => {
  async function commit(name: string, content: string): Promise<void> {
    const temporary = await createTemporaryDirectory(join(folder, name))
    await mkdir(join(temporary, 'inner'))
    await writeFile(join(temporary, 'inner', 'x'), content)
    await commitDirectory(temporary, join(folder, name))
  }

  test('appear and are replaced whole', async () => {
    await commit('step', 'one')
    await commit('step', 'two')
    expect(await readFile(join(folder, 'step', 'inner', 'x'), 'utf8')).toBe('two')
    expect(await readdir(folder)).toEqual(['step'])
  })

  test('stay as they were when filling the new one fails, and nothing is left over', async () => {
    await commit('step', 'one')
    const failing = replaceDirectory(join(folder, 'step'), async (temporary) => {
      await writeFile(join(temporary, 'y'), 'half')
      throw new Error('disk full')
    })
    await expect(failing).rejects.toThrow('disk full')
    expect(await readdir(folder)).toEqual(['step'])
    expect(await readdir(join(folder, 'step'))).toEqual(['inner'])
  })

  test('are removed whole', async () => {
    await commit('step', 'one')
    await removeDirectory(join(folder, 'step'))
    expect(await readdir(folder)).toEqual([])
    await expect(removeDirectory(join(folder, 'step'))).rejects.toThrow('ENOENT')
  })

  test('keep the old content when the new cannot be put in place', async () => {
    await commit('step', 'one')
    const gone = join(folder, '.step.new-1-0123456789ab')
    await expect(commitDirectory(gone, join(folder, 'step'))).rejects.toThrow('ENOENT')
    expect(await readFile(join(folder, 'step', 'inner', 'x'), 'utf8')).toBe('one')
  })
})

describe('leftovers', () => {
  test('of dead processes are deleted or restored, all else stays', async () => {
    await mkdir(join(folder, `.a.old-${tail}`))
    await writeFile(join(folder, `.a.old-${tail}`, 'whole'), '1')
    await mkdir(join(folder, `.a.new-${tail}`))
    await mkdir(join(folder, 'b'))
    await mkdir(join(folder, `.b.old-${deadPid}-ba9876543210`)) // replaced on its own
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

test('leftovers that bear our own process number but are older than we are go too, as in a restarted container', async () => {
  await mkdir(join(folder, `.a.old-${process.pid}-0123456789ab`))
  await mkdir(join(folder, `.b.new-${process.pid}-0123456789ab`))
  expect(await cleanLeftovers(folder)).toEqual({ restored: [], deleted: [] })
  const cleaned = await cleanLeftovers(folder, undefined, Date.now() + 60_000)
  expect(cleaned).toEqual({ restored: ['a'], deleted: [`.b.new-${process.pid}-0123456789ab`] })
})

describe('kill -9', () => {
  /** Replaces a directory, a file and two that belong together as fast as it can; every generation holds four files of equal content. */
  const writer = (module: string) => `
    import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
    import { join } from 'node:path'
    import { commitDirectory, createTemporaryDirectory, removeDirectory, replaceFiles, writeFileAtomic } from ${JSON.stringify(module)}
    const target = join(process.argv[2], 'step')
    rmSync(join(process.argv[2], 'passing'), { recursive: true, force: true })
    for (let generation = Number(process.argv[3]); ; generation++) {
      await replaceFiles(join(process.argv[2], 'pair'), async (folder) => {
        const written = ['pair', 'pair.data'].map((name) => join(folder, name))
        for (const file of written) writeFileSync(file, String(generation))
        return written
      })
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

  test('at random moments leaves the old or the new, never half', async () => {
    const scripts = await mkdtemp(join(tmpdir(), 'atomic-writer-'))
    await writeFile(
      join(scripts, 'writer.mjs'),
      writer(compiledEntry(new URL('../../src/format/atomic.ts', import.meta.url).href, './atomic').href),
    )
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
      expect((await readdir(folder)).sort()).toEqual(['pair', 'pair.data', ...passing, 'state.json', 'step'])
      expect(await readFile(join(folder, 'pair'), 'utf8')).toBe(await readFile(join(folder, 'pair.data'), 'utf8'))
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
