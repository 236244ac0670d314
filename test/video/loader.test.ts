/**
 * The loader over real decoding processes and generated videos. Oracle: the run with one process and no trouble; what the pictures show tells
 * which file and frame they are.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { VideoMaeError } from '../../src/core/errors.ts'
import type { ClipRequest } from '../../src/video/clip.ts'
import type { BadFile } from '../../src/video/epoch-order.ts'
import { inspectVideos } from '../../src/video/inspect.ts'
import { loadClips } from '../../src/video/load-clips.ts'
import { createLoader, type Loader, type LoaderOptions } from '../../src/video/loader.ts'
import { DecodePool, type DecodePoolOptions } from '../../src/video/pool.ts'
import { listVideos } from '../../src/video/source.ts'
import type { VideoEntry } from '../../src/video/types.ts'
import { encodeFixture, readFrameNumber, temporaryFolder } from '../support/video-fixtures.ts'

const videos = 11
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let entries: VideoEntry[]

beforeAll(async () => {
  folder = await temporaryFolder()
  for (let i = 0; i < videos; i++) {
    encodeFixture(path.join(folder.path, `v${String(i).padStart(2, '0')}.mp4`), { frames: 20 + i, gop: 6 + i })
  }
  entries = listVideos(folder.path)
})
afterAll(() => folder.dispose())

const options = (more: Partial<LoaderOptions> = {}): LoaderOptions => ({
  entries,
  sampling: { kind: 'strided', frames: 4, stride: 3 },
  size: 32,
  batchSize: 4,
  samplesPerClip: 2,
  seed: 5,
  workers: 2,
  ...more,
})

/** One line per batch: step, epoch, which videos, and a digest of its pixels. */
async function run(
  more: Partial<LoaderOptions> = {},
  {
    steps = 8,
    startStep = 0,
    during,
  }: { steps?: number; startStep?: number; during?: (loader: Loader, step: number) => void } = {},
): Promise<string[]> {
  const loader = createLoader(options(more))
  const lines: string[] = []
  try {
    for await (const batch of loader.batches({ startStep })) {
      const digest = createHash('sha256').update(batch.clips).digest('hex').slice(0, 16)
      const from = batch.samples.map((s) => `${s.entry.id}@${s.frames[0]}:${s.geometry.crop.x}`).join(' ')
      lines.push(`${batch.step} ${batch.epoch} ${from} ${digest}`)
      if (lines.length === steps) break
      during?.(loader, batch.step)
    }
  } finally {
    await loader.close()
  }
  return lines
}

