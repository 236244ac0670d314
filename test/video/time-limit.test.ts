/** A limit of time ends what computes for ever. It must not end what merely has to wait on a busy machine: real decoding processes. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ClipRequest } from '../../src/video/clip.ts'
import { groupSeconds, processSeconds } from '../../src/video/cpu-time.ts'
import { DecodePool } from '../../src/video/pool.ts'
import { isTransientFailure } from '../../src/video/video-errors.ts'
import { encodeFixture, temporaryFolder } from '../support/video-fixtures.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
const file = (name: string): string => path.join(folder.path, name)
beforeAll(async () => {
  folder = await temporaryFolder()
  encodeFixture(file('v.mp4'), { frames: 20, gop: 5 })
})
afterAll(() => folder.dispose())

const request = (): ClipRequest => ({
  entry: { path: file('v.mp4'), id: 'v' },
  sampling: { kind: 'strided', frames: 4, stride: 1 },
  crops: [{ kind: 'whole' }],
  output: { width: 32, height: 32 },
  key: [0],
})
const poolOf = (timeoutSeconds: number): DecodePool =>
  new DecodePool({ decoder: 'node-av', limits: {}, slotBytes: 4 * 3072, workers: 1, timeoutSeconds })

describe.skipIf(process.platform !== 'linux')('a decoding process', () => {
  const options = process.env.NODE_OPTIONS
  afterEach(() => {
    if (options === undefined) delete process.env.NODE_OPTIONS
    else process.env.NODE_OPTIONS = options
  })

  /** From now on, decoding processes do `then` when they have decoded, before they answer. */
  const beforeAnswer = (then: string): void => {
    writeFileSync(
      file('hook.mjs'),
      `import { isMainThread } from 'node:worker_threads'
      import { writeFileSync } from 'node:fs'
      if (isMainThread && process.argv[1].includes('decode-process')) {
        const send = process.send.bind(process)
        process.send = (message, ...rest) => {
          if (message.kind === 'done') { ${then} }
          return send(message, ...rest)
        }
      }`,
    )
    process.env.NODE_OPTIONS = `--import=${pathToFileURL(file('hook.mjs')).href}`
  }

  test('that waits longer than the limit for the processor still answers', async () => {
    const limit = 2
    const marker = file('waiting')
    beforeAnswer(
      `writeFileSync(${JSON.stringify(marker)}, ''); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${3 * limit * 1000})`,
    )
    const pool = poolOf(limit)
    expect(await pool.read(request())).toMatchObject({ ok: true })
    expect(readFileSync(marker, 'utf8')).toBe('')
    expect(pool.restarts).toBe(0)
    await pool.close()
  })

  test('that computes without end is stopped, has four times as long once more, and then is a timeout', async () => {
    beforeAnswer('for (;;);')
    const pool = poolOf(0.5)
    const outcome = await pool.read(request())
    expect(outcome).toMatchObject({ ok: false, failure: { code: 'VIDEO_TIMEOUT' } })
    const used = Number(/used ([\d.]+) s of CPU time/.exec(outcome.ok ? '' : outcome.failure.reason)?.[1])
    expect(used).toBeGreaterThanOrEqual(2)
    expect(pool.restarts).toBe(2)
    await pool.close()
  })
})

test('failures of the machine or the moment are told from those of the content', async () => {
  writeFileSync(file('text.mp4'), 'no video at all')
  const pool = poolOf(60)
  const outcome = await pool.read({ ...request(), entry: { path: file('text.mp4'), id: 't' } })
  expect(outcome.ok ? '' : outcome.failure.code).toBe('VIDEO_UNREADABLE')
  await pool.close()
  const transient = ['VIDEO_TIMEOUT', 'VIDEO_DECODER_CRASHED', 'VIDEO_DECODER_KILLED', 'VIDEO_CHANGED']
  expect(transient.map(isTransientFailure)).toEqual([true, true, true, true])
  const lasting = [
    'VIDEO_UNREADABLE',
    'VIDEO_CONTAINER_REFUSED',
    'VIDEO_NO_FRAMES',
    'VIDEO_PART_EMPTY',
    'FILE_NOT_REGULAR',
  ]
  expect(lasting.map(isTransientFailure)).toEqual([false, false, false, false, false])
})

test.skipIf(process.platform !== 'linux')('processor time is that of a process', async () => {
  const before = processSeconds(process.pid) ?? Number.NaN
  const { user, system } = process.cpuUsage()
  // With that of the decoding processes above, which have ended.
  expect(before).toBeGreaterThan((user + system) / 1e6 - 1)
  await vi.waitUntil(() => {
    for (let i = 0; i < 1e7; i++) Math.sqrt(i)
    return (processSeconds(process.pid) ?? 0) > before
  })
  expect(groupSeconds(process.pid)).toBeGreaterThanOrEqual(before)
  expect(processSeconds(2 ** 30)).toBeUndefined()
  expect(groupSeconds(2 ** 30)).toBeUndefined()
})
