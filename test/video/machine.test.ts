/**
 * Trouble of the machine is no fault of a video: real decoding processes that have no room for their pixels, no open files left, or no program to start.
 * `/dev/full` stands for a file system that is full.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'
import type { ClipRequest } from '../../src/video/clip.ts'
import { DecodePool } from '../../src/video/pool.ts'
import { encodeFixture, temporaryFolder } from '../support/video-fixtures.ts'

/** Every process has one shared file: they count the processes too. */
const shared = vi.hoisted(() => ({ made: 0, isFull: (_: number): boolean => false }))
vi.mock('../../src/video/shared-file.ts', async (original) => {
  const { SharedFile } = await original<typeof import('../../src/video/shared-file.ts')>()
  return {
    SharedFile: class extends SharedFile {
      constructor(bytes: number) {
        super(bytes)
        if (!shared.isFull(shared.made++)) return
        closeSync(this.descriptor)
        Object.assign(this, { descriptor: openSync('/dev/full', 'r+') })
      }
    },
  }
})

let folder: Awaited<ReturnType<typeof temporaryFolder>>
const file = (name: string): string => path.join(folder.path, name)
beforeAll(async () => {
  folder = await temporaryFolder()
  encodeFixture(file('v.mp4'), { frames: 20, gop: 5 })
})
afterAll(() => folder.dispose())
beforeEach(() => {
  Object.assign(shared, { made: 0, isFull: () => false })
})

const request = (): ClipRequest => ({
  entry: { path: file('v.mp4'), id: 'v' },
  sampling: { kind: 'strided', frames: 4, stride: 1 },
  crops: [{ kind: 'whole' }],
  output: { width: 32, height: 32 },
  key: [0],
})
const poolOf = (decoder: 'node-av' | 'ffmpeg', workers = 1): DecodePool =>
  new DecodePool({ decoder, limits: {}, slotBytes: 4 * 3072, workers })

describe.skipIf(!existsSync('/dev/full'))('a full file system', () => {
  test('costs the process, not the video', async () => {
    shared.isFull = (nth) => nth < 2
    const pool = poolOf('node-av')
    const outcomes = await Promise.all([pool.read(request()), pool.read(request())])
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, true])
    expect(pool.restarts).toBe(2)
    await pool.close()
  })

  test('that many processes see together is survived as one that a single process sees', async () => {
    const workers = 5
    shared.isFull = (nth) => nth < workers
    const pool = poolOf('node-av', workers)
    const outcomes = await Promise.all(Array.from({ length: 2 * workers }, () => pool.read(request())))
    expect(outcomes.map(({ ok }) => ok)).toEqual(Array.from({ length: 2 * workers }, () => true))
    // The others may have answered everything while a place still pauses; then it starts again, too.
    await vi.waitUntil(() => pool.restarts >= workers, { timeout: 600_000, interval: 10 })
    expect(pool.restarts).toBe(workers)
    await pool.close()
  })

  test.each([1, 2])(
    'that stays full for all of %d processes ends the run with an error that names it',
    async (workers) => {
      shared.isFull = () => true
      const pool = poolOf('node-av', workers)
      await expect(pool.read(request())).rejects.toMatchObject({
        code: 'DECODER_RESOURCES',
        exit: 'environment',
        message: expect.stringContaining('ENOSPC'),
        hint: expect.stringContaining('--shm-size'),
      })
      expect(shared.made).toBeGreaterThanOrEqual(4 * workers)
      await pool.close()
    },
  )
})

test.each([1, 2])('what the machine refuses to one request alone ends no other (%d processes)', async (workers) => {
  const pool = poolOf('node-av', workers)
  // Clips of any video would not fit into memory. It is refused before the video is opened.
  const beyond = { ...request(), output: { width: 2 ** 26, height: 2 ** 26 } }
  let settled = false
  const refused = pool.read(beyond, new Uint8Array()).finally(() => {
    settled = true
  })
  const failure = expect(refused).rejects.toMatchObject({ code: 'DECODER_RESOURCES', exit: 'environment' })
  while (!settled) expect(await pool.read(request())).toMatchObject({ ok: true })
  await failure
  expect(await pool.read(request())).toMatchObject({ ok: true })
  await pool.close()
})

const compiled = (module: string): string =>
  JSON.stringify(compiledEntry(new URL('../../src/video/pool.ts', import.meta.url).href, module).href)

/** Runs a program that may open so many files. */
function runLimited(files: number, program: string, ...args: string[]): { stdout: string; stderr: string } {
  const name = file('limited.mjs')
  writeFileSync(name, program)
  const limited = `ulimit -n ${files} && exec "$0" "$@"`
  return spawnSync('sh', ['-c', limited, process.execPath, name, ...args], { encoding: 'utf8' })
}

describe.skipIf(process.platform === 'win32')('too few open files for', () => {
  /** A process takes four for good and needs up to nine as it starts; `spare` are left. */
  const withSpare = (spare: number, then: string): string => `
    import { closeSync, openSync } from 'node:fs'
    import { DecodePool } from ${compiled('./pool')}
    const held = []
    try { for (;;) held.push(openSync('/dev/null')) } catch {}
    for (const descriptor of held.splice(0, ${spare})) closeSync(descriptor)
    const pool = new DecodePool({ decoder: 'node-av', limits: {}, slotBytes: 4 * 3072, workers: 4 })
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => pool.read(${JSON.stringify(request())})))
    ${then}
    await pool.close()`

  test('some of the processes leaves the work to the others', () => {
    const told =
      'console.log(outcomes.map(({ value, reason }) => value?.ok ?? reason.code).join(), pool.processIds().length)'
    const { stdout, stderr } = runLimited(80, withSpare(11, told))
    expect(stdout.trim(), stderr).toBe(`${Array.from({ length: 8 }, () => true).join()} 1`)
  })

  test('any process is said, with its cure', () => {
    const told =
      'const [{ code, message, hint }, ...others] = new Set(outcomes.map(({ reason }) => reason)); console.log(code, message, hint, ...others)'
    const { stdout, stderr } = runLimited(80, withSpare(5, told))
    expect(stdout.trim(), stderr).toMatch(/^DECODER_RESOURCES .* start a decoding process.*EMFILE.*ulimit -n/)
  })
})