describe('batches', () => {
  test('hold the frames they name, once per epoch and video', async () => {
    const loader = createLoader(options({ crop: { kind: 'whole' }, batchSize: 2, samplesPerClip: 1 }))
    const seen: string[] = []
    for await (const { clips, samples, epoch, step } of loader.batches()) {
      if (epoch === 1) break
      expect(clips).toHaveLength(2 * 4 * 32 * 32 * 3)
      for (const [b, { frames, entry }] of samples.entries()) {
        for (const [t, frame] of frames.entries()) {
          const picture = clips.subarray((b * 4 + t) * 3072, (b * 4 + t + 1) * 3072)
          expect(readFrameNumber(picture, 32, 32), `${step} ${entry.id}`).toBe(frame)
        }
        seen.push(entry.id)
      }
    }
    expect(loader.stepsPerEpoch).toBe(5)
    expect(new Set(seen).size).toBe(10)
    expect(seen).toHaveLength(10)
    const { clips, usedFrames, decodedFrames, badFiles, restarts } = loader.stats()
    expect({ clips, usedFrames, badFiles, restarts }).toEqual({ clips: 12, usedFrames: 48, badFiles: 0, restarts: 0 })
    expect(decodedFrames).toBeGreaterThanOrEqual(48)
    await loader.close()
  })

  test('do not depend on the number of processes or on reading ahead', async () => {
    const one = await run({ workers: 1, prefetch: 0 })
    expect(one).toHaveLength(8)
    expect(await run({ workers: 2 })).toEqual(one)
    expect(await run({ workers: 3, prefetch: 5 })).toEqual(one)
    expect(await run({ workers: 2, seed: 6 })).not.toEqual(one)
  })

  test('that are given back lend their memory to later ones, and their bytes stay the same', async () => {
    const kept = await run({}, { steps: 12 })
    const lines: string[] = []
    const memory = new Set<unknown>()
    const loader = createLoader(options())
    for await (const { step, clips, release } of loader.batches()) {
      lines.push(createHash('sha256').update(clips).digest('hex').slice(0, 16))
      memory.add(clips.buffer)
      clips.fill(0)
      release()
      release() // once more must not lend it twice
      if (step === 11) break
    }
    await loader.close()
    expect(lines).toEqual(kept.map((line) => line.split(' ').pop()))
    expect(memory.size).toBe(1)
  })

  test('that are not given back keep their bytes', async () => {
    const loader = createLoader(options())
    const batches = loader.batches()
    const first = (await batches.next()).value!
    const digest = createHash('sha256').update(first.clips).digest('hex')
    for (let i = 0; i < 6; i++) (await batches.next()).value!.release()
    expect(createHash('sha256').update(first.clips).digest('hex')).toBe(digest)
    await loader.close()
  })

  test('from any step on are those of the uninterrupted run', async () => {
    const whole = await run({}, { steps: 13 })
    for (const startStep of [1, 5, 11])
      expect(await run({}, { startStep, steps: 2 })).toEqual(whole.slice(startStep, startStep + 2))
  })

  test('do not change when a process is killed in mid-run', async () => {
    const whole = await run({}, { steps: 12 })
    const restarts: number[] = []
    const killed = await run(
      { prefetch: 4 },
      {
        steps: 12,
        during: (loader, step) => {
          const ids = loader.processIds()
          if (step % 4 === 0) process.kill(ids[(step / 4) % ids.length], 'SIGKILL')
          restarts.push(loader.stats().restarts)
        },
      },
    )
    expect(killed).toEqual(whole)
    expect(restarts.at(-1)).toBeGreaterThan(0)
  })
})

describe('bad files', () => {
  const badOnes = ['v02.mp4', 'v07.mp4']
  let broken: VideoEntry[]
  beforeAll(() => {
    writeFileSync(path.join(folder.path, 'broken.mp4'), 'no video at all, but some bytes of text')
    broken = entries.map((entry) =>
      badOnes.includes(entry.id) ? { ...entry, path: path.join(folder.path, 'broken.mp4') } : entry,
    )
    // Two entries with their own broken files, so that both are noted.
    writeFileSync(path.join(folder.path, 'broken2.mp4'), 'no video at all, but some bytes of text')
    broken = broken.map((entry) =>
      entry.id === 'v07.mp4' ? { ...entry, path: path.join(folder.path, 'broken2.mp4') } : entry,
    )
  })

  test('are noted once; the other samples come in the same order, none lost, none twice', async () => {
    const noted: BadFile[] = []
    const lines = await run({ entries: broken, onBadFile: (file) => noted.push(file) }, { steps: 8 })
    expect(noted.map(({ id, code }) => [id, code]).sort()).toEqual(badOnes.map((id) => [id, 'VIDEO_UNREADABLE']))
    expect(noted[0].reason).toContain('broken')
    const idsOf = (batch: string): string[] => batch.match(/v\d\d\.mp4/g)!.filter((_, i) => i % 2 === 0)
    const good = (await run({ batchSize: 2 }, { steps: 11 })).flatMap(idsOf).filter((id) => !badOnes.includes(id))
    // Nine good videos, two a step: four steps an epoch.
    expect(lines.slice(0, 4).flatMap(idsOf)).toEqual(good.slice(0, 8))
    expect(lines.map((line) => line.split(' ')[1])).toEqual(['0', '0', '0', '0', '1', '1', '1', '1'])
    expect(await run({ entries: broken, workers: 1, prefetch: 0 }, { steps: 8 })).toEqual(lines)
    for (const startStep of [1, 3, 6]) {
      expect(await run({ entries: broken, knownBad: noted }, { startStep, steps: 2 })).toEqual(
        lines.slice(startStep, startStep + 2),
      )
    }
  })

  test('too few usable videos end the run with an error', async () => {
    await expect(run({ entries: broken.filter(({ path: p }) => p.includes('broken')) })).rejects.toMatchObject({
      code: 'NOT_ENOUGH_VIDEOS',
    })
    expect(() => createLoader(options({ entries: entries.slice(0, 1) }))).toThrow(VideoMaeError)
  })

  test('fixed views come in order, failures in their place', async () => {
    const found = []
    const samplings = [0, 1].map((view) => ({ kind: 'segment-view' as const, frames: 4, view, views: 2 }))
    for await (const video of loadClips({
      entries: broken,
      samplings,
      size: 32,
      crops: [{ kind: 'whole' }],
      workers: 2,
    })) {
      found.push(video)
    }
    expect(found.map(({ entry }) => entry.id)).toEqual(entries.map(({ id }) => id))
    for (const video of found) {
      if (!video.ok) {
        expect(badOnes).toContain(video.entry.id)
        continue
      }
      expect(video.clips).toHaveLength(2 * 4 * 3072)
      for (const [i, frame] of video.views.flatMap(({ frames }) => frames).entries()) {
        expect(readFrameNumber(video.clips.subarray(i * 3072, (i + 1) * 3072), 32, 32)).toBe(frame)
      }
    }
    expect(found.filter(({ ok }) => !ok)).toHaveLength(2)
  })

  test('inspect lists what is there and why the rest is not usable', async () => {
    const report = await inspectVideos(folder.path, { workers: 2 })
    expect([report.usable, report.unusable]).toEqual([videos, 2])
    const third = report.videos.find(({ entry }) => entry.id === 'v03.mp4')!
    expect(third).toMatchObject({
      frames: 23,
      info: { width: 128, height: 96, codec: 'h264', fps: 25, duration: 0.92 },
    })
    expect(report.videos.find(({ entry }) => entry.id === 'broken.mp4')?.problem?.code).toBe('VIDEO_UNREADABLE')
  })
})

