import { expect, test } from 'vitest'
import { fewVideosNote, shortRunNote } from './few-videos.ts'

test('few videos are named, and where published weights are', () => {
  expect(fewVideosNote(300)).toMatch(/^300 videos are few .* 3570 .*`npx videomae get videomae-base videomae-base`/)
  expect(fewVideosNote(3570)).toBeNull()
})

test('a short run on few videos says what to compare with; a long one, and one on many videos, does not', () => {
  expect(shortRunNote({ videos: 300, clips: 80_000 })).toContain('With 80000 clips')
  expect(shortRunNote({ videos: 300, clips: 200_000 })).toBeNull()
  expect(shortRunNote({ videos: 4000, clips: 80_000 })).toBeNull()
})
