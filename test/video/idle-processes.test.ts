/** Decoding processes that several pools use one after the other. */
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'
import type { ClipRequest } from '../../src/video/clip.ts'
import { IdleProcesses } from '../../src/video/idle-processes.ts'
import { DecodePool, type DecodePoolOptions } from '../../src/video/pool.ts'
import { encodeFixture, readFrameNumber, temporaryFolder } from '../support/video-fixtures.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let file: string
beforeAll(async () => {
  folder = await temporaryFolder()
  file = `${folder.path}/v.mp4`
  encodeFixture(file, { frames: 20 })
})
afterAll(() => folder.dispose())

const request = (frames: number, side = 32): ClipRequest => ({
  entry: { path: file, id: 'v' },
  sampling: { kind: 'window', frames, stride: 1, start: 3 },
  crops: [{ kind: 'whole' }],
  output: { width: side, height: side },
  key: [0],
})

/** Reads a clip of frames 3, 4, ... and gives the processes that were up, and the number that the last frame shows. */
async function readOnce(
  processes: IdleProcesses | undefined,
  options: Partial<DecodePoolOptions> = {},
  frames = 1,
  side = 32,
) {
  const slotBytes = frames * side * side * 3
  const pool = new DecodePool({ decoder: 'node-av', limits: {}, workers: 1, processes, slotBytes, ...options })
  try {
    const outcome = await pool.read(request(frames, side))
    if (!outcome.ok) throw new Error(outcome.failure.reason)
    return { pids: pool.processIds(), shown: readFrameNumber(outcome.clips.subarray(-side * side * 3), side, side) }
  } finally {
    await pool.close()
  }
}

const runs = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('the next pool takes over the process, also for larger clips; without them each has its own', async () => {
  const processes = new IdleProcesses()
  try {
    const first = await readOnce(processes)
    expect(first).toMatchObject({ pids: [expect.any(Number)], shown: 3 })
    expect(await readOnce(processes, {}, 5, 64)).toEqual({ pids: first.pids, shown: 7 })
    expect(await readOnce(processes)).toEqual(first)
    const [alone] = (await readOnce(undefined)).pids
    expect(first.pids).not.toContain(alone)
    expect(runs(alone)).toBe(false)
    await processes.close()
    expect(first.pids.filter(runs)).toEqual([])
    // Whoever comes later finds none, and leaves none.
    const late = await readOnce(processes)
    expect(late.shown).toBe(3)
    expect(late.pids.filter(runs)).toEqual([])
  } finally {
    await processes.close()
  }
})

test('a process with other limits, or one that has ended, is not taken', async () => {
  const processes = new IdleProcesses()
  try {
    const first = await readOnce(processes)
    const other = await readOnce(processes, { timeoutSeconds: 7 })
    expect(other.pids).not.toEqual(first.pids)
    for (const pid of [...first.pids, ...other.pids]) process.kill(pid, 'SIGKILL')
    const next = await readOnce(processes)
    expect(next.shown).toBe(3)
    expect([...first.pids, ...other.pids]).not.toContain(next.pids[0])
  } finally {
    await processes.close()
  }
})

test('processes of other settings make room for those of the last pool', async () => {
  const processes = new IdleProcesses()
  const old: Awaited<ReturnType<typeof readOnce>>[] = []
  try {
    for (const timeoutSeconds of [5, 6]) old.push(await readOnce(processes, { timeoutSeconds }))
    const first = await readOnce(processes)
    expect(await readOnce(processes)).toEqual(first)
    expect((await readOnce(processes, { timeoutSeconds: 6 })).pids, 'the one that waited longest went').toEqual(
      old[1].pids,
    )
  } finally {
    await processes.close()
  }
  for (const pid of old.flatMap(({ pids }) => pids)) expect(runs(pid)).toBe(false)
})

test('a video is not blamed for processes that were killed while they waited', async () => {
  const processes = new IdleProcesses()
  const options: DecodePoolOptions = { decoder: 'node-av', limits: {}, workers: 2, processes, slotBytes: 3072 }
  const first = new DecodePool(options)
  await Promise.all([first.read(request(1)), first.read(request(1))])
  while (first.processIds().length < 2) await new Promise((resolve) => setTimeout(resolve, 20))
  const [holder, other] = first.processIds()
  await first.close()
  for (const pid of [holder, other]) process.kill(pid, 'SIGSTOP') // so that neither answers
  const pool = new DecodePool(options)
  try {
    expect(pool.processIds()).toEqual([holder, other])
    const outcome = pool.read(request(1))
    process.kill(holder, 'SIGKILL')
    while (pool.restarts < 1) await new Promise((resolve) => setTimeout(resolve, 5))
    process.kill(other, 'SIGKILL') // it has the request now
    expect(await outcome).toMatchObject({ ok: true })
  } finally {
    await pool.close()
    await processes.close()
  }
})

test('a pool that is closed in the middle of its work leaves no process', async () => {
  const processes = new IdleProcesses()
  const pool = new DecodePool({ decoder: 'node-av', limits: {}, workers: 1, processes, slotBytes: 3072 })
  await pool.read(request(1))
  const [pid] = pool.processIds()
  const open = Array.from({ length: 4 }, () => pool.read(request(1)))
  const refused = Promise.allSettled(open)
  await pool.close()
  expect((await refused).map(({ status }) => status)).toContain('rejected')
  expect(runs(pid)).toBe(false)
  expect((await readOnce(processes)).shown).toBe(3)
  await processes.close()
})

test('a program that forgets them ends all the same, and they end with it', async () => {
  const entry = (name: string): string =>
    compiledEntry(new URL(`../../src/video/${name}.ts`, import.meta.url).href, `./${name}`).href
  const program = `
    import { IdleProcesses } from ${JSON.stringify(entry('idle-processes'))}
    import { DecodePool } from ${JSON.stringify(entry('pool'))}
    const processes = new IdleProcesses()
    const pool = new DecodePool({ decoder: 'node-av', limits: {}, workers: 1, processes, slotBytes: 3072 })
    const outcome = await pool.read(${JSON.stringify(request(1))})
    console.log(outcome.ok, pool.processIds()[0])
    await pool.close()`
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  expect(status).toBe(0)
  expect(stdout).toMatch(/^true \d+\n$/)
  const pid = Number(stdout.split(' ')[1])
  // One that stays ends the test at its limit, however slow the machine is.
  while (runs(pid)) await new Promise((resolve) => setTimeout(resolve, 50))
})
