import { expect, test } from 'vitest'
import { VideoMaeError } from '../core/errors.ts'
import { endingError, FailedVideo, reasonOf } from './failures.ts'

test('what the machine lacks ends everything, with the hint that belongs to it', () => {
  const missing = { code: 'ENCODER_MISSING', reason: 'Expected libx264.', hint: 'Prepare the videos elsewhere.' }
  expect(endingError(missing)).toMatchObject({ code: missing.code, exit: 'environment', hint: missing.hint })
  expect(endingError({ code: 'VIDEO_UNREADABLE', reason: 'damaged' })).toBeNull()
})

test('a video is left out for what is wrong with it or its file, and for nothing else', () => {
  const refused = (code: string, path: string) => Object.assign(new Error(code), { code, path })
  const failure = { code: 'VIDEO_TIMEOUT', reason: 'too long' }
  expect(reasonOf(new FailedVideo(failure), 'a.mp4')).toBe(failure)
  expect(reasonOf(refused('ENOENT', 'a.mp4'), 'a.mp4')).toEqual({ code: 'VIDEO_NOT_FOUND', reason: 'ENOENT' })
  expect(reasonOf(refused('EACCES', 'a.mp4'), 'a.mp4')).toEqual({ code: 'VIDEO_UNREADABLE', reason: 'EACCES' })
  const others = [
    refused('EACCES', 'out/a.mp4'),
    refused('ENOSPC', 'a.mp4'),
    new VideoMaeError('', { code: 'ENCODING_FAILED', exit: 'environment' }),
  ]
  for (const other of others) expect(() => reasonOf(other, 'a.mp4')).toThrow(other)
})
