import {
  appendFile,
  type FileHandle,
  mkdtemp,
  open as openFile,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FeatureStore } from './feature-store.ts'

const width = 3
let root = ''
beforeEach(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'videomae-store-'))
})
afterEach(() => rm(root, { recursive: true }))

const open = () => FeatureStore.open(root, 'key', { of: 'a test' }, width)
const view = { clip: 0, crop: 0, startSeconds: 0, firstFrame: 0, lastFrame: 15 }
const rowsOf = (n: number) => Float32Array.from({ length: width * (1 + (n % 2)) }, (_, i) => n + i / 10)
const put = (store: FeatureStore, n: number) =>
  store.append({ digest: `d${n}`, views: Array.from({ length: 1 + (n % 2) }, () => view) }, rowsOf(n))
async function expectWhole(numbers: readonly number[]): Promise<void> {
  const store = await open()
  for (const n of numbers) expect(await store.read(`d${n}`), `d${n}`).toEqual(rowsOf(n))
}
const filesOf = async (ending: string) => {
  const folder = path.join(root, 'key')
  return (await readdir(folder)).filter((name) => name.endsWith(ending)).map((name) => path.join(folder, name))
}

test('a blank cache, which would be the working folder, is refused', async () => {
  await expect(FeatureStore.open(' ', 'id', {}, 2)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('several stores of one key may be filled at once, also with the same videos', async () => {
  const [one, two] = [await open(), await open()]
  for (let n = 0; n < 6; n++) {
    await put(one, n)
    await put(two, 5 - n)
    const late = await open() // opening must not cut off what others are writing
    expect(late.has(`d${n}`)).toBe(true)
  }
  await expectWhole([0, 1, 2, 3, 4, 5])
})

test('a kill loses at most the video in progress, and what comes later is not shifted by its remains', async () => {
  await put(await open(), 0)
  const [data] = await filesOf('.f32')
  await appendFile(data, new Uint8Array(7)) // data without its line
  const [index] = await filesOf('.jsonl')
  await appendFile(index, '{"digest":"d9","views":[')
  expect((await open()).has('d9')).toBe(false)
  await put(await open(), 1)
  await expectWhole([0, 1])
})

test('data that was never indexed does not shift what is', async () => {
  await open()
  await writeFile(path.join(root, 'key', '1-of-1.f32'), new Uint8Array(4096)) // a disk was full
  await put(await open(), 0)
  await expectWhole([0])
})

test('after a write that failed the same store continues in other files', async () => {
  const store = await open()
  await put(store, 0)
  const broken = { ...view, firstFrame: 1n as unknown as number } // no JSON: fails between data and line
  const failing = { digest: 'd1', views: [view, broken] }
  await expect(store.append(failing, rowsOf(1))).rejects.toThrow(/BigInt/)
  expect(store.has('d1')).toBe(false)
  await put(store, 2)
  await put(store, 3)
  await expectWhole([0, 2, 3])
})

test('rows are read to their end where one call does not give them all', async () => {
  await put(await open(), 1)
  // As the system does from 2 GiB on: a call gives at most so much.
  const handle = await openFile(path.join(root, 'key', 'key.json'))
  const calls = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const read = calls.read as (...args: unknown[]) => Promise<{ bytesRead: number; buffer: Uint8Array }>
  const short = vi.spyOn(calls, 'read').mockImplementation(function (this: FileHandle, ...args: unknown[]) {
    const [target, offset, length, position] = args as [Uint8Array, number, number, number]
    return read.call(this, target, offset, Math.min(length, 5), position)
  })
  try {
    await expectWhole([1])
    // The index is read the same way.
    expect(short.mock.calls.length).toBeGreaterThan(Math.ceil(rowsOf(1).byteLength / 5))
  } finally {
    short.mockRestore()
  }
})

test('lines whose data is gone or does not follow are not believed', async () => {
  const store = await open()
  for (const n of [0, 2, 4]) await put(store, n)
  const [data] = await filesOf('.f32')
  await truncate(data, 2 * width * 4)
  const cut = await open()
  expect([0, 2, 4].map((n) => cut.has(`d${n}`))).toEqual([true, true, false])
  const line = (n: number, offset: number) =>
    `${JSON.stringify({ digest: `d${n}`, views: [view], offset, checksum: 0 })}\n`
  await writeFile(path.join(root, 'key', 'mixed.jsonl'), line(6, 0) + line(8, 0)) // two writers of one file
  await writeFile(path.join(root, 'key', 'mixed.f32'), new Uint8Array(2 * width * 4))
  const mixed = await open()
  expect([mixed.has('d6'), mixed.has('d8')]).toEqual([true, false])
})

test('a byte that has changed since is noticed', async () => {
  await put(await open(), 1)
  const [data] = await filesOf('.f32')
  const bytes = await readFile(data)
  bytes[7] ^= 0x40
  await writeFile(data, bytes)
  const store = await open()
  await expect(store.read('d1')).rejects.toMatchObject({ code: 'FEATURES_DAMAGED', exit: 'data' })
})

test('rows under the digest, the views or the key of others are noticed', async () => {
  const store = await open()
  for (const n of [0, 2]) await put(store, n)
  const [index] = await filesOf('.jsonl')
  const written = await readFile(index, 'utf8')
  const damaged = { code: 'FEATURES_DAMAGED', exit: 'data' }
  await writeFile(index, written.replace('d0', 'dx').replace('d2', 'd0').replace('dx', 'd2'))
  for (const digest of ['d0', 'd2']) await expect((await open()).read(digest)).rejects.toMatchObject(damaged)
  await writeFile(index, written.replace('"lastFrame":15', '"lastFrame":16'))
  await expect((await open()).read('d0')).rejects.toMatchObject(damaged)
  await writeFile(index, written)
  await expectWhole([0, 2])
  await rename(path.join(root, 'key'), path.join(root, 'other-key'))
  const moved = await FeatureStore.open(root, 'other-key', { of: 'a test' }, width)
  await expect(moved.read('d0')).rejects.toMatchObject(damaged)
})

test.each([
  ['no JSON', '{"digest":'],
  ['another JSON', '[]'],
  ['no checksum, as older versions wrote it', JSON.stringify({ digest: 'd0', views: [view], offset: 0 })],
  ['an unknown key', JSON.stringify({ digest: 'd0', views: [view], offset: 0, checksum: 0, scale: 2 })],
  [
    'an unknown key of a view',
    JSON.stringify({ digest: 'd0', views: [{ ...view, flip: true }], offset: 0, checksum: 0 }),
  ],
  ['views that are none', JSON.stringify({ digest: 'd0', views: 3, offset: 0, checksum: 1 })],
  ['an offset before the file', JSON.stringify({ digest: 'd0', views: [view], offset: -12, checksum: 1 })],
  ['rows beyond the file', JSON.stringify({ digest: 'd0', views: Array(1000).fill(view), offset: 0, checksum: 1 })],
  [
    'a frame that is no number',
    JSON.stringify({ digest: 'd0', views: [{ ...view, firstFrame: 'x' }], offset: 0, checksum: 1 }),
  ],
])('an index line is not believed: %s', async (_what, line) => {
  await open()
  await writeFile(path.join(root, 'key', 'foreign.f32'), new Uint8Array(width * 4))
  await writeFile(path.join(root, 'key', 'foreign.jsonl'), `${line}\n`)
  expect((await open()).has('d0')).toBe(false)
})
