/** Videos that look alike. Oracle: generated clips, of which some are encoded again, smaller, coarser and in another container. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import { encodeFrameBytes } from '../../src/synthetic/encode.ts'
import { renderMotionClip } from '../../src/synthetic/motion.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { runAsText, runHere } from '../support/run-here.ts'

const folder = folderForTests('videomae-duplicates-')
const inFolder = (...parts: string[]): string => path.join(folder, ...parts)

/** Every second pixel of every frame. */
function half(pixels: Uint8Array, side: number, frames: number): Uint8Array {
  const small = side / 2
  const out = new Uint8Array(frames * small * small * 3)
  for (let t = 0; t < frames; t++)
    for (let y = 0; y < small; y++)
      for (let x = 0; x < small; x++)
        for (let c = 0; c < 3; c++)
          out[3 * ((t * small + y) * small + x) + c] = pixels[3 * ((t * side + 2 * y) * side + 2 * x) + c]
  return out
}

beforeAll(async () => {
  const [side, frames, framesPerSecond] = [64, 16, 8]
  for (const label of ['left', 'up']) mkdirSync(inFolder('videos', label), { recursive: true })
  for (let k = 0; k < 4; k++) {
    const label = k % 2 === 0 ? 'left' : 'up'
    const pixels = renderMotionClip(label, new RandomStream(7, k), { width: side, height: side, frames })
    await encodeFrameBytes(inFolder('videos', label, `${k}.mp4`), pixels, {
      width: side,
      height: side,
      framesPerSecond,
    })
    if (k > 1) continue
    const smaller = { width: side / 2, height: side / 2, framesPerSecond: 25, quality: 30, keyframeInterval: 5 }
    // The second one has another label than its copy.
    await encodeFrameBytes(inFolder('videos', 'left', `${k}-again.mkv`), half(pixels, side, frames), smaller)
  }
  // Plain pictures say nothing: two of them are not alike.
  for (const gray of [20, 200])
    await encodeFrameBytes(inFolder('videos', 'up', `plain-${gray}.mp4`), new Uint8Array(8 * 32 * 32 * 3).fill(gray), {
      ...{ width: 32, height: 32, framesPerSecond },
    })
  copyFileSync(inFolder('videos', 'up', '3.mp4'), inFolder('videos', 'up', '3-copy.mp4'))
  writeFileSync(inFolder('videos', 'up', 'broken.mp4'), 'no video')
})

test('finds videos that were encoded again and copies, offers them as groups, and changes nothing', async () => {
  const { code, document } = await runHere('dataset duplicates', inFolder('videos'), '--out', inFolder('out'))
  expect(code).toBe(0)
  const { similar, unreadable, videos } = document as unknown as {
    readonly similar: readonly { group: string; sameFile: boolean; videos: readonly { id: string }[] }[]
    readonly unreadable: readonly { id: string }[]
    readonly videos: number
  }
  expect(similar.map((set) => [set.group, set.sameFile, set.videos.map(({ id }) => id)])).toEqual([
    ['similar-1', false, ['left/0-again.mkv', 'left/0.mp4']],
    ['similar-2', false, ['left/1-again.mkv', 'up/1.mp4']],
    ['similar-3', true, ['up/3-copy.mp4', 'up/3.mp4']],
  ])
  expect(videos).toBe(9)
  expect(unreadable.map(({ id }) => id)).toEqual(['up/broken.mp4'])
  const { text } = await runAsText('dataset duplicates', inFolder('videos'), '--out', inFolder('out'))
  expect(text).toContain('3 sets of videos that look alike, among 9 videos')
  expect(text).toContain('1 have several labels: left/1-again.mkv (left) and up/1.mp4 (up)')
  expect(text).toContain('The groups depend on all videos together: a certificate covers changes of this list')
})

test('says that folds depend on all videos, which a certificate of one of them does not cover', async () => {
  const { text } = await runAsText('dataset split', inFolder('videos'), '--folds', '2', '--out', inFolder('folds'))
  expect(text).toContain('The parts depend on all videos together: a certificate covers changes of this list')
})

test('joins groups of the list that look alike, and keeps the others', async () => {
  const rows = ['left/0.mp4,left,a', 'left/2.mp4,left,a', 'left/0-again.mkv,left,b', 'up/3.mp4,up,c', 'up/1.mp4,up,']
  writeFileSync(inFolder('videos', 'list.csv'), ['path,label,group', ...rows, ''].join('\n'))
  await runHere('dataset duplicates', inFolder('videos', 'list.csv'), '--out', inFolder('list'))
  const [header, ...lines] = readFileSync(inFolder('list', 'grouped.csv'), 'utf8').trim().split('\n')
  expect(header).toBe('path,label,start,end,group,split,fold')
  expect(lines.map((line) => line.split(',')[4])).toEqual(['a', 'a', 'a', 'c', ''])
})
