/**
 * What a run leaves on the machine: the files that were asked for, and nothing in the home, cache and temporary folders.
 * The oracle is the file system; ONNX Runtime's telemetry leaves a device id, a database and a log there when it is on.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findLibrary, obtainLibrary } from '../../src/engine/native/build/library-file.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { startVideomaeIn } from '../support/run-program.ts'

const root = path.resolve(import.meta.dirname, '../..')
const folder = folderForTests('videomae-privacy-')
const inFolder = (...parts: string[]): string => path.join(folder, ...parts)
const sourceOf = (file: string): string => readFileSync(path.join(root, 'src', file), 'utf8')
const someVideo = (): string => inFolder('videos', 'left', readdirSync(inFolder('videos', 'left'))[0])
const watched = ['home', 'cache', 'config', 'data-home', 'temporary']
mkdirSync(inFolder('kernels', 'native'), { recursive: true }) // stays for all tests

/** The environment of a new user: nothing in it turns telemetry off. */
function emptyEnvironment(): NodeJS.ProcessEnv {
  const { PATH, LD_LIBRARY_PATH, VIDEOMAE_CACHE = inFolder('kernels') } = process.env
  return {
    PATH,
    LD_LIBRARY_PATH,
    VIDEOMAE_CACHE,
    HOME: inFolder('home'),
    USERPROFILE: inFolder('home'),
    XDG_CACHE_HOME: inFolder('cache'),
    XDG_CONFIG_HOME: inFolder('config'),
    XDG_DATA_HOME: inFolder('data-home'),
    TMPDIR: inFolder('temporary'),
    TEMP: inFolder('temporary'),
    TMP: inFolder('temporary'),
  }
}

/**
 * Everything below the watched folders but folders, relative; sockets and pipes too. Compiled kernels of the native
 * engine are asked for: the program says where it keeps them.
 */
const leftBehind = (): string[] =>
  [...watched, 'kernels'].flatMap((name) =>
    (readdirSync(inFolder(name), { recursive: true }) as string[])
      .filter((file) => !statSync(inFolder(name, file)).isDirectory())
      .map((file) => `${name}/${file}`)
      .filter((file) => !/^kernels\/native\//.test(file)),
  )

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await startVideomaeIn(emptyEnvironment(), ...args).ended
  expect(code, stderr).toBe(0)
  return stdout
}

const modelSettings = ['width=16', 'depth=1', 'heads=2', 'patch=8', 'frames=4', 'resolution=32']
const small = ['clip.stride=1', 'engine.threads=1', 'data.workers=1', ...modelSettings.map((each) => `model.${each}`)]
const settings = (...more: string[]): string[] => [...small, ...more].flatMap((each) => ['--set', each])

beforeAll(async () => {
  // To compile them takes longer than all tests here.
  if (findLibrary().kind !== 'missing') {
    const { path: library } = await obtainLibrary(() => undefined)
    copyFileSync(library, inFolder('kernels', 'native', path.basename(library)))
  }
  await generateMotionDataset(inFolder('videos'), { clips: 20, size: 32, frames: 8, classes: ['left', 'up'] })
  writeFileSync(inFolder('votes.csv'), 'id,label,l0,l1,l2\nx,0,0,0,1\ny,1,1,1,1\n')
})
beforeEach(() => {
  for (const name of watched) {
    rmSync(inFolder(name), { recursive: true, force: true })
    mkdirSync(inFolder(name))
  }
})

