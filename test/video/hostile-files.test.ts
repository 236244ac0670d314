/**
 * Files from strangers. What must not happen: that anything is read but the file itself, that its name or its tags change which frames there are, that
 * something waits for ever, or that a message carries what a terminal obeys.
 */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { FormatContext, InputFormat } from 'node-av/lib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HostileFile, misleading, writeHostileFiles } from '../../scripts/support/torture/hostile-files.ts'
import { digestFile } from '../../src/format/file-digest.ts'
import type { ClipRequest } from '../../src/video/clip.ts'
import { allowedContainers } from '../../src/video/containers.ts'
import { probeDecoders } from '../../src/video/decoder.ts'
import { inspectVideos } from '../../src/video/inspect.ts'
import { DecodePool } from '../../src/video/pool.ts'
import { isTransientFailure } from '../../src/video/video-errors.ts'
import { VideoFile } from '../../src/video/video-file.ts'
import { encodeFixture, readFrameNumber, temporaryFolder } from '../support/video-fixtures.ts'

const probes = await probeDecoders()
const frames = 12
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let hostile: HostileFile[]
const file = (...parts: string[]): string => path.join(folder.path, ...parts)

beforeAll(async () => {
  folder = await temporaryFolder()
  encodeFixture(file('good.mp4'), { frames, gop: 4 })
  encodeFixture(file('other.mp4'), { frames: frames + 3, gop: 4 })
  mkdirSync(file('hostile'))
  hostile = writeHostileFiles(file('hostile'), file('good.mp4'))
})
afterAll(() => folder.dispose())

const request = (name: string, more: Partial<ClipRequest['entry']> = {}): ClipRequest => ({
  entry: { path: name, id: name, ...more },
  sampling: { kind: 'spread', frames },
  crops: [{ kind: 'whole' }],
  output: { width: 64, height: 48 },
  key: [0],
})
const poolOf = (decoder: 'node-av' | 'ffmpeg'): DecodePool =>
  new DecodePool({ decoder, limits: {}, slotBytes: frames * 64 * 48 * 3, workers: 1 })

/** The code of a failure, or the frame numbers that the pictures show. */
async function outcomeOf(pool: DecodePool, wanted: ClipRequest): Promise<string> {
  const outcome = await pool.read(wanted)
  if (!outcome.ok) return outcome.failure.code
  const bytes = 64 * 48 * 3
  const shown = Array.from({ length: frames }, (_, i) => readFrameNumber(outcome.clips.subarray(i * bytes), 64, 48))
  return `${outcome.result.frameCount}: ${shown.join(' ')}`
}

const good = `${frames}: ${Array.from({ length: frames }, (_, i) => i).join(' ')}`

