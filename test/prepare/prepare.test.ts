/** Prepared videos: what they hold against generated videos whose frame n shows n, and that any interruption loses and repeats nothing. */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import { fileDigest } from '../../src/format/file-digest.ts'
import { type PrepareOptions, prepareVideos } from '../../src/prepare/prepare.ts'
import { lockRun } from '../../src/train/run-lock.ts'
import { createDecoder } from '../../src/video/decoder.ts'
import { stampsOf } from '../../src/video/node-av/encoder.ts'
import { openInput } from '../../src/video/node-av/input.ts'
import { PacketSource } from '../../src/video/node-av/packets.ts'
import { readVideos } from '../../src/video/source.ts'
import { VideoFile } from '../../src/video/video-file.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { encodeFixture, readFrameNumber } from '../support/video-fixtures.ts'

const times = Array.from({ length: 40 }, (_, i) => i * 40 + (i % 3) * 7)
const folder = folderForTests('videomae-prepare-test-')
const source = path.join(folder, 'source')
const list = path.join(source, 'list.csv')
/** Without the rows that cannot be used: where all is done, no process is started. */
const good = path.join(source, 'good.csv')
const out = path.join(folder, 'out')
const small: PrepareOptions = { settings: { size: 64, group: 5 }, jobs: 1 }

beforeAll(() => {
  for (const name of ['walk', 'run']) mkdirSync(path.join(source, name), { recursive: true })
  encodeFixture(path.join(source, 'walk/a.mp4'), { times })
  encodeFixture(path.join(source, 'walk/a.mkv'), { frames: 12 })
  encodeFixture(path.join(source, 'run/turned.mp4'), { frames: 12, matrix: [0, 1, -1, 0] })
  writeFileSync(path.join(source, 'run/broken.mp4'), 'not a video')
  const rows = [
    'path,label,group,split,camera',
    'walk/a.mp4,walk,p1,train,1',
    'walk/a.mkv,walk,p1,train,2',
    'run/turned.mp4,"run, fast",p2,test,1',
    'run/broken.mp4,run,p3,train,1',
    'run/absent.mp4,run,p3,train,1',
  ]
  writeFileSync(list, rows.join('\n'))
  writeFileSync(good, rows.slice(0, 4).join('\n'))
})

const prepared = (name: string): string => path.join(out, 'videos', name)

/** What each frame shows, and when. */
async function shown(file: string) {
  const video = await (await createDecoder()).open(file)
  try {
    const index = await video.frameTimes()
    const { width, height } = video.info
    const frames = Array.from(index.times, (_, i) => i)
    const clip = new Uint8Array(frames.length * width * height * 3)
    const crop = { x: 0, y: 0, width, height }
    await video.decode(frames, [{ crop, scale: { width, height }, flip: false }], { width, height }, clip)
    const bytes = width * height * 3
    const numbers = frames.map((i) => readFrameNumber(clip.subarray(i * bytes, (i + 1) * bytes), width, height))
    return { width, height, numbers, milliseconds: Array.from(index.times, (second) => Math.round(second * 1000)) }
  } finally {
    video.close()
  }
}

function packetsOf(file: string) {
  const opened = new VideoFile(file)
  const packets = new PacketSource(opened, openInput(opened, 2 ** 26), 2 ** 26)
  const { pts, key } = packets.table
  packets.free()
  opened.close()
  return { pts: [...pts], key: [...key] }
}

test('a list is prepared: frames, times, labels, splits, groups and originals stay; what cannot be used is named', async () => {
  const summary = await prepareVideos(list, out, small)
  expect(summary).toMatchObject({ files: 5, encoded: 3, before: 0, listed: 3, missing: 0 })
  expect(summary.leftOut.map(({ id, code }) => [id, code])).toEqual([
    ['run/broken.mp4', 'VIDEO_UNREADABLE'],
    ['run/absent.mp4', 'VIDEO_NOT_FOUND'],
  ])
  expect(readFileSync(path.join(out, 'left-out.csv'), 'utf8')).toMatch(
    /^id,code,reason\nrun\/broken\.mp4,VIDEO_UNREADABLE,/,
  )
  const { entries } = readVideos(path.join(out, 'videos.csv'))
  const originals = readVideos(list).entries.slice(0, 3)
  for (const [i, { line: _, path: __, ...said }] of originals.entries()) {
    const original = await fileDigest(originals[i].path)
    expect(entries[i]).toMatchObject({ ...said, original })
  }
  // The folder is read through its list.
  expect(readVideos(out).entries).toEqual(entries)
  const a = await shown(prepared('walk/a.mp4'))
  expect(a).toMatchObject({ numbers: times.map((_, i) => i), milliseconds: times, width: 86, height: 64 })
  expect(await shown(prepared('walk/a.mkv.mp4'))).toMatchObject({ numbers: Array.from({ length: 12 }, (_, i) => i) })
  expect(await shown(prepared('run/turned.mp4'))).toMatchObject({ width: 64, height: 86 })
  // Closed groups of five, and decoding order is display order: no B-frames.
  const { pts, key } = packetsOf(prepared('walk/a.mp4'))
  expect(pts).toEqual(pts.toSorted((x, y) => x - y))
  expect(key).toEqual(times.map((_, i) => (i % 5 === 0 ? 1 : 0)))
})

