/** What the ffmpeg program is told, and what is believed of what it says: a script in its place, so that no ffmpeg is needed. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { misleading } from '../../scripts/support/torture/hostile-files.ts'
import { createFfmpegDecoder } from '../../src/video/ffmpeg/decoder.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-fake-ffmpeg-'))
const inFolder = (name: string): string => path.join(folder, name)
const [width, height] = [4, 2]
const stamps = [0, 40_000_000, 80_000_000]

/** Keeps its arguments and the start of its input, and writes what is next to it. */
const script = `#!/bin/sh
cd '${folder}'
case "$*" in
  '-hide_banner -version') echo 'ffmpeg version 7.1-fake' ;;
  '-hide_banner -protocols') printf 'Input:\\n  fd\\n' ;;
  *)
    for argument in "$@"; do printf '%s\\n' "$argument"; done >> arguments
    echo 'end of arguments' >> arguments
    head -c 12 <&3 > input
    cat messages >&2
    cat records >&4
    case "$*" in *framecrc*) cat list ;; *) cat pictures ;; esac ;;
esac
`
const recordsOf = (times: readonly number[]): string =>
  times.map((time, i) => `frame:${i} pts:${time} pts_time:${time / 1e9}\nvideomae=1\n`).join('')

const open = () => createFfmpegDecoder().open(inFolder('a video.mp4'))

beforeEach(() => {
  writeFileSync(inFolder('ffmpeg'), script)
  chmodSync(inFolder('ffmpeg'), 0o755)
  writeFileSync(inFolder('a video.mp4'), 'content of a video')
  writeFileSync(inFolder('arguments'), '')
  writeFileSync(inFolder('messages'), '')
  writeFileSync(inFolder('records'), recordsOf(stamps))
  writeFileSync(inFolder('list'), `#dimensions 0: ${width}x${height}\n0, 0, 0, 1, 8, 0x0\n`)
  writeFileSync(inFolder('pictures'), Buffer.alloc(2 * width * height * 3, 7))
  vi.stubEnv('FFMPEG_PATH', inFolder('ffmpeg'))
})
afterAll(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

describe.skipIf(process.platform === 'win32')('the ffmpeg program', () => {
  test('reads the open file and no other, as a format that holds its pictures itself, whenever it runs', async () => {
    const video = await open()
    const geometry = { crop: { x: 0, y: 0, width, height }, scale: { width, height }, flip: false }
    const [frame, output] = [width * height * 3, { width, height }]
    await video.decode([0, 2], [geometry], output, new Uint8Array(2 * frame)).catch(() => undefined)
    video.close()
    const runs = readFileSync(inFolder('arguments'), 'utf8').split('end of arguments\n').slice(0, -1)
    expect(runs.length).toBeGreaterThanOrEqual(2) // One to learn the frames, one for their pictures.
    for (const run of runs.map((text) => text.split('\n'))) {
      const input = run.indexOf('-i')
      expect(run.slice(input - 2, input + 2)).toEqual(['-fd', '3', '-i', 'fd:'])
      // Options behind the input would be those of the output.
      const before = run.slice(0, input)
      expect(before[before.indexOf('-protocol_whitelist') + 1]).toBe('fd')
      const formats = before[before.indexOf('-format_whitelist') + 1].split(',')
      expect(formats).toEqual(expect.arrayContaining(['mov', 'matroska', 'avi', 'mpegts']))
      for (const naming of ['dash', 'hls', 'concat', 'image2', 'imf', 'sdp', 'lavfi'])
        expect(formats).not.toContain(naming)
      expect(run.join('\n')).not.toContain('a video')
    }
    expect(readFileSync(inFolder('input'), 'utf8')).toBe('content of a')
  })

  test('tells frames in its records, and none in its messages', async () => {
    const said = [
      'frame:0 pts:0 pts_time:0',
      'frame:7 pts:9 pts_time:9',
      'videomae=1',
      '0, 9, 9, 1, 8, 0x0',
      misleading,
    ]
    writeFileSync(inFolder('messages'), `${said.join('\n')}\n#dimensions 0: 64x64\n`)
    const video = await open()
    const { times } = await video.frameTimes()
    expect([...times]).toEqual([0, 0.04, 0.08])
    expect(video.info).toMatchObject({ width, height })
    video.close()
    writeFileSync(inFolder('records'), `${recordsOf(stamps)}frame:3 pts:x pts_time:1\n`)
    await expect(open()).rejects.toMatchObject({ code: 'VIDEO_FILTER_FAILED' })
  })

  test.each([
    ['VIDEO_UNREADABLE', 'fd:: Invalid data: \u001b[31m\u0007\u202e\r found'],
    ['VIDEO_CONTAINER_REFUSED', '[ha\u001b[31mls @ 0x7f00] Format not on whitelist\n'],
  ])('makes no message that a terminal obeys: %s', async (code, messages) => {
    writeFileSync(inFolder('messages'), messages)
    writeFileSync(inFolder('records'), '')
    writeFileSync(inFolder('list'), '')
    const error = await open().then(
      () => null,
      (reason: Error) => reason,
    )
    expect(error).toMatchObject({ code, message: expect.stringContaining('\\x1b[31m') })
    expect(error?.message).not.toMatch(/[\p{Cc}\u202e]/u)
  })
})