describe('decoding processes', () => {
  const request = (entry: VideoEntry): ClipRequest => ({
    entry,
    sampling: { kind: 'strided', frames: 4, stride: 1 },
    crops: [{ kind: 'whole' }],
    output: { width: 32, height: 32 },
    key: [0],
  })
  const pool = (more: Pick<DecodePoolOptions, 'workers' | 'timeoutSeconds' | 'growing' | 'signal'>): DecodePool =>
    new DecodePool({ decoder: 'node-av', limits: {}, slotBytes: 4 * 3072, ...more })

  test.skipIf(process.platform === 'win32')(
    'a hanging request is stopped, tried again and reported; others are not lost',
    async () => {
      // A stopped process hangs as a looping codec does: it answers nothing and cannot be asked to end.
      // Long enough to be caught in the middle; not in the folder, which other tests list.
      const slow = path.join(folder.path, 'slow.hidden')
      encodeFixture(path.join(folder.path, 'slow.avi'), {
        width: 640,
        height: 480,
        frames: 400,
        gop: 400,
        encoder: 'mpeg4',
      })
      renameSync(path.join(folder.path, 'slow.avi'), slow)
      const p = pool({ workers: 1, timeoutSeconds: 0.3 })
      await p.read(request(entries[0]))
      const stop = () => {
        for (const id of p.processIds()) process.kill(id, 'SIGSTOP')
      }
      const outcomes = [{ path: slow, id: 'slow', start: 15 }, entries[2]].map((entry) => p.read(request(entry)))
      // The request is on its way: stopped now, so that a busy machine cannot let it be answered first.
      stop()
      const stopped = setInterval(stop, 1)
      const first = await outcomes[0]
      clearInterval(stopped)
      expect(first).toMatchObject({ ok: false, failure: { code: 'VIDEO_TIMEOUT' } })
      const rest = await Promise.all([outcomes[1], p.read(request(entries[3]))])
      expect(rest.map(({ ok }) => ok)).toEqual([true, true])
      expect(p.restarts).toBeGreaterThanOrEqual(2)
      await p.close()
    },
  )

  test('are not started for requests that one of them answers as they come', async () => {
    const p = pool({ workers: 3, growing: true })
    for (let i = 0; i < 20; i++) expect(await p.read(request(entries[i % entries.length]))).toMatchObject({ ok: true })
    expect(p.processIds()).toHaveLength(1)
    expect(p.size).toBe(3)
    await p.close()
  })

  test.skipIf(process.platform === 'win32')('are started while requests wait, up to all of them', async () => {
    const p = pool({ workers: 4, growing: true })
    await p.read(request(entries[0]))
    const [first] = p.processIds()
    process.kill(first, 'SIGSTOP')
    const begun = Array.from({ length: 7 }, () => p.read(request(entries[1])))
    // The stopped one holds two requests at most: the others go to those that are started meanwhile.
    let answered = 0
    for (const one of begun) one.then(() => answered++)
    await vi.waitUntil(() => answered >= 5, { timeout: 600_000, interval: 10 })
    expect(p.processIds().length).toBeGreaterThan(1)
    process.kill(first, 'SIGCONT')
    expect((await Promise.all(begun)).map(({ ok }) => ok)).toEqual(Array.from({ length: 7 }, () => true))
    expect(p.restarts).toBe(0)
    await p.close()
  })

  test('leave no files behind and end with the pool', async () => {
    const p = pool({ workers: 2 })
    await Promise.all(entries.map((entry) => p.read(request(entry))))
    const ids = p.processIds()
    await p.close()
    for (const id of ids) expect(() => process.kill(id, 0)).toThrow()
    for (const location of ['/dev/shm', tmpdir()].filter(existsSync)) {
      expect(readdirSync(location).filter((name) => name.startsWith(`videomae-${process.pid}-`))).toEqual([])
    }
    await expect(p.read(request(entries[0]))).rejects.toMatchObject({ code: 'LOADER_CLOSED' })
  })

  test('have ended when a pool is closed, also for who closes it a second time', async () => {
    const p = pool({ workers: 2 })
    await Promise.all(entries.map((entry) => p.read(request(entry))))
    const ids = p.processIds()
    const aborted = p.close(new Error('enough'))
    await p.close()
    expect(ids).toHaveLength(2)
    for (const id of ids) expect(() => process.kill(id, 0)).toThrow()
    await aborted
  })

  test('end when a signal says so, and are not started where it has said so before', async () => {
    const stop = new AbortController()
    const reason = new Error('enough')
    const p = pool({ workers: 1, signal: stop.signal })
    await p.read(request(entries[0]))
    const open = p.read(request(entries[0]))
    const ids = p.processIds()
    expect(ids).toHaveLength(1)
    stop.abort(reason)
    await expect(open).rejects.toBe(reason)
    await p.close()
    expect(() => process.kill(ids[0], 0)).toThrow()
    const late = pool({ workers: 1, signal: stop.signal })
    expect(late.processIds()).toEqual([])
    await expect(late.read(request(entries[0]))).rejects.toBe(reason)
    await late.close()
  })

  test.each([0, -1, 1.5, Number.NaN])('%d of them are refused', async (workers) => {
    const refusal = { code: 'INVALID_ARGUMENT', exit: 'usage', message: expect.stringContaining('workers') }
    expect(() => pool({ workers })).toThrow(expect.objectContaining(refusal))
    expect(() => createLoader(options({ workers }))).toThrow(expect.objectContaining(refusal))
    await expect(inspectVideos(folder.path, { workers })).rejects.toMatchObject(refusal)
  })

  test('an aborted loader ends its iteration with the reason', async () => {
    const controller = new AbortController()
    const loader = createLoader(options({ signal: controller.signal }))
    const reason = new Error('enough')
    const reading = (async () => {
      for await (const _ of loader.batches()) controller.abort(reason)
    })()
    await expect(reading).rejects.toBe(reason)
    await loader.close()
  })

  test.skipIf(!existsSync('/proc'))('hold no more than their frames in memory', async () => {
    const p = pool({ workers: 1 })
    const resident = (): number => {
      const [id] = p.processIds()
      return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))![1]) / 1024
    }
    const round = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) await Promise.all(entries.map((entry) => p.read(request(entry))))
    }
    await round(10)
    const before = resident()
    await round(40)
    expect(resident() - before).toBeLessThan(40)
    await p.close()
  })
})
