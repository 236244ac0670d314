import { describe, expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { type AugmentationKind, augmentationKey, augmentedClips, planAugmentation } from './augmentation.ts'
import { augmentationKinds } from './augmentation-names.ts'
import type { TestSampling } from './views.ts'

const dense: TestSampling = { kind: 'dense', stride: 2, fps: null }
const size = { height: 12, width: 20 }
const frameBytes = size.height * size.width * 3
const geometry = { crop: { x: 0, y: 0, width: 20, height: 12 }, scale: { width: 20, height: 12 }, flip: false }

/** What these kinds make of decoded clips, one after the other. */
function made(kinds: readonly AugmentationKind[], decoded: (sampling: number, crop: number) => Uint8Array) {
  const plan = planAugmentation(kinds, dense, 2)
  const clips = plan.samplings.flatMap((_, s) => plan.crops.map((__, c) => decoded(s, c)))
  const views = clips.map((_, i) => ({ frames: [i, i + 1], startSeconds: i, geometry }))
  const result = augmentedClips(plan, { clips: new Uint8Array(Buffer.concat(clips)), views }, size)
  const { length } = result.views
  const bytes = result.clips.length / length
  return { ...result, plan, each: Array.from({ length }, (_, v) => result.clips.slice(v * bytes, (v + 1) * bytes)) }
}

const noise = (frames: number, seed: number): Uint8Array => {
  const stream = new RandomStream('augmentation', seed)
  return Uint8Array.from({ length: frames * frameBytes }, () => stream.integer(256))
}

/** A white dot of 4 x 4 pixels on black. */
function dot(x: number, y: number): Uint8Array {
  const frame = new Uint8Array(frameBytes)
  for (let i = 0; i < 4; i++) frame.fill(255, ((y + i) * size.width + x) * 3, ((y + i) * size.width + x + 4) * 3)
  return frame
}

/** Middle of the light of a frame, pixels. */
function center(frame: Uint8Array): readonly [x: number, y: number] {
  let [sum, x, y] = [0, 0, 0]
  for (let i = 0; i < frame.length; i += 3) {
    const at = i / 3
    sum += frame[i]
    x += frame[i] * (at % size.width)
    y += frame[i] * Math.floor(at / size.width)
  }
  return [x / sum, y / sum]
}

const twice = (frame: Uint8Array): Uint8Array => new Uint8Array(Buffer.concat([frame, frame]))

describe('fixed augmentation', () => {
  test('has the middle clip first, as it was decoded, and as many more as the kinds say', () => {
    const counts = augmentationKinds.map((kind) => planAugmentation([kind], dense, 8).variants.length - 1)
    expect(counts).toEqual([2, 2, 4, 3, 1, 2, 2, 2])
    expect(planAugmentation([...augmentationKinds], dense, 8).variants).toHaveLength(1 + 18)
    const clip = noise(2, 1)
    expect(made(['rotate', 'color'], () => clip).each[0]).toEqual(clip)
  })

  test('does not depend on the order of the kinds, but on which they are', () => {
    const key = (...kinds: AugmentationKind[]) => JSON.stringify(augmentationKey(planAugmentation(kinds, dense, 8)))
    expect(key('shift', 'rotate')).toBe(key('rotate', 'shift'))
    expect(new Set(augmentationKinds.map((kind) => key(kind))).size).toBe(augmentationKinds.length)
  })

  test('takes each clip from what was decoded for it', () => {
    const decoded = (sampling: number, crop: number) => noise(2, 10 * sampling + crop)
    const { plan, each, views } = made(['crop', 'time', 'speed'], decoded)
    expect([plan.samplings.length, plan.crops.length]).toEqual([5, 3])
    // The middle; two ends of the picture; first and last clip; twice and half as fast.
    const from = [0, 1, 2, 10, 20, 30, 40]
    expect(each.map((clip, v) => Buffer.compare(clip, noise(2, from[v])))).toEqual(from.map(() => 0))
    expect(views.map(({ startSeconds }) => startSeconds)).toEqual([0, 1, 2, 3, 6, 9, 12])
    const strides = plan.samplings.map((sampling) => ('stride' in sampling ? sampling.stride : null))
    expect(strides).toEqual([2, 2, 2, 4, 1])
  })

  test('moves, turns and slants about the middle of the picture', () => {
    const shifted = made(['shift'], () => twice(dot(8, 4))).each.slice(1)
    const [x, y] = center(dot(8, 4))
    const moves = [
      [-1, 0],
      [1, 0],
      [0, -0.6],
      [0, 0.6],
    ] // 5 % of 20 and of 12 pixels
    for (const [v, frame] of shifted.entries()) {
      const [nowX, nowY] = center(frame.subarray(0, frameBytes))
      expect(nowX - x).toBeCloseTo(moves[v][0], 1)
      expect(nowY - y).toBeCloseTo(moves[v][1], 1)
    }
    // The dot in the middle stays there; one to the right goes up or down, one above goes left or right.
    for (const kind of ['rotate', 'shear'] as const)
      for (const frame of made([kind], () => twice(dot(8, 4))).each) {
        expect(center(frame.subarray(0, frameBytes))[0]).toBeCloseTo(x, 1)
        expect(center(frame.subarray(0, frameBytes))[1]).toBeCloseTo(y, 1)
      }
    const [turned, other] = made(['rotate'], () => twice(dot(14, 4))).each.slice(1)
    const rise = Math.sin((10 * Math.PI) / 180) * 6
    expect(Math.abs(center(turned.subarray(0, frameBytes))[1] - y)).toBeCloseTo(rise, 0)
    expect(center(turned.subarray(0, frameBytes))[1] + center(other.subarray(0, frameBytes))[1]).toBeCloseTo(2 * y, 1)
    const [slanted] = made(['shear'], () => twice(dot(8, 0))).each.slice(1)
    expect(Math.abs(center(slanted.subarray(0, frameBytes))[0] - x)).toBeCloseTo(0.15 * 4, 1)
  })

  test('shows the edge beyond the edge: a picture of one color stays that', () => {
    const one = new Uint8Array(2 * frameBytes).fill(17)
    for (const frame of made(['rotate', 'shear', 'shift'], () => one).each) expect(Buffer.compare(frame, one)).toBe(0)
  })

  test('mirrors left and right, and recolors without moving anything', () => {
    const clip = noise(2, 3)
    const [, mirrored] = made(['mirror'], () => clip).each
    for (const [y, x] of [
      [0, 0],
      [3, 7],
      [11, 19],
    ])
      expect(mirrored.slice((y * 20 + x) * 3, (y * 20 + x) * 3 + 3)).toEqual(
        clip.slice((y * 20 + 19 - x) * 3, (y * 20 + 19 - x) * 3 + 3),
      )
    const [, darker, brighter, gray] = made(['color'], () => new Uint8Array(2 * frameBytes).fill(100)).each
    expect([darker[0], brighter[0], gray[0]]).toEqual([60, 140, 100])
    const [, , , plain] = made(['color'], () => clip).each
    expect(plain[0]).toBe(plain[1])
    expect(plain[0]).toBe(plain[2])
  })

  test('changes every frame as if it were alone, also where frames repeat', () => {
    const [a, b] = [noise(1, 4), noise(1, 5)]
    const kinds = ['rotate', 'mirror', 'color'] as const
    const of = (first: Uint8Array, second: Uint8Array) =>
      made(kinds, () => new Uint8Array(Buffer.concat([first, second]))).each
    const [mixed, other, same] = [of(a, b), of(b, a), of(a, a)]
    const [first, second] = [
      (clip: Uint8Array) => clip.subarray(0, frameBytes),
      (clip: Uint8Array) => clip.subarray(frameBytes),
    ]
    for (const [v, clip] of mixed.entries()) {
      expect(Buffer.compare(second(clip), first(other[v]))).toBe(0)
      expect(Buffer.compare(first(same[v]), first(clip))).toBe(0)
      expect(Buffer.compare(second(same[v]), first(clip))).toBe(0)
    }
  })

  test('is refused where it is unknown, named twice, empty, or has no meaning', () => {
    const refused = (message: RegExp) =>
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) })
    const plan =
      (kinds: readonly string[], sampling = dense) =>
      () =>
        planAugmentation(kinds as AugmentationKind[], sampling, 8)
    expect(plan(['rotate', 'flip'])).toThrow(refused(/rotate, shear, .* "flip"/))
    expect(plan([])).toThrow(refused(/augment/))
    expect(plan(['rotate', 'rotate'])).toThrow(refused(/once/))
    expect(plan(['speed'], { ...dense, kind: 'segments' })).toThrow(refused(/speed/))
  })
})
