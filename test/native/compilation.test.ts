/**
 * Compilers that fail, hang or print too much, caches that are damaged or cannot be written, and processes that are stopped while
 * they compile. The compilers are scripts; what they make is a library that was compiled before.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { automaticEngine } from '../../src/engine/automatic.ts'
import {
  type Compiler,
  compileLibrary,
  compilerOptions,
  findCommand,
  findCompiler,
} from '../../src/engine/native/build/compiler.ts'
import { chooseLevel } from '../../src/engine/native/build/levels.ts'
import { cachePrefix, findLibrary, obtainLibrary } from '../../src/engine/native/build/library-file.ts'
import { ProcessLibraries } from '../../src/engine/native/build/process-libraries.ts'
import { storeLibrary } from '../../src/engine/native/build/stored-library.ts'
import { nativeEngine } from '../../src/engine/native/index.ts'
import { Graph } from '../../src/graph/graph.ts'
import { add } from '../../src/graph/operations/elementwise.ts'
import type { Program } from '../../src/graph/program.ts'
import { chooseEngine } from '../../src/train/engine-choice.ts'
import { nativeMissing, nativeTimeouts } from './native-cases.ts'

vi.setConfig(nativeTimeouts)
const missing = nativeMissing() ?? (findCompiler() === null ? 'no C compiler' : null)

describe.skipIf(missing !== null)(`compiling the native engine${missing === null ? '' : ` (${missing})`}`, () => {
  let root = ''
  let whole = ''
  let foreign = ''
  beforeAll(async () => {
    root = mkdtempSync(path.join(tmpdir(), 'videomae-compilation-'))
    whole = (await obtainLibrary(() => undefined)).path
    mkdirSync(path.join(root, 'foreign'))
    const options = compilerOptions(chooseLevel()!, false)
    foreign = await compileLibrary(findCompiler()!, ['pool.c'], options, path.join(root, 'foreign'))
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  let folder = ''
  const cache = (): string => path.join(folder, 'cache', 'native')
  const cached = (): string[] => (existsSync(cache()) ? readdirSync(cache()).sort() : [])
  beforeEach(() => {
    folder = mkdtempSync(path.join(root, 'test-'))
    vi.stubEnv('VIDEOMAE_CACHE', path.join(folder, 'cache'))
    vi.stubEnv('TMPDIR', folder)
  })
  afterEach(() => vi.unstubAllEnvs())

  /** A compiler for VIDEOMAE_CC; `$out` is what it is to make. */
  function compiler(body: string, name = 'fake-cc'): string {
    const file = path.join(folder, name)
    const version = 'case "$*" in *--version*) echo fake; exit;; esac'
    const lines = ['#!/bin/sh', version, 'for a; do [ "$last" = -o ] && out="$a"; last="$a"; done', body, '']
    writeFileSync(file, lines.join('\n'), { mode: 0o755 })
    vi.stubEnv('VIDEOMAE_CC', file)
    return file
  }
  const making = (library: string): string =>
    `case "$out" in *.so) echo made >> "${folder}/log"; cp "${library}" "$out";; ?*) : > "$out";; esac`
  const times = (): number => readFileSync(path.join(folder, 'log'), 'utf8').trim().split('\n').length
  /** A file in the place of the cache: nothing can be kept. */
  const refuseCache = (): void => writeFileSync(path.join(folder, 'cache'), 'a file')
  const obtain = () => obtainLibrary(() => undefined)
  const found = (): Compiler => findCompiler()!

  test('a library that was cut short, or changed, is never loaded: it is compiled again', async () => {
    compiler(making(whole))
    const { path: file } = await obtain()
    expect(findLibrary()).toMatchObject({ kind: 'ready', origin: 'cache' })
    const bytes = readFileSync(whole)
    replace(file, bytes.subarray(0, 20_000))
    expect(findLibrary().kind).toBe('compilable')
    bytes[bytes.length >> 1] ^= 1
    replace(file, bytes)
    expect(findLibrary().kind).toBe('compilable')
    writeFileSync(file.replace(/[0-9a-f]{32}\.so$/, `${'0'.repeat(32)}.so`), 'damaged')
    expect((await obtain()).path).toBe(file)
    expect(cached()).toEqual([path.basename(file)])
  })

  test('a library that loads and lacks the functions is no library of the engine', async () => {
    compiler(making(whole))
    mkdirSync(cache(), { recursive: true })
    storeLibrary(foreign, cache(), cachePrefix(chooseLevel()!, found()))
    expect(findLibrary().kind).toBe('compilable')
    await obtain()
    expect(findLibrary().kind).toBe('ready')
  })

  test('a compiler that makes another library: auto is onnx', async () => {
    compiler(making(foreign))
    const lines: string[] = []
    expect((await automaticEngine((line) => lines.push(line))).name).toBe('onnx')
    expect(lines[0]).toMatch(/cannot load: .*native_run/)
    expect(cached()).toEqual([])
  })

  test('what damages the process that loads it is refused', async () => {
    compiler(`${making(whole)}; case "$out" in *.so) truncate -s 20000 "$out";; esac`)
    await expect(obtain()).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('cannot load'),
    })
  })

  test('doctor and a run that names the engine say why the compiler fails, also where it prints nothing', async () => {
    compiler('exit 3')
    const why = /fake-cc could not compile the kernels of the native engine: exit status 3$/
    expect(await nativeEngine.probe()).toMatchObject({ available: false, detail: expect.stringMatching(why) })
    await expect(chooseEngine('native')).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' })
    const error = (await obtain().catch((refused) => refused)) as Error
    expect(error.message).toMatch(/exit status 3\nThe command was: .*fake-cc -O3 .*\nIt printed nothing\.$/)
    // One that fails at one file passes the trial: the run compiles all before it begins.
    compiler(`case "$*" in *losses.c*) echo "losses.c:1: error: no" >&2; exit 1;; esac; ${making(whole)}`)
    expect((await nativeEngine.probe()).available).toBe(true)
    await expect(chooseEngine('native')).rejects.toMatchObject({ code: 'KERNEL_COMPILATION_FAILED' })
  })

  test('a refusal is remembered; what can be otherwise the next time is not', async () => {
    compiler('echo "fatal error: stdint.h: No such file or directory" >&2; exit 1')
    await expect(obtain()).rejects.toThrow(/stdint.h/)
    expect(findLibrary().kind).toBe('compilable')
    compiler('echo "error: unrecognized option" >&2; exit 1', 'old-cc')
    await expect(obtain()).rejects.toThrow(/unrecognized/)
    const state = findLibrary()
    const why = state.kind === 'missing' ? state.why : ''
    expect(why).toMatch(/unrecognized option.*To try again, delete .*refused\.txt\./)
    rmSync(/delete (.*)\.$/.exec(why)?.[1] ?? '')
    expect(findLibrary().kind).toBe('compilable')
  })

  test('a cache that cannot be written: compiled once in a process', async () => {
    compiler(making(whole))
    refuseCache()
    const libraries = new ProcessLibraries()
    const both = await Promise.all([libraries.obtain(() => undefined), libraries.obtain(() => undefined)])
    expect(both[0]).toBe(both[1])
    expect(path.dirname(path.dirname(both[0].path))).toBe(folder)
    expect(times()).toBe(1)
    rmSync(path.dirname(both[0].path), { recursive: true })
    expect((await libraries.obtain(() => undefined)).path).not.toBe(both[0].path)
    expect(times()).toBe(2)
  })

  test('a cache that cannot be written, and no folder for temporary files: doctor and a run say so', async () => {
    compiler(making(whole))
    refuseCache()
    vi.stubEnv('TMPDIR', path.join(folder, 'nothing'))
    const { available, detail } = await nativeEngine.probe()
    expect(available).toBe(false)
    expect(detail).toBe(
      `Expected to make a temporary folder in ${path.join(folder, 'nothing')}, but there is no such folder.`,
    )
    await expect(obtain()).rejects.toMatchObject({ code: 'SYSTEM_ERROR' })
  })

  test('the thread of a session uses what was compiled before', async () => {
    compiler(making(whole))
    refuseCache()
    await nativeEngine.prepare?.()
    const session = await nativeEngine.open([sum()], { threads: 1 })
    const { y } = await session.run('sum', { a: new Float32Array(4).fill(1), b: new Float32Array(4).fill(2) })
    expect([...y]).toEqual([3, 3, 3, 3])
    await session.close()
    expect(times()).toBe(1)
    expect(await nativeEngine.probe()).toMatchObject({ available: true, detail: expect.stringContaining(folder) })
  })

  test('a session opens where the library is removed while its thread starts', async () => {
    compiler(making(whole))
    refuseCache()
    await nativeEngine.prepare?.()
    const opening = nativeEngine.open([sum()], { threads: 1 })
    await wait(1)
    for (const name of readdirSync(folder).filter((one) => one.startsWith('videomae-native-')))
      rmSync(path.join(folder, name), { recursive: true })
    await (await opening).close()
    expect(times()).toBe(2)
  })

  test('two at once into an empty cache: both have a library, and the cache has one', async () => {
    compiler(`${making(whole)}; sleep 0.1`)
    const [one, two] = await Promise.all([obtain(), obtain()])
    expect(one).toEqual(two)
    expect(cached()).toEqual([path.basename(one.path)])
  })

  test('folders of compilations that were killed are removed, those that may run are not', async () => {
    compiler(making(whole))
    for (const [name, hours] of [
      ['compile-old', 3],
      ['compile-now', 0.5],
    ] as const) {
      mkdirSync(path.join(cache(), name), { recursive: true })
      writeFileSync(path.join(cache(), name, 'linear.c.o'), '')
      const then = Date.now() / 1000 - 3600 * hours
      utimesSync(path.join(cache(), name), then, then)
    }
    const { path: file } = await obtain()
    expect(cached()).toEqual([path.basename(file), 'compile-now'].sort())
  })

  test('a compiler that hangs is ended, with what it has started', async () => {
    const pids = path.join(folder, 'pids')
    compiler(`trap "" TERM; sleep 300 & echo $! >> "${pids}"; wait`)
    const limits = { milliseconds: 300 }
    const compiling = compileLibrary(found(), ['pool.c', 'losses.c'], [], folder, limits)
    await expect(compiling).rejects.toThrow(/it did not end within 0\.3 s/)
    for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) await ended(Number(pid))
  })

  test('of what a compiler prints the beginning is kept', async () => {
    compiler('echo "error: first" >&2; head -c 3000000 /dev/zero | tr "\\0" x; exit 1')
    const error = (await compileLibrary(found(), ['pool.c'], [], folder).catch((refused) => refused)) as Error
    expect(error.message).toMatch(/error: first \(exit status 1\)/)
    expect(error.message).toMatch(/and \d{7} more bytes/)
    expect(error.message.length).toBeLessThan(20_000)
  })

  test('the variables name a compiler with spaces in its path, or with arguments', () => {
    const plain = compiler('exit 0', 'a cc')
    expect(findCompiler()).toMatchObject({ command: plain, before: [] })
    const other = compiler('exit 0')
    vi.stubEnv('VIDEOMAE_CC', `${other} -m64  -pipe`)
    expect(findCompiler()).toMatchObject({ command: other, before: ['-m64', '-pipe'] })
    expect(findCompiler()?.fingerprint).not.toBe(findCommand(other)?.fingerprint)
    vi.stubEnv('VIDEOMAE_CC', path.join(folder, 'nothing'))
    expect(() => findCompiler()).toThrow(/VIDEOMAE_CC/)
  })

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s during a compilation ends all of it and leaves nothing',
    async (name) => {
      const pids = path.join(folder, 'pids')
      compiler(`echo $$ >> "${pids}"; exec sleep 300`)
      const module = pathToFileURL(path.resolve('src/engine/native/build/library-file.ts')).href
      const script = `import { obtainLibrary } from '${module}'; await obtainLibrary((line) => console.log(line))`
      const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
        stdio: 'ignore',
      })
      const end = once(child, 'exit')
      for (let i = 0; i < 600 && !existsSync(pids); i++) await wait(20)
      expect(cached().filter((one) => one.startsWith('compile-'))).toHaveLength(1)
      child.kill(name)
      expect(await end).toEqual([null, name])
      for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) await ended(Number(pid))
      expect(cached()).toEqual([])
    },
  )
})

/** A program: y = a + b. */
function sum(): Program {
  const graph = new Graph('sum')
  return graph.build({ y: add(graph.input('a', [4]), graph.input('b', [4])) })
}

/** Another file of that name: this process has loaded the one that was there, and needs it. */
function replace(file: string, content: Uint8Array): void {
  rmSync(file)
  writeFileSync(file, content)
}

/** Waits until a process is gone. */
async function ended(pid: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await wait(10)
  }
  throw new Error(`Expected the process ${pid} to have ended.`)
}
