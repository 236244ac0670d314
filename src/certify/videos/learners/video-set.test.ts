import { describe, expect, test } from 'vitest'
import { contentDigest, type LabeledVideo } from '../../../dataset/dataset.ts'
import { assignBuckets } from '../../ensemble/buckets.ts'
import { sha256 } from '../../ensemble/hash.ts'
import { videoIdOf, videoSetOf } from './video-set.ts'

/** As a list or a folder names it: the file, and the part of it that is meant. */
function video(path: string, part: { readonly start?: number; readonly end?: number } = {}): LabeledVideo {
  const named = contentDigest('', part)
  return { path, id: `${path}${named}`, label: 'a', class: 0, digest: `${sha256(path)}${named}`, ...part }
}

describe('the video that an entry belongs to', () => {
  test('is its file: parts of one are one, and a whole file with the name of a part is another', () => {
    expect(videoIdOf(video('v3.mp4', { start: 0, end: 1 }))).toBe('v3.mp4')
    expect(videoIdOf(video('v3.mp4', { end: 1e-7 }))).toBe('v3.mp4')
    expect(videoIdOf(video('v3.mp4', { start: 2.5 }))).toBe('v3.mp4')
    expect(videoIdOf(video('v3.mp4#0-1'))).toBe('v3.mp4#0-1')
    expect(videoIdOf(video('v3.mp4#0-1', { start: 0, end: 1 }))).toBe('v3.mp4#0-1')
  })

  test('is in the bucket of its own content, whatever other files are called', () => {
    const clean = [
      video('v1.mp4'),
      video('v3.mp4'),
      video('v4.mp4', { start: 0, end: 1 }),
      video('v4.mp4', { start: 1 }),
    ]
    const names = ['a', 'b']
    const bucketsOf = (videos: readonly LabeledVideo[], by: 'content' | 'id') => [
      ...assignBuckets(videoSetOf(videos, names), { by, buckets: 1000 }).bucketOf,
    ]
    for (const by of ['content', 'id'] as const) {
      const before = bucketsOf(clean, by)
      expect(before[2]).toBe(before[3])
      for (const name of ['v1.mp4#0-1', 'v3.mp4#0-1', 'v3.mp4#-'])
        expect(bucketsOf([...clean, video(name)], by).slice(0, 4)).toEqual(before)
    }
  })
})
