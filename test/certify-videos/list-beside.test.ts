import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type CertifyVideosOptions, planVideos } from '../../src/certify/videos/plan.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-list-beside-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a list in a folder that is read as a folder is named, unless the rule was named', async () => {
  const data = path.join(folder, 'listed')
  for (let i = 0; i < 24; i++) {
    const place = path.join(data, ['walk', 'run', 'jump'][i % 3])
    mkdirSync(place, { recursive: true })
    // Only digests are looked at here, so any bytes will do.
    writeFileSync(path.join(place, `clip-${i}.mp4`), `content ${i}`)
  }
  writeFileSync(path.join(data, 'labels.csv'), 'path,label,split\nwalk/clip-0.mp4,walk,train\n')
  const told = async (options: Partial<CertifyVideosOptions>) => {
    const notes: string[] = []
    await planVideos({ data, cache: path.join(folder, 'cache'), ...options, onNote: (note) => notes.push(note) })
    return notes.filter((note) => note.includes('labels.csv in it is not used'))
  }
  expect(await told({})).toHaveLength(1)
  expect(await told({ split: 'hash' })).toEqual([])
})