describe('a command leaves only what was asked for', () => {
  test('doctor and inspect', async () => {
    await run('doctor')
    await run('inspect', inFolder('videos'))
    expect(leftBehind()).toEqual([])
  })

  test('pretrain, reconstruct and export', async () => {
    const decoder = ['decoder.width=8', 'decoder.depth=1', 'decoder.heads=1'].map((each) => `model.${each}`)
    const schedule = ['schedule.duration=2 steps', 'schedule.warmup=1 step', 'batch.size=8', 'batch.perRun=8']
    await run('pretrain', inFolder('videos'), '--out', inFolder('run'), ...settings(...decoder, ...schedule))
    await run('reconstruct', inFolder('run'), someVideo(), '--out', inFolder('picture.png'))
    await run('export', inFolder('run'), '--out', inFolder('encoder.onnx'))
    expect(existsSync(inFolder('encoder.onnx'))).toBe(true)
    expect(leftBehind()).toEqual([])
  })

  test('finetune, evaluate, export of a classifier and predict with both', async () => {
    const tuned = inFolder('classifier')
    const ridge = ['mode=ridge', 'model.from=scratch', 'evaluation.clips=1', 'evaluation.crops=1']
    await run('finetune', inFolder('videos'), '--out', tuned, ...settings(...ridge))
    await run('evaluate', inFolder('videos'), '--from', tuned)
    await run('export', tuned, '--classifier', '--out', inFolder('classifier.onnx'))
    await run('predict', someVideo(), '--from', tuned)
    await run('predict', someVideo(), '--from', inFolder('classifier.onnx'))
    expect(leftBehind()).toEqual([])
  })

  test('certify', async () => {
    await run('certify', '--votes', inFolder('votes.csv'), '--classes', '2', '--out', inFolder('certificate'))
    expect(leftBehind()).toEqual([])
  })
})

describe('a program that imports the library leaves only what it asked for', () => {
  /** Uses the classifier's exported file, so that ONNX Runtime runs in the importing thread itself. */
  const direct = `
    import { openAnyClassifier } from ${JSON.stringify(path.join(root, 'dist/index.js'))}
    const classifier = await openAnyClassifier(${JSON.stringify(inFolder('classifier.onnx'))})
    await classifier.close()
  `

  const imports = (thread: string): void => {
    expect(existsSync(inFolder('classifier.onnx'))).toBe(true)
    writeFileSync(inFolder('job.mjs'), direct)
    writeFileSync(inFolder('program.mjs'), thread)
    execFileSync(process.execPath, [inFolder('program.mjs')], {
      env: emptyEnvironment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    expect(leftBehind()).toEqual([])
  }

  test('in the main thread', () => imports("import './job.mjs'"))

  test('in a worker thread, whose process.env native code does not see', () =>
    imports(`import { Worker } from 'node:worker_threads'
const worker = new Worker(new URL('./job.mjs', import.meta.url))
worker.on('error', (error) => { console.error(error); process.exit(1) })`))

  test('since one file alone loads ONNX Runtime', () => {
    const loading = (readdirSync(path.join(root, 'src'), { recursive: true }) as string[])
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .filter((file) => /(import|require)\(?\s*'onnxruntime-node|from 'onnxruntime-node/.test(sourceOf(file)))
    expect(loading.map((file) => file.replaceAll('\\', '/'))).toEqual(['engine/onnx/runtime.ts'])
  })
})

const strace = spawnSync('strace', ['-V']).status === 0

describe.skipIf(!strace)('no connection is attempted (skipped where there is no strace)', () => {
  test.each([
    ['predict with an exported classifier', () => ['predict', someVideo(), '--from', inFolder('classifier.onnx')]],
    ['predict with a checkpoint', () => ['predict', someVideo(), '--from', inFolder('classifier')]],
    ['doctor', () => ['doctor']],
  ])('%s', (_what, command) => {
    const log = inFolder('calls.log')
    const main = path.join(root, 'dist/cli/main.js')
    const calls = 'trace=connect,sendto,sendmsg,sendmmsg'
    const traced = spawnSync('strace', ['-f', '-qq', '-e', calls, '-o', log, process.execPath, main, ...command()], {
      env: emptyEnvironment(),
      encoding: 'utf8',
    })
    expect(traced.status, traced.stderr).toBe(0)
    expect(readFileSync(log, 'utf8')).not.toMatch(/AF_INET/)
  })
})
