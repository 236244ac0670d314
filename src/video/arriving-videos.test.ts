import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { arrivingVideos } from './arriving-videos.ts'

// What the system says of a file in a folder that shows names only. Whoever has all rights would not see it.
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  const stat = (...[file, ...rest]: Parameters<typeof fs.statSync>) => {
    if (String(file).endsWith('locked.mp4'))
      throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
    return fs.statSync(file, ...rest)
  }
  return { ...fs, statSync: stat as typeof fs.statSync }
})

const folder = folderForTests('videomae-arriving-')
const inFolder = (name: string) => path.join(folder, name)

test('videos come when they have stopped to grow, once, and again when they change', async () => {
  writeFileSync(inFolder('a.mp4'), 'a')
  writeFileSync(inFolder('notes.txt'), 'no video')
  const ending = new AbortController()
  const arriving = arrivingVideos([folder], { everySeconds: 0.02, signal: ending.signal })
  const next = async () => (await arriving.next()).value
  expect(await next()).toEqual([inFolder('a.mp4')])
  mkdirSync(inFolder('later'))
  writeFileSync(inFolder('later/b.mp4'), '')
  let size = 0
  // Longer and longer at each look, so it is not whole before this ends.
  const growing = setInterval(() => appendFileSync(inFolder('later/b.mp4'), String(size++)), 1)
  writeFileSync(inFolder('c.mp4'), 'c')
  expect(await next()).toEqual([inFolder('c.mp4')])
  clearInterval(growing)
  expect(await next()).toEqual([inFolder('later/b.mp4')])
  rmSync(inFolder('c.mp4'))
  writeFileSync(inFolder('a.mp4'), 'another')
  expect(await next()).toEqual([inFolder('a.mp4')])
  ending.abort()
  expect(await next()).toBeUndefined()
})

test.each(['notes.txt', 'nowhere'])('%s, which is no folder, is refused at once', (name) => {
  const { signal } = new AbortController()
  expect(() => arrivingVideos([inFolder(name)], { signal })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) }),
  )
})

test('many come in portions, and one that changed while earlier ones were worked on comes later', async () => {
  const inbox = inFolder('many')
  mkdirSync(inbox)
  const files = Array.from({ length: 20 }, (_, i) => path.join(inbox, `${String(i).padStart(2, '0')}.mp4`))
  for (const file of files) writeFileSync(file, 'a')
  const ending = new AbortController()
  const arriving = arrivingVideos([inbox], { everySeconds: 0.01, signal: ending.signal })
  const next = async () => (await arriving.next()).value
  expect(await next()).toEqual(files.slice(0, 16))
  rmSync(files[17])
  appendFileSync(files[18], 'b')
  expect(await next()).toEqual([files[16], files[19]])
  expect(await next()).toEqual([files[18]])
  ending.abort()
  await arriving.return()
})

test('what cannot be used is named once, and ends nothing: a broken link, a file without rights, a folder that is gone', async () => {
  const inbox = inFolder('faults')
  mkdirSync(inbox)
  symlinkSync('nowhere', path.join(inbox, 'broken.mp4'))
  for (const name of ['a.mp4', 'locked.mp4']) writeFileSync(path.join(inbox, name), 'a')
  const unusable: string[] = []
  const ending = new AbortController()
  const arriving = arrivingVideos([inbox], {
    everySeconds: 0.01,
    signal: ending.signal,
    onUnusable: (reason) => unusable.push(reason),
  })
  const next = async () => (await arriving.next()).value
  expect(await next()).toEqual(['a.mp4', 'locked.mp4'].map((name) => path.join(inbox, name)))
  expect(unusable).toEqual([expect.stringMatching(/broken\.mp4 is a link .*\[VIDEO_LINK_BROKEN\]$/)])
  renameSync(inbox, inFolder('gone'))
  const waiting = next()
  await vi.waitFor(() =>
    expect(unusable.slice(1)).toEqual([
      `in ${inbox}: the source itself cannot be opened (ENOENT) [VIDEO_FOLDER_UNREADABLE]`,
    ]),
  )
  renameSync(inFolder('gone'), inbox)
  writeFileSync(path.join(inbox, 'b.mp4'), 'b')
  expect(await waiting).toEqual([path.join(inbox, 'b.mp4')])
  ending.abort()
  await arriving.return()
})