test('the same call continues: only what is not done, not whole or made of another content is prepared again', async () => {
  expect(await prepareVideos(good, out, small)).toMatchObject({ encoded: 0, before: 3 })
  const records = path.join(out, 'records/1-of-1/done.jsonl')
  // A kill: one file is in place and its record cut off, another half written under its temporary name.
  const lines = readFileSync(records, 'utf8').split('\n')
  writeFileSync(records, lines.filter((line) => !line.includes('videos/walk/a.mp4')).join('\n'))
  appendFileSync(records, lines.find((line) => line.includes('videos/walk/a.mp4'))!.slice(0, 40))
  const half = prepared('walk/.a.mkv.mp4.new-999999-0123456789ab')
  writeFileSync(half, 'half')
  expect(await prepareVideos(good, out, small)).toMatchObject({ encoded: 1, before: 2, listed: 3 })
  expect(existsSync(half)).toBe(false)
  expect((await shown(prepared('walk/a.mp4'))).milliseconds).toEqual(times)
  // A disk that has changed a digit of a digest: the record is not believed.
  const list = readFileSync(path.join(out, 'videos.csv'), 'utf8')
  const digest = /"original":\{[^}]*"sha256":"([0-9a-f]{64})"/.exec(readFileSync(records, 'utf8'))![1]
  const changed = digest.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
  writeFileSync(records, readFileSync(records, 'utf8').replaceAll(digest, changed))
  expect(await prepareVideos(good, out, small)).toMatchObject({ encoded: 1, before: 2 })
  expect(readFileSync(path.join(out, 'videos.csv'), 'utf8')).toBe(list)
  truncateSync(prepared('walk/a.mkv.mp4'), 100)
  unlinkSync(prepared('walk/a.mp4'))
  encodeFixture(path.join(source, 'run/turned.mp4'), { frames: 15 })
  expect(await prepareVideos(good, out, small)).toMatchObject({ encoded: 3, before: 0, listed: 3 })
  expect((await shown(prepared('run/turned.mp4'))).numbers).toHaveLength(15)
})

test('settings, other files and a source around the folder are not mixed up', async () => {
  await expect(prepareVideos(good, out, { ...small, settings: { size: 32, group: 5 } })).rejects.toMatchObject({
    code: 'PREPARE_SETTINGS',
    message: expect.stringContaining('--size 64'),
  })
  const before = readdirSync(source).sort()
  await expect(prepareVideos(good, source, small)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
  await expect(prepareVideos(source, path.join(source, 'prepared'), small)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  })
  expect(readdirSync(source).sort()).toEqual(before)
  const lock = await lockRun(path.join(out, 'records/1-of-1'))
  await expect(prepareVideos(good, out, small)).rejects.toMatchObject({ code: 'RUN_LOCKED' })
  await lock.release()
})

test.skipIf(process.platform === 'win32')('a pipe in the place of records is refused, and not waited for', async () => {
  const share = path.join(out, 'records/2-of-2')
  mkdirSync(share)
  execFileSync('mkfifo', [path.join(share, 'done.jsonl')])
  try {
    await expect(prepareVideos(good, out, small)).rejects.toMatchObject({ code: 'FILE_NOT_REGULAR' })
  } finally {
    rmSync(share, { recursive: true })
  }
})

test('shares together prepare everything; a constant rate repeats and drops frames by time', async () => {
  const shared = path.join(folder, 'shared')
  const options: PrepareOptions = { settings: { size: 64, fps: 50 }, jobs: 1 }
  const first = await prepareVideos(good, shared, { ...options, share: { index: 0, count: 2 } })
  expect(first).toMatchObject({ files: 2, encoded: 2, missing: 1 })
  expect(await prepareVideos(good, shared, { ...options, share: { index: 1, count: 2 } })).toMatchObject({ encoded: 1 })
  expect(await prepareVideos(good, shared, options)).toMatchObject({ encoded: 0, listed: 3, missing: 0 })
  const { numbers, milliseconds } = await shown(path.join(shared, 'videos/walk/a.mkv.mp4'))
  expect(numbers).toEqual(Array.from({ length: 24 }, (_, i) => i >> 1))
  expect(milliseconds).toEqual(numbers.map((_, i) => 20 * i))
  // What one call prepares again counts, also where a share has a record of the file as it was.
  const changed = path.join(source, 'run/turned.mp4')
  encodeFixture(changed, { frames: 9 })
  // The share that did not prepare it does not list it with the digest of what it was.
  const other = await prepareVideos(good, shared, { ...options, share: { index: 1, count: 2 } })
  expect(other).toMatchObject({ encoded: 0, listed: 2, missing: 1 })
  expect(readVideos(path.join(shared, 'videos.csv')).entries.map(({ path }) => path)).not.toContain(
    path.join(shared, 'videos/run/turned.mp4'),
  )
  expect(await prepareVideos(good, shared, options)).toMatchObject({ encoded: 1 })
  const { entries } = readVideos(path.join(shared, 'videos.csv'))
  expect(entries.map(({ original }) => original)).toContain(await fileDigest(changed))
  expect(await prepareVideos(good, shared, options)).toMatchObject({ encoded: 0, before: 3 })
})