describe.skipIf(process.platform === 'win32')('a decoder', () => {
  /** Reports, for a video while no file can be opened, what a decoding process makes of the error, and what a pool says. */
  const withoutFiles = (): string => `
      import { closeSync, openSync } from 'node:fs'
      import { createDecoder } from ${compiled('./decoder')}
      import { isMachineError } from ${compiled('./machine-errors')}
      import { DecodePool } from ${compiled('./pool')}
      const decoder = await createDecoder('node-av')
      await decoder.open(process.argv[2]).then((video) => video.close())
      const held = []
      let refusal
      while (refusal === undefined) try { held.push(openSync('/dev/null')) } catch (error) { refusal = error.code }
      const video = await decoder.open(process.argv[2]).catch((error) => error)
      let pool
      try { new DecodePool({ decoder: 'node-av', limits: {}, slotBytes: 1, workers: 1 }) } catch (error) { pool = error.code }
      for (const descriptor of held) closeSync(descriptor)
      const broken = await decoder.open(process.argv[1]).catch((error) => error)
      console.log(refusal, isMachineError(video), pool, broken.code, isMachineError(broken))`

  test('that may open no more files blames no video', () => {
    const { stdout, stderr } = runLimited(64, withoutFiles(), file('v.mp4'))
    expect(stdout.trim(), stderr).toBe('EMFILE true DECODER_RESOURCES VIDEO_UNREADABLE false')
  })

  describe('program', () => {
    const before = process.env.FFMPEG_PATH
    afterEach(() => {
      if (before === undefined) delete process.env.FFMPEG_PATH
      else process.env.FFMPEG_PATH = before
    })

    test('that is not there is said to who asked first, too', async () => {
      process.env.FFMPEG_PATH = file('no-such-program')
      const pool = poolOf('ffmpeg')
      await expect(pool.read(request())).rejects.toMatchObject({ code: 'DECODER_MISSING', exit: 'environment' })
      await pool.close()
    })

    test('that is gone blames no video', async () => {
      const program = file('ffmpeg')
      writeFileSync(program, '#!/bin/sh\necho ffmpeg version 9.9\n')
      chmodSync(program, 0o755)
      process.env.FFMPEG_PATH = program
      const pool = poolOf('ffmpeg')
      await vi.waitUntil(() => pool.processIds().length === 1, { timeout: 600_000, interval: 10 })
      rmSync(program)
      await expect(pool.read(request())).rejects.toMatchObject({ code: 'DECODER_MISSING', exit: 'environment' })
      await pool.close()
    })
  })
})

describe.skipIf(process.platform === 'win32')('what was ended from outside blames no video', () => {
  test('a decoding process, killed twice on one video', async () => {
    // A process may answer before the signal comes: then it is tried again.
    for (let restarts = 0, attempt = 1; restarts < 2; attempt++) {
      expect(attempt).toBeLessThan(100)
      const pool = poolOf('node-av')
      const killed = new Set<number>()
      let open = true
      const killTwice = (): void => {
        for (const id of pool.processIds()) {
          if (killed.size < 2 && !killed.has(id)) process.kill(id, 'SIGKILL')
          killed.add(id)
        }
        if (open) setImmediate(killTwice)
      }
      killTwice()
      const outcome = await pool.read(request())
      open = false
      expect(outcome).toMatchObject({ ok: true })
      restarts = pool.restarts
      await pool.close()
    }
  })

  test.each([
    ['killed', 'kill -KILL $$', 'VIDEO_DECODER_KILLED', 4],
    [
      'ended by a signal that it caught',
      'echo "Exiting normally, received signal 15." >&2; exit 255',
      'VIDEO_DECODER_KILLED',
      4,
    ],
    ['crashed', 'kill -SEGV $$', 'VIDEO_DECODER_CRASHED', 2],
    ['ended by itself', 'echo "received signal 15" >&2; exit 255', 'VIDEO_UNREADABLE', 2],
  ])('an ffmpeg program that was %s', async (_, end, code, runs) => {
    const [program, log] = [file('ffmpeg-ends'), file('runs.log')]
    const asked = 'case "$*" in *-version*) echo ffmpeg version 9.9; exit;; *-protocols*) exit;; esac'
    writeFileSync(log, '')
    writeFileSync(program, `#!/bin/sh\n${asked}\necho run >> ${log}\n${end}\n`)
    chmodSync(program, 0o755)
    vi.stubEnv('FFMPEG_PATH', program)
    const pool = poolOf('ffmpeg')
    const outcome = await pool.read(request())
    expect(outcome).toMatchObject({ ok: false, failure: { code } })
    expect(readFileSync(log, 'utf8').split('\n')).toHaveLength(runs + 1)
    await pool.close()
    vi.unstubAllEnvs()
  })
})

test('no more processes are started than there are requests', async () => {
  const pool = new DecodePool({ decoder: 'node-av', limits: {}, slotBytes: 4 * 3072, workers: 64, mostRequests: 2 })
  await pool.close()
  expect(pool.size).toBe(2)
  expect(shared.made).toBe(2)
})
