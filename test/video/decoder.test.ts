/**
 * Decoders against generated videos whose frame n shows the number n, so every decoded picture tells which frame it is. Oracle: the
 * generator. Needs no data; the comparison with the `ffmpeg` program skips where there is none.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { VideoMaeError } from '../../src/core/errors.ts'
import { createDecoder, probeDecoders } from '../../src/video/decoder.ts'
import type { Decoder, DecoderName, Geometry, OpenVideo } from '../../src/video/types.ts'
import { encodeFixture, type FixtureOptions, readFrameNumber, temporaryFolder } from '../support/video-fixtures.ts'

const probes = await probeDecoders()
const size = { width: 64, height: 48 }
const vfr = Array.from({ length: 40 }, (_, i) => i * 40 + (i % 3) * 7 + (i > 20 ? 5000 : 0))

const fixtures: Record<string, { file: string } & FixtureOptions> = {
  'H.264, B-frames, short GOPs': { file: 'h264.mp4' },
  'H.264 in Matroska': { file: 'h264.mkv' },
  'H.264 in MPEG-TS': { file: 'h264.ts' },
  'H.264, one keyframe': { file: 'long-gop.mp4', gop: 250 },
  'H.264, variable rate with a gap': { file: 'vfr.mp4', times: vfr },
  'H.264, 10 bit': { file: 'ten.mp4', tenBit: true },
  'H.264, odd crop of an odd size': { file: 'odd.mkv', width: 98, height: 66 },
  'H.264, interlaced': { file: 'interlaced.mp4', options: { flags: '+ilme+ildct', 'x264-params': 'tff=1' } },
  'MPEG-4 with B-frames in AVI (no time stamps)': { file: 'xvid.avi', encoder: 'mpeg4' },
  'MPEG-2 in MPEG-TS': { file: 'mpeg2.ts', encoder: 'mpeg2video' },
  'Motion JPEG': { file: 'mjpeg.avi', encoder: 'mjpeg', bFrames: 0, options: { strict: '-1', color_range: 'pc' } },
  FFV1: { file: 'ffv1.mkv', encoder: 'ffv1', bFrames: 0 },
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>
const fileOf = (name: string): string => path.join(folder.path, name)

beforeAll(async () => {
  folder = await temporaryFolder()
  for (const { file, ...options } of Object.values(fixtures)) encodeFixture(fileOf(file), options)
  encodeFixture(fileOf('clockwise.mp4'), { matrix: [0, 1, -1, 0] })
  encodeFixture(fileOf('half.mp4'), { matrix: [-1, 0, 0, -1] })
  encodeFixture(fileOf('mirrored.mp4'), { matrix: [-1, 0, 0, 1] })
})
afterAll(() => folder.dispose())

const whole = (video: OpenVideo): Geometry => ({
  crop: { x: 0, y: 0, width: video.info.width, height: video.info.height },
  scale: size,
  flip: false,
})

async function numbers(video: OpenVideo, frames: readonly number[]): Promise<number[]> {
  const out = new Uint8Array(frames.length * size.width * size.height * 3)
  await video.decode(frames, [whole(video)], size, out)
  const bytes = size.width * size.height * 3
  return frames.map((_, i) => readFrameNumber(out.subarray(i * bytes, (i + 1) * bytes), size.width, size.height))
}

async function codeOf(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => new Error('expected a failure'),
    (e: unknown) => e,
  )
  return error instanceof VideoMaeError ? error.code : String(error)
}

describe.each(['node-av', 'ffmpeg'] as const)('decoder %s', (name: DecoderName) => {
  const probe = probes.find((p) => p.name === name)!
  let decoder: Decoder
  beforeAll(async () => {
    if (probe.available) decoder = await createDecoder(name)
  })

  test.skipIf(!probe.available).each(Object.entries(fixtures))(
    '%s: every frame by its index, in any order',
    async (_, { file, times }) => {
      const video = await decoder.open(fileOf(file))
      const index = await video.frameTimes()
      expect(index.times).toHaveLength(40)
      if (times !== undefined) expect([...index.times].map((t) => Math.round(t * 1000))).toEqual(times)
      const all = Array.from({ length: 40 }, (_, i) => i)
      expect(await numbers(video, all)).toEqual(all)
      const some = [31, 3, 3, 17, 39, 0, 38, 12, 13]
      expect(await numbers(video, some)).toEqual(some)
      expect(await numbers(video, [25])).toEqual([25])
      video.close()
    },
  )

  test.skipIf(!probe.available)('turns and mirrors as the display matrix says', async () => {
    // The lower quarter is a ramp from dark (left) to bright (right): where it is and which way it runs tells the orientation.
    const corner = async (file: string, x: number, y: number): Promise<number> => {
      const video = await decoder.open(fileOf(file))
      const out = new Uint8Array(size.width * size.height * 3)
      await video.decode([0], [whole(video)], size, out)
      video.close()
      return out[(Math.floor(y * (size.height - 1)) * size.width + Math.floor(x * (size.width - 1))) * 3]
    }
    // Places (x, y) of the ramp's dark and bright end.
    const ends: Record<string, [number, number, number, number]> = {
      'h264.mp4': [0.03, 0.9, 0.97, 0.9],
      'clockwise.mp4': [0.1, 0.03, 0.1, 0.97],
      'half.mp4': [0.97, 0.1, 0.03, 0.1],
      'mirrored.mp4': [0.97, 0.9, 0.03, 0.9],
    }
    for (const [file, [darkX, darkY, brightX, brightY]] of Object.entries(ends)) {
      expect(await corner(file, darkX, darkY), file).toBeLessThan(40)
      expect(await corner(file, brightX, brightY), file).toBeGreaterThan(215)
    }
    const turned = await decoder.open(fileOf('clockwise.mp4'))
    expect(turned.info).toMatchObject({ width: 96, height: 128, rotation: 90 })
    turned.close()
  })

  test.skipIf(!probe.available)('crops the asked pixels, several crops at once', async () => {
    const video = await decoder.open(fileOf('ffv1.mkv'))
    // Bits 0 and 1 of frame 1 are white and black: columns 0-15 and 16-31 of 128.
    const crop = (x: number, flip = false): Geometry => ({
      crop: { x, y: 5, width: 16, height: 40 },
      scale: size,
      flip,
    })
    const out = new Uint8Array(3 * size.width * size.height * 3)
    await video.decode([1], [crop(0), crop(16), crop(9, true)], size, out)
    const bytes = size.width * size.height * 3
    const mean = (k: number, from: number, to: number): number => {
      let sum = 0
      for (let x = from; x < to; x++) sum += out[k * bytes + (10 * size.width + x) * 3]
      return sum / (to - from)
    }
    expect(mean(0, 0, 64)).toBeGreaterThan(250)
    expect(mean(1, 0, 64)).toBeLessThan(5)
    // 7 white columns, then 9 black ones, mirrored: 36 output columns of black first.
    expect(mean(2, 0, 33)).toBeLessThan(5)
    expect(mean(2, 40, 64)).toBeGreaterThan(250)
    video.close()
  })

  test.skipIf(!probe.available)('names what is wrong with a file', async () => {
    writeFileSync(fileOf('empty.mp4'), '')
    writeFileSync(fileOf('text.mp4'), 'not a video, only text that is long enough to be looked at')
    expect(await codeOf(decoder.open(fileOf('absent.mp4')))).toBe('VIDEO_NOT_FOUND')
    expect(await codeOf(decoder.open(fileOf('empty.mp4')))).toBe('VIDEO_EMPTY')
    expect(await codeOf(decoder.open(fileOf('text.mp4')))).toBe('VIDEO_UNREADABLE')
    const picture = sharp({ create: { width: 32, height: 32, channels: 3, background: 'red' } })
    for (const [file, format] of [
      ['picture.png', 'png'],
      ['picture.mp4', 'jpeg'],
    ] as const) {
      writeFileSync(fileOf(file), await picture.toFormat(format).toBuffer())
      expect(await codeOf(decoder.open(fileOf(file)))).toBe('VIDEO_IS_PICTURE')
    }
    const small = await createDecoder(name, { maxPixels: 96 * 64 })
    expect(await codeOf(small.open(fileOf('h264.mp4')))).toBe('VIDEO_TOO_LARGE')
  })

  test.skipIf(!probe.available)('opens names that look like options, patterns or protocols', async () => {
    for (const odd of ['-i.mp4', 'a:b %03d [x].mp4', "it's, 50%.mp4"]) {
      copyFileSync(fileOf('h264.mp4'), fileOf(odd))
      const video = await decoder.open(fileOf(odd))
      expect(await numbers(video, [7])).toEqual([7])
      video.close()
    }
  })
})

describe('node-av', () => {
  test('decodes only what is needed', async () => {
    const decoder = await createDecoder('node-av')
    const video = await decoder.open(fileOf('h264.mp4'))
    const out = new Uint8Array(size.width * size.height * 3)
    expect((await video.decode([36], [whole(video)], size, out)).decoded).toBe(1)
    // Frames 24 to 30 at most, less the unreferenced ones.
    expect((await video.decode([30], [whole(video)], size, out)).decoded).toBeLessThan(8)
    video.close()
  })

  test('reads large files by seeking, with the same frames', async () => {
    const { NodeAvVideo } = await import('../../src/video/node-av/video.ts')
    for (const file of ['h264.mp4', 'h264.mkv', 'h264.ts', 'xvid.avi', 'mpeg2.ts']) {
      const video = new NodeAvVideo(fileOf(file), 2 ** 26, 1000)
      for (const some of [[31, 3, 39], [14], [2], [38, 37]]) expect(await numbers(video, some), file).toEqual(some)
      video.close()
    }
  })

  test('notices frames that a damaged file lists but does not hold, and counts what there is', async () => {
    const decoder = await createDecoder('node-av')
    const bytes = readFileSync(fileOf('mjpeg.avi'))
    const damaged = Buffer.from(bytes)
    // Overwrites the JPEG data of frame 20 behind its chunk header.
    let at = damaged.indexOf('movi')
    for (let n = 0; n <= 20; n++) at = damaged.indexOf('00dc', at + 4)
    damaged.fill(0, at + 8, at + 8 + damaged.readUInt32LE(at + 4))
    writeFileSync(fileOf('damaged.avi'), damaged)
    const video = await decoder.open(fileOf('damaged.avi'))
    expect((await video.frameTimes()).times).toHaveLength(40)
    expect(await numbers(video, [19, 21])).toEqual([19, 21])
    expect(await codeOf(numbers(video, [19, 20]))).toBe('VIDEO_FRAMES_MISSING')
    expect((await video.decodedFrameTimes()).times).toHaveLength(39)
    expect(await numbers(video, [19, 20])).toEqual([19, 21])
    video.close()
  })
})

test.skipIf(probes.some((p) => !p.available))('node-av and the ffmpeg program yield the same pixels', async () => {
  const [a, b] = await Promise.all([createDecoder('node-av'), createDecoder('ffmpeg')])
  for (const { file } of Object.values(fixtures)) {
    const [left, right] = await Promise.all([a.open(fileOf(file)), b.open(fileOf(file))])
    const geometries: Geometry[] = [
      whole(left),
      { crop: { x: 11, y: 7, width: 71, height: 43 }, scale: size, flip: true },
      { crop: whole(left).crop, scale: { width: 80, height: 48 }, window: { x: 9, y: 0 }, flip: false },
    ]
    const frames = [5, 13, 30]
    const outs = [left, right].map(() => new Uint8Array(9 * size.width * size.height * 3))
    await left.decode(frames, geometries, size, outs[0])
    await right.decode(frames, geometries, size, outs[1])
    let difference = 0
    for (let i = 0; i < outs[0].length; i++) difference = Math.max(difference, Math.abs(outs[0][i] - outs[1][i]))
    expect(difference, file).toBeLessThanOrEqual(2)
    left.close()
    right.close()
  }
})
