/** The clips of data/motion are what their list and their page say. */
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../src/core/random.ts'
import { type MotionClass, motionClasses, renderMotionClip } from '../src/synthetic/motion.ts'
import { loadClips } from '../src/video/load-clips.ts'
import { decoding } from './support/decoding.ts'
import { runAsText } from './support/run-here.ts'

const folder = fileURLToPath(new URL('../data/motion', import.meta.url))
const [header, ...lines] = readFileSync(path.join(folder, 'labels.csv'), 'utf8').trimEnd().split('\n')
const rows = lines.map((line) => line.split(','))

describe('data/motion', () => {
  test('is read whole, with its classes and parts', async () => {
    const { code, text } = await runAsText(`inspect ${path.relative('.', folder)}/labels.csv`)
    expect(code).toBe(0)
    expect(text).toContain('48 usable videos')
    expect(text).toContain('label (8 classes)')
    expect(text).toContain('train 24, val 8, test 16')
    expect(text).toContain('48 videos are few to pretrain on')
  })

  test('is few videos: pretraining on them says what to expect, and where published weights are', async () => {
    const dry = `pretrain ${path.relative('.', folder)} --dry-run --out ${path.join(tmpdir(), 'videomae-not-made')}`
    const { code, text } = await runAsText(dry)
    expect(code, text).toBe(0)
    expect(text).toMatch(/48 videos are few .*videomae get videomae-base.* With 80000 clips/)
  })

  test('shows in each file the motion of its label', async () => {
    expect(header).toBe('path,label,split')
    const entries = rows.map(([id]) => ({ id, path: path.join(folder, id) }))
    const size = 64
    const samplings = [{ kind: 'spread', frames: 12 }] as const
    let seen = 0
    for await (const video of loadClips({ entries, samplings, size, workers: 1, processes: decoding })) {
      if (!video.ok) throw new Error(video.reason)
      const k = video.index
      const label = rows[k][1] as MotionClass
      expect(label).toBe(motionClasses[k % motionClasses.length])
      const [{ frames }] = video.views
      const drawn = renderMotionClip(label, new RandomStream(2026, k, 'motion clip'), {
        width: size,
        height: size,
        frames: 24,
      })
      const frame = size * size * 3
      let difference = 0
      for (let t = 0; t < 12; t++) {
        const from = frames[t] * frame
        for (let i = 0; i < frame; i++) difference += Math.abs(video.clips[t * frame + i] - drawn[from + i])
      }
      // H.264 costs a few gray levels; another clip, or the same one in another order, tens of them.
      expect(difference / (12 * frame)).toBeLessThan(6)
      seen++
    }
    expect(seen).toBe(48)
  })
})

describe('data/classes', () => {
  test.each(
    Object.entries({ kinetics400: 400, kinetics600: 600, kinetics700: 700, ucf101: 101, hmdb51: 51, ssv2: 174 }),
  )('of %s has %d names that differ', (name, count) => {
    const names = readFileSync(path.join(folder, '..', 'classes', `${name}.txt`), 'utf8').split('\n')
    expect(names.pop()).toBe('')
    expect(new Set(names).size).toBe(count)
    expect(names).toHaveLength(count)
    expect(names.filter((line) => line !== line.trim() || line === '')).toEqual([])
    // The order of the official numbers is that of the names; UCF101 does not mind capitals.
    const folded = name === 'ucf101' ? names.map((line) => line.toLowerCase()) : names
    expect(folded).toEqual(folded.toSorted((a, b) => (a < b ? -1 : 1)))
  })
})
