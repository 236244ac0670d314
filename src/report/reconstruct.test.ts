import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { reconstructionAnimation, reconstructionSheet } from './pictures.ts'
import { reconstruct } from './reconstruct.ts'

const folder = folderForTests('videomae-reconstruct-')
const inFolder = (name: string) => path.join(folder, name)
/** The checkpoint is not there: what ends before it is opened has written nothing. */
const run = (video: string, out: string) =>
  reconstruct(inFolder('no-checkpoint'), inFolder(video), { out: inFolder(out) })

test.each(['notes.png', 'notes.webp'])('a file that is no picture stays: %s', async (name) => {
  writeFileSync(inFolder(name), 'my notes')
  await expect(run('video.mp4', 'notes')).rejects.toMatchObject({ code: 'OUTPUT_TAKEN', exit: 'usage' })
  expect(readFileSync(inFolder(name), 'utf8')).toBe('my notes')
  rmSync(inFolder(name))
})

test('the video that is read is not replaced by its pictures, also where a link has their name', async () => {
  writeFileSync(inFolder('moving.webp'), 'RIFF0000WEBP')
  symlinkSync(inFolder('moving.webp'), inFolder('link.webp'))
  for (const out of ['moving', 'link'])
    await expect(run('moving.webp', out)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
})

/** 2 frames of 4 x 4 pixels. */
const clip = new Uint8Array(2 * 4 * 4 * 3).fill(90)
const clips = { original: clip, masked: clip, prediction: clip, predictionWithTrueStatistics: null }
const size = { frames: 2, height: 4, width: 4 }

test('pictures of an earlier reconstruction are replaced', async () => {
  writeFileSync(inFolder('earlier.png'), await reconstructionSheet(clips, size))
  writeFileSync(inFolder('earlier.webp'), await reconstructionAnimation(clips, size))
  await expect(run('video.mp4', 'earlier')).rejects.toMatchObject({ code: expect.not.stringMatching('OUTPUT_TAKEN') })
})

test.each(['png', 'webp'] as const)('a picture of other origin stays: %s', async (format) => {
  const picture = await sharp(clip, { raw: { width: 8, height: 4, channels: 3 } })
    .toFormat(format)
    .toBuffer()
  writeFileSync(inFolder(`photo.${format}`), picture)
  await expect(run('video.mp4', 'photo')).rejects.toMatchObject({ code: 'OUTPUT_TAKEN', exit: 'usage' })
  expect(readFileSync(inFolder(`photo.${format}`)).equals(picture)).toBe(true)
  rmSync(inFolder(`photo.${format}`))
})
