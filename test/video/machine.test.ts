/**
 * Trouble of the machine is no fault of a video: real decoding processes that have no room for their pixels, no open files left, or no program to start.
 * `/dev/full` stands for a file system that is full.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'
import type { ClipRequest } from '../../src/video/clip.ts'
import { loadClips } from '../../src/video/index.ts'
import { DecodePool } from '../../src/video/pool.ts'
import { encodeFixture, temporaryFolder } from './fixtures.ts'

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
const poolOf = (decoder: 'node-av' | 'ffmpeg'): DecodePool =>
  new DecodePool({ decoder, limits: {}, slotBytes: 4 * 3072, workers: 1 })

describe.skipIf(!existsSync('/dev/full'))('a full file system', () => {
  test('costs the process, not the video', async () => {
    shared.isFull = (nth) => nth < 2
    const pool = poolOf('node-av')
    const outcomes = await Promise.all([pool.read(request()), pool.read(request())])
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, true])
    expect(pool.restarts).toBe(2)
    await pool.close()
  })

  test('that stays full ends the run with an error that names it', async () => {
    shared.isFull = () => true
    const pool = poolOf('node-av')
    await expect(pool.read(request())).rejects.toMatchObject({
      code: 'DECODER_RESOURCES',
      exit: 'environment',
      message: expect.stringContaining('ENOSPC'),
      hint: expect.stringContaining('--shm-size'),
    })
    await pool.close()
  })
})

describe.skipIf(process.platform === 'win32')('a decoder', () => {
  /** Reports, for a video while no file can be opened, what a decoding process makes of the error, and what a pool says. */
  const withoutFiles = (): string => {
    const compiled = (module: string): string =>
      JSON.stringify(compiledEntry(new URL('../../src/video/pool.ts', import.meta.url).href, module).href)
    return `
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
  }

  test('that may open no more files blames no video', () => {
    writeFileSync(file('without-files.mjs'), withoutFiles())
    const limited = 'ulimit -n 64 && exec "$0" "$@"'
    const args = ['-c', limited, process.execPath, file('without-files.mjs'), file('v.mp4')]
    const { stdout, stderr } = spawnSync('sh', args, { encoding: 'utf8' })
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
      await vi.waitUntil(() => pool.processIds().length === 1, { timeout: 30_000, interval: 10 })
      rmSync(program)
      await expect(pool.read(request())).rejects.toMatchObject({ code: 'DECODER_MISSING', exit: 'environment' })
      await pool.close()
    })
  })
})

test('no more processes are started than there are views to decode', async () => {
  const samplings = [0, 1].map((view) => ({ kind: 'segment-view' as const, frames: 4, view, views: 2 }))
  const { entry } = request()
  for await (const video of loadClips({ entries: [entry], samplings, size: 32, workers: 64 }))
    expect(video.ok).toBe(true)
  expect(shared.made).toBe(2)
})