test('parts stay parts of one file; what is stopped leaves no half file and continues', async () => {
  const parts = path.join(source, 'parts.csv')
  writeFileSync(parts, 'path,start,end,label\nwalk/a.mp4,0,0.5,early\nwalk/a.mp4,0.5,,late\nwalk/a.mkv,,,walk\n')
  const target = path.join(folder, 'stopped')
  const stop = new AbortController()
  await expect(
    prepareVideos(parts, target, { ...small, signal: stop.signal, onProgress: () => stop.abort(new Error('stopped')) }),
  ).rejects.toThrow('stopped')
  const names = readdirSync(path.join(target, 'videos'), { recursive: true, encoding: 'utf8' })
  const files = names.filter((name) => statSync(path.join(target, 'videos', name)).isFile())
  // The second may be done before the first is told.
  expect(['walk/a.mp4', 'walk/a.mkv.mp4']).toEqual(expect.arrayContaining(files))
  expect(files.length).toBeGreaterThan(0)
  expect(existsSync(path.join(target, 'videos.csv'))).toBe(false)
  expect(() => readVideos(target)).toThrow(expect.objectContaining({ code: 'PREPARED_FOLDER' }))
  expect(await prepareVideos(parts, target, small)).toMatchObject({
    encoded: 2 - files.length,
    before: files.length,
    listed: 3,
  })
  const { entries } = readVideos(path.join(target, 'videos.csv'))
  expect(entries.map(({ start, end, label }) => [start, end, label])).toEqual([
    [0, 0.5, 'early'],
    [0.5, undefined, 'late'],
    [undefined, undefined, 'walk'],
  ])
  expect(() => readVideos(target, { fixedForm: true })).toThrow(expect.objectContaining({ code: 'PREPARED_FOLDER' }))
})

test('a video whose times are days apart is left out, and ends nothing', async () => {
  const location = path.join(folder, 'gaps')
  mkdirSync(location)
  encodeFixture(path.join(location, 'gap.mkv'), { times: [0, 40, 300_000_000] })
  encodeFixture(path.join(location, 'good.mp4'), { frames: 3 })
  for (const fps of [null, 25]) {
    const summary = await prepareVideos(location, path.join(folder, `gaps-${fps}`), {
      settings: { size: 64, fps },
      jobs: 1,
    })
    expect(summary).toMatchObject({ encoded: 1, listed: 1, leftOut: [{ id: 'gap.mkv', code: 'VIDEO_UNREADABLE' }] })
  }
  for (const fps of [1e-4, 1e7]) {
    await expect(prepareVideos(location, path.join(folder, 'rates'), { settings: { fps } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  }
})

test('time stamps too fine for a long picture become coarser', () => {
  const nanoseconds = { num: 1, den: 1_000_000_000 }
  expect(stampsOf([0, 1, 2], undefined, nanoseconds)).toEqual({ unit: nanoseconds, values: [0, 1e9, 2e9] })
  expect(stampsOf([0, 3], undefined, nanoseconds)).toEqual({ unit: { num: 1, den: 90_000 }, values: [0, 270_000] })
  expect(stampsOf([0, 30_000], undefined, nanoseconds)).toBeNull()
})

test('the bytes of a prepared file are the same whatever memory held before', async () => {
  const location = path.join(folder, 'memory')
  mkdirSync(location)
  encodeFixture(path.join(location, 'a.mp4'), { width: 176, height: 144, frames: 10 })
  const digestIn = async (name: string): Promise<string> => {
    await prepareVideos(location, path.join(folder, name), { jobs: 1 })
    return fileDigest(path.join(folder, name, 'videos/a.mp4'))
  }
  const plain = await digestIn('memory-plain')
  // The C library of Linux fills what it hands out, with 0xfe, in the processes that start from here on.
  vi.stubEnv('MALLOC_PERTURB_', '1')
  vi.stubEnv('MALLOC_MMAP_THRESHOLD_', '1000000000')
  try {
    expect(await digestIn('memory-filled')).toBe(plain)
  } finally {
    vi.unstubAllEnvs()
  }
})
