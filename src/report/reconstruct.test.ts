import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { reconstruct } from './reconstruct.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-reconstruct-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const place = (name: string) => path.join(folder, name)
/** The checkpoint is not there: what ends before it is opened has written nothing. */
const run = (video: string, out: string) => reconstruct(place('no-checkpoint'), place(video), { out: place(out) })

test.each(['notes.png', 'notes.webp'])('a file that is no picture stays: %s', async (name) => {
  writeFileSync(place(name), 'my notes')
  await expect(run('video.mp4', 'notes')).rejects.toMatchObject({ code: 'OUTPUT_TAKEN', exit: 'usage' })
  expect(readFileSync(place(name), 'utf8')).toBe('my notes')
  rmSync(place(name))
})

test('the video that is read is not replaced by its pictures, also where a link has their name', async () => {
  writeFileSync(place('moving.webp'), 'RIFF0000WEBP')
  symlinkSync(place('moving.webp'), place('link.webp'))
  for (const out of ['moving', 'link'])
    await expect(run('moving.webp', out)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
})

test('pictures of an earlier reconstruction are replaced', async () => {
  writeFileSync(place('earlier.png'), '\x89PNG\r\n', 'latin1')
  writeFileSync(place('earlier.webp'), 'RIFF0000WEBP')
  await expect(run('video.mp4', 'earlier')).rejects.toMatchObject({ code: expect.not.stringMatching('OUTPUT_TAKEN') })
})