describe.each(probes)('decoder $name', ({ name, available }) => {
  test.skipIf(!available)('opens videos only, and only these', { timeout: 600_000 }, async () => {
    const pool = poolOf(name)
    const found: HostileFile[] = []
    for (const { file: relative } of hostile) {
      const outcome = await outcomeOf(pool, request(file('hostile', relative)))
      found.push({ file: relative, code: outcome === good ? null : outcome })
    }
    expect(found).toEqual(hostile)
    expect(pool.restarts).toBe(0)
    await pool.close()
  })

  test.skipIf(!available)('says in one line, without what a terminal obeys, what a file is', async () => {
    const pool = poolOf(name)
    const bad = file('evil\n\u001b[31m\u202e.mp4')
    copyFileSync(file('hostile', 'lists', 'dash-url.mp4'), bad)
    const outcome = await pool.read(request(bad))
    expect(outcome).toMatchObject({ ok: false, failure: { code: 'VIDEO_CONTAINER_REFUSED' } })
    const said = outcome.ok ? '' : outcome.failure.reason
    expect(said).toContain('evil\\x0a\\x1b[31m\\u202e.mp4: is of the format dash, which refers to other files')
    expect(said).not.toMatch(/[\p{Cc}\u202e]/u)
    await pool.close()
  })

  test.skipIf(!available).each(['mkv', 'mp4', 'avi', 'ogv', 'nut'])(
    'takes no frame from the tags of a file (%s)',
    async (ending) => {
      const tags = { title: misleading, comment: misleading, [ending === 'mkv' ? misleading : 'artist']: misleading }
      const name_ = file(`tags.${ending}`)
      const encoder =
        ending === 'ogv' ? { encoder: 'libtheora' } : ending === 'avi' ? { encoder: 'mpeg4', bFrames: 0 } : {}
      encodeFixture(name_, { frames, gop: 4, tags, ...encoder })
      const pool = poolOf(name)
      expect(await outcomeOf(pool, request(name_))).toBe(good)
      await pool.close()
    },
  )

  test.skipIf(!available)('refuses a file whose content is not the one that was digested', async () => {
    const link = file(`link-${name}.mp4`)
    symlinkSync(file('good.mp4'), link)
    const content = await digestFile(link)
    const pool = poolOf(name)
    expect(await outcomeOf(pool, request(link, { content }))).toBe(good)
    // The same bytes, touched and under another name.
    const now = new Date()
    utimesSync(file('good.mp4'), now, now)
    linkSync(file('good.mp4'), file(`same-${name}.mp4`))
    expect(await outcomeOf(pool, request(link, { content }))).toBe(good)
    rmSync(link)
    symlinkSync(file('other.mp4'), link)
    expect(await outcomeOf(pool, request(link, { content }))).toBe('VIDEO_CHANGED')
    expect(isTransientFailure('VIDEO_CHANGED')).toBe(true)
    await pool.close()
  })
})

test('the playlists are such as FFmpeg follows, where it may open files', () => {
  for (const name of [
    'dash-url.mp4',
    'dash-absolute.mkv',
    'dash-parent.mpd',
    'concat-beside.ffconcat',
    'hls-absolute.m3u8',
  ]) {
    const format = new FormatContext()
    format.allocContext()
    format.setOption('protocol_whitelist', 'file')
    expect(format.openInputSync(`file:${file('hostile', 'lists', name)}`), name).toBeGreaterThanOrEqual(0)
    expect(format.nbStreams, name).toBe(1)
    format.closeInputSync()
  }
})

test('every format of the list is one that this FFmpeg has; none opens others', () => {
  for (const name of allowedContainers) expect(InputFormat.findInputFormat(name)?.name, name).toContain(name)
  // Those that call `io_open`, or open files on their own, in FFmpeg 8.1, and those that are no files.
  const opening =
    'concat dash hls image2 imf lavfi mlv mpegtsraw rtp rtsp sap sdp tedcaptions vobsub webm_dash_manifest x11grab'
  for (const name of opening.split(' ')) {
    expect(InputFormat.findInputFormat(name), name).not.toBeNull()
    expect(allowedContainers).not.toContain(name)
  }
})

test('a file that is written to while it is open is noticed', () => {
  copyFileSync(file('good.mp4'), file('growing.mp4'))
  const open = new VideoFile(file('growing.mp4'))
  open.requireUnchanged()
  appendFileSync(file('growing.mp4'), 'x')
  expect(() => open.requireUnchanged()).toThrow('changed while it was read')
  expect(() => open.reopen()).toThrow('changed while it was read')
  open.close()
})

test.skipIf(process.platform === 'win32')('what a list names and is no file is a line of the report', async () => {
  execFileSync('mkfifo', [file('pipe.mp4')])
  symlinkSync('/dev/zero', file('zero.mp4'))
  const names = ['good.mp4', 'pipe.mp4', 'zero.mp4', '/dev/tty', 'hostile', 'hostile/lists/dash-url.mp4']
  writeFileSync(file('list.txt'), `${names.join('\n')}\n`)
  const { videos, sources } = await inspectVideos(file('list.txt'), { workers: 1 })
  expect(videos.map(({ problem }) => problem?.code ?? 'good')).toEqual(['good', 'VIDEO_CONTAINER_REFUSED'])
  const [{ unusable }] = sources
  expect(unusable.map(({ code }) => code)).toEqual(Array(4).fill('VIDEO_NOT_A_FILE'))
  expect(unusable[0].reason).toContain('pipe')
})
