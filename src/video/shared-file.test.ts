/** A small file system, such as the /dev/shm of a container, is not at hand: writes into the folder that stands for it are counted, and refused. */
import { fstatSync, mkdtempSync, readdirSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SharedFile } from './shared-file.ts'

const disk = vi.hoisted(() => ({
  /** Bytes that each folder can take. */
  room: new Map<string, number>(),
  folderOf: new Map<number, string>(),
  /** What the folder of a file holds when something is written to it: what a kill at that moment would leave. */
  seen: [] as string[],
}))

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  return {
    ...fs,
    openSync: (file: string, ...rest: [string, number]) => {
      const descriptor = fs.openSync(file, ...rest)
      disk.folderOf.set(descriptor, path.dirname(file))
      return descriptor
    },
    statfsSync: (folder: string) => ({ bavail: disk.room.get(folder), bsize: 1 }),
    writeSync: (descriptor: number, bytes: Uint8Array, from: number, length: number, at: number) => {
      const folder = disk.folderOf.get(descriptor)!
      const left = disk.room.get(folder)! - length
      if (left < 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
      disk.room.set(folder, left)
      disk.seen.push(...fs.readdirSync(folder))
      return fs.writeSync(descriptor, bytes, from, length, at)
    },
  }
})

const megabyte = 1e6
let folders: string[]
let files: SharedFile[]
beforeEach(() => {
  folders = ['memory', 'temporary'].map((name) => mkdtempSync(path.join(tmpdir(), `videomae-${name}-`)))
  files = []
  disk.seen = []
})
afterEach(() => {
  for (const file of files) file.close()
  for (const folder of folders) rmSync(folder, { recursive: true })
})
const give = (...room: number[]) => {
  for (const [i, bytes] of room.entries()) disk.room.set(folders[i], bytes)
}
const make = (bytes: number) => {
  files.push(new SharedFile(bytes, folders))
  return disk.folderOf.get(files.at(-1)!.descriptor)
}

test('what one file was promised, the next is not', () => {
  give(10 * megabyte, 100 * megabyte)
  const made = Array.from({ length: 6 }, () => make(4.5 * megabyte))
  expect(made).toEqual([folders[0], ...Array.from({ length: 5 }, () => folders[1])])
  for (const { descriptor } of files) {
    expect(fstatSync(descriptor).size).toBe(4.5 * megabyte)
    // Nothing that a file system could compress, and so no holes.
    const bytes = new Uint8Array(4.5 * megabyte)
    expect(readSync(descriptor, bytes, 0, bytes.length, 0)).toBe(bytes.length)
    expect(deflateRawSync(bytes, { level: 1 }).length).toBeGreaterThan(0.99 * bytes.length)
  }
})

test.skipIf(process.platform === 'win32')('a kill while its room is taken leaves no file', () => {
  give(10 * megabyte, 100 * megabyte)
  for (let i = 0; i < 2; i++) make(4.5 * megabyte)
  expect(disk.seen).toEqual([])
})

test('room that is gone when it is taken is looked for elsewhere, and nothing is left behind', () => {
  give(10 * megabyte, 100 * megabyte)
  vi.spyOn(disk.room, 'get')
    .mockReturnValueOnce(10 * megabyte)
    .mockReturnValueOnce(0) // another process was quicker
  expect(make(4 * megabyte)).toBe(folders[1])
  expect(folders.flatMap((folder) => readdirSync(folder))).toEqual([])
})

test('no room anywhere is a fault of the machine', () => {
  give(10 * megabyte, 3 * megabyte)
  make(4 * megabyte)
  expect(() => make(4 * megabyte)).toThrow(
    expect.objectContaining({
      code: 'DECODER_RESOURCES',
      exit: 'environment',
      message: expect.stringMatching(/Expected 4 MB for decoded clips in .*temporary.*ENOSPC/),
      hint: expect.stringContaining('--shm-size'),
    }),
  )
  expect(folders.flatMap((folder) => readdirSync(folder))).toEqual([])
})
