/** What is in the place of a file but is not one must not keep a program waiting. A test that hangs here is the fault that is looked for. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, openSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { digestFile, fileDigest } from './file-digest.ts'
import { startOf } from './own-results.ts'
import {
  openRegularFile,
  openRegularFileSync,
  readRegularFile,
  readRegularFileSync,
  readRegularText,
} from './regular-file.ts'

let folder = ''
const file = (name: string): string => path.join(folder, name)
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'videomae-regular-'))
  writeFileSync(file('text'), 'content')
})
afterAll(() => rm(folder, { recursive: true }))

const readers = {
  openRegularFile,
  openRegularFileSync: async (name: string) => openRegularFileSync(name),
  readRegularFile,
  readRegularFileSync: async (name: string) => readRegularFileSync(name),
  readRegularText,
  fileDigest,
  startOf,
}

describe.skipIf(process.platform === 'win32')('no regular file', () => {
  const pipe = (name: string): string => {
    spawnSync('mkfifo', [file(name)])
    return file(name)
  }

  test.each(Object.entries(readers))('is refused by %s, at once', async (_, read) => {
    const name = `pipe-${_}`
    const refused = { code: 'FILE_NOT_REGULAR', exit: 'data' }
    await expect(read(pipe(name))).rejects.toMatchObject({ ...refused, message: expect.stringContaining('a pipe') })
    // With somebody at its other end who writes nothing.
    openSync(file(name), 'r+')
    await expect(read(file(name))).rejects.toMatchObject(refused)
    symlinkSync(file(name), file(`link-${_}`))
    await expect(read(file(`link-${_}`))).rejects.toMatchObject(refused)
    await expect(read('/dev/zero')).rejects.toMatchObject({ ...refused, message: expect.stringContaining('a device') })
    await expect(read(folder)).rejects.toMatchObject({ ...refused, message: expect.stringContaining('a folder') })
  })

  test('is a socket, either', async () => {
    const server = net.createServer().listen(file('socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    await expect(fileDigest(file('socket'))).rejects.toMatchObject({ code: 'FILE_NOT_REGULAR' })
    server.close()
  })
})

test('a missing file is told as the system tells it', async () => {
  for (const read of Object.values(readers)) await expect(read(file('none'))).rejects.toMatchObject({ code: 'ENOENT' })
})

test('the whole content is read, also where a file does not say how much there is', async () => {
  writeFileSync(file('large'), Buffer.alloc(3_000_001, 'abc'))
  expect((await readRegularFile(file('large'))).equals(Buffer.alloc(3_000_001, 'abc'))).toBe(true)
  expect(readRegularFileSync(file('large')).equals(Buffer.alloc(3_000_001, 'abc'))).toBe(true)
  expect(await fileDigest(file('large'))).toBe(
    createHash('sha256').update(Buffer.alloc(3_000_001, 'abc')).digest('hex'),
  )
  if (existsSync('/proc/self/status')) expect(await readRegularText('/proc/self/status')).toMatch(/^Name:/)
})

test('a file that is larger than it may be is refused, before anything of it is kept', async () => {
  const limits = { maxBytes: 6 }
  await expect(readRegularFile(file('text'), limits)).rejects.toMatchObject({ code: 'FILE_TOO_LARGE', exit: 'data' })
  expect(() => readRegularFileSync(file('text'), 6)).toThrow('at most 6 bytes')
  writeFileSync(file('sparse'), '')
  truncateSync(file('sparse'), 2 ** 42)
  await expect(fileDigest(file('sparse'))).rejects.toMatchObject({ code: 'FILE_TOO_LARGE' })
  await expect(readRegularText(file('sparse'))).rejects.toMatchObject({ code: 'FILE_TOO_LARGE' })
})

test('digesting ends when it is aborted', async () => {
  writeFileSync(file('long'), '')
  truncateSync(file('long'), 2 ** 39) // half a TiB: hours
  const stop = new AbortController()
  const digest = fileDigest(file('long'), { signal: stop.signal })
  setTimeout(() => stop.abort(new Error('enough')), 50)
  await expect(digest).rejects.toThrow('enough')
  await expect(fileDigest(file('text'), { signal: stop.signal })).rejects.toThrow('enough')
})

test('the state of a file changes with its content, and only then is it another', async () => {
  const { digest, state } = await digestFile(file('text'))
  expect(await digestFile(file('text'))).toEqual({ digest, state })
  writeFileSync(file('text'), 'CONTENT')
  expect((await digestFile(file('text'))).state).not.toBe(state)
})
