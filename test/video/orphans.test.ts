/**
 * Nothing of a run stays behind when its process is killed, not even a decoding process whose main thread hangs. A blocked
 * `Atomics.wait` stands for the codec: as there, no JavaScript of that thread runs again.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'
import { encodeFixture, temporaryFolder } from '../support/video-fixtures.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
const file = (name: string): string => path.join(folder.path, name)

/** Loaded before a decoding process begins; it blocks the main thread for ever at the end of the first request. */
const hang = (pidFile: string): string => `
  import { writeFileSync } from 'node:fs'
  import { isMainThread } from 'node:worker_threads'
  if (isMainThread && process.argv[1].includes('decode-process')) {
    const send = process.send.bind(process)
    process.send = (message, ...rest) => {
      if (message.kind !== 'done') return send(message, ...rest)
      writeFileSync(${JSON.stringify(pidFile)}, String(process.pid))
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    }
  }`

/** A program that asks a pool for one clip and waits for it; at SIGTERM it closes the pool and ends. */
const reader = (): string => `
  import { DecodePool } from ${JSON.stringify(compiledEntry(new URL('../../src/video/pool.ts', import.meta.url).href, './pool').href)}
  const pool = new DecodePool({ decoder: process.argv[2], limits: {}, slotBytes: 3072, workers: 1, timeoutSeconds: 600 })
  process.once('SIGTERM', () => pool.close().then(() => process.exit(0)))
  const clip = { sampling: { kind: 'strided', frames: 1, stride: 1 }, crops: [{ kind: 'whole' }] }
  await pool.read({ ...clip, entry: { path: process.argv[3], id: 'v' }, output: { width: 32, height: 32 }, key: [0] })`

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A process that nobody has waited for yet has ended all the same.
    return !existsSync(`/proc/${pid}/stat`) || !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function until(what: () => boolean, seconds: number): Promise<boolean> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    if (what()) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return what()
}

/** Starts the reader and waits for the number of the process that hangs. */
async function startHanging(
  decoder: string,
  pidFile: string,
  env: NodeJS.ProcessEnv,
): Promise<{ parent: ChildProcess; hanging: number }> {
  const parent = spawn(process.execPath, [file('reader.mjs'), decoder, file('v.mp4')], {
    env: { ...process.env, ...env },
    stdio: 'ignore',
  })
  const written = (): boolean => existsSync(pidFile) && readFileSync(pidFile, 'utf8').trim() !== ''
  expect(await until(written, 300), 'the process to hang has begun').toBe(true)
  return { parent, hanging: Number(readFileSync(pidFile, 'utf8')) }
}

beforeAll(async () => {
  folder = await temporaryFolder()
  encodeFixture(file('v.mp4'), { frames: 20, gop: 5 })
  writeFileSync(file('reader.mjs'), reader())
})
afterAll(() => folder.dispose())

describe('when the process is killed', () => {
  test('a decoding process that hangs in native code ends too', async () => {
    const pidFile = file('hanging.pid')
    writeFileSync(file('hang.mjs'), hang(pidFile))
    const env = { NODE_OPTIONS: `--import=${pathToFileURL(file('hang.mjs')).href}` }
    const { parent, hanging } = await startHanging('node-av', pidFile, env)
    expect(isRunning(hanging)).toBe(true)
    parent.kill('SIGKILL')
    expect(await until(() => !isRunning(hanging), 300)).toBe(true)
  })

  test.skipIf(process.platform === 'win32').each(['SIGKILL', 'SIGTERM'] as const)(
    'so does an ffmpeg program that hangs (%s)',
    async (signal) => {
      const pidFile = file(`program-${signal}.pid`)
      const program = file(`ffmpeg-${signal}`)
      writeFileSync(
        program,
        `#!/bin/sh\nif [ "$2" = -version ]; then echo ffmpeg version 9.9; exit; fi\necho $$ > ${pidFile}\nexec sleep 600\n`,
      )
      chmodSync(program, 0o755)
      const { parent, hanging } = await startHanging('ffmpeg', pidFile, { FFMPEG_PATH: program })
      expect(isRunning(hanging)).toBe(true)
      parent.kill(signal)
      expect(await until(() => !isRunning(hanging), 300)).toBe(true)
    },
  )
})
