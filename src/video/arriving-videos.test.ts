import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { arrivingVideos } from './arriving-videos.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-arriving-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const place = (name: string) => path.join(folder, name)

it('videos come when they have stopped to grow, once, and again when they change', async () => {
  writeFileSync(place('a.mp4'), 'a')
  writeFileSync(place('notes.txt'), 'no video')
  const ending = new AbortController()
  const arriving = arrivingVideos([folder], { everySeconds: 0.02, signal: ending.signal })
  const next = async () => (await arriving.next()).value
  expect(await next()).toEqual([place('a.mp4')])
  mkdirSync(place('later'))
  writeFileSync(place('later/b.mp4'), '')
  let size = 0
  // Longer and longer at each look, so it is not whole before this ends.
  const growing = setInterval(() => appendFileSync(place('later/b.mp4'), String(size++)), 1)
  writeFileSync(place('c.mp4'), 'c')
  expect(await next()).toEqual([place('c.mp4')])
  clearInterval(growing)
  expect(await next()).toEqual([place('later/b.mp4')])
  rmSync(place('c.mp4'))
  writeFileSync(place('a.mp4'), 'another')
  expect(await next()).toEqual([place('a.mp4')])
  ending.abort()
  expect(await next()).toBeUndefined()
})

it.each(['notes.txt', 'nowhere'])('%s, which is no folder, is refused at once', (name) => {
  const { signal } = new AbortController()
  expect(() => arrivingVideos([place(name)], { signal })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) }),
  )
})
