import { expect, test } from 'vitest'
import { RandomStream } from '../../core/random.ts'
import { clipMovement, type Movement } from './flow.ts'
import { measureSigns } from './measure.ts'
import { probeCount } from './probe-videos.ts'
import { signsWarnings } from './run-signs.ts'

const [frames, height, width] = [4, 48, 64]

/** A smooth texture that moves by (x, y) pixels each frame: uint8 [frames, height, width, 3]. */
function moving({ x: dx, y: dy }: Movement, phase: number): Uint8Array {
  const clip = new Uint8Array(frames * height * width * 3)
  let at = 0
  for (let t = 0; t < frames; t++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        for (let c = 0; c < 3; c++)
          clip[at++] = 128 + 50 * Math.sin((x - dx * t) / 7 + phase) + 50 * Math.cos((y - dy * t) / 9 + phase + c)
  return clip
}

function backward(clip: Uint8Array): Uint8Array {
  const bytes = clip.length / frames
  return Uint8Array.from(clip, (_, i) => clip[(frames - 1 - Math.floor(i / bytes)) * bytes + (i % bytes)])
}

test('movement of a clip: direction and size of a moving texture; backward exactly the opposite; none of a still one', () => {
  for (const wanted of [
    { x: 2, y: 0 },
    { x: -1, y: 1.5 },
    { x: 0, y: -2 },
  ]) {
    const clip = moving(wanted, 0.3)
    const found = clipMovement(clip, frames, height, width)
    expect(Math.abs(found.x - wanted.x)).toBeLessThan(0.3)
    expect(Math.abs(found.y - wanted.y)).toBeLessThan(0.3)
    const opposite = clipMovement(backward(clip), frames, height, width)
    expect(opposite.x).toBeCloseTo(-found.x, 9)
    expect(opposite.y).toBeCloseTo(-found.y, 9)
  }
  const still = clipMovement(moving({ x: 0, y: 0 }, 1), frames, height, width)
  expect([still.x, still.y].map(Math.abs)).toEqual([0, 0])
  const flat = clipMovement(new Uint8Array(frames * height * width * 3), frames, height, width)
  expect([flat.x, flat.y].map(Math.abs)).toEqual([0, 0])
})

/** Features of clips and of the same clips backward. */
function features(count: number, of: (clip: number, backward: boolean, random: RandomStream) => readonly number[]) {
  const random = new RandomStream(3, 'features')
  const steps = Float32Array.from(
    Array.from({ length: count }, (_, i) => [...of(i, false, random), ...of(i, true, random)]).flat(),
  )
  const stepsWidth = steps.length / (2 * count)
  const mean = Float32Array.from({ length: 3 * count }, () => random.uniform())
  return { count, mean, width: 3, steps, stepsWidth }
}

test('signs: features that hold a sign tell it, and features of still frames or noise tell nothing', () => {
  const count = 60
  const random = new RandomStream(4, 'movements')
  const movements = Array.from({ length: count }, () => ({ x: random.uniform() - 0.5, y: random.uniform() - 0.5 }))
  const flow = measureSigns(
    features(count, (i, back) => [back ? -movements[i].x : movements[i].x, back ? -movements[i].y : movements[i].y]),
    movements,
  )
  expect(flow.flowDirection).toBeGreaterThan(0.95)
  expect(flow.arrowOfTime).toBeLessThan(0.7)
  const time = measureSigns(
    features(count, (_, back, stream) => [back ? 1 : 0, stream.uniform()]),
    movements,
  )
  expect(time.arrowOfTime).toBe(1)
  // The same whichever way the clip runs: a still frame.
  const still = measureSigns(
    features(count, (i) => [Math.sin(7 * i), Math.cos(5 * i), i % 3]),
    movements,
  )
  expect(still.arrowOfTime).toBe(0.5)
  expect(still.flowDirection).toBe(0.5)
  const noise = measureSigns(
    features(count, (_, __, stream) => Array.from({ length: 40 }, () => stream.uniform())),
    movements,
  )
  expect(Math.abs(noise.arrowOfTime - 0.5)).toBeLessThan(0.2)
  expect(Math.abs(noise.flowDirection - 0.5)).toBeLessThan(0.2)
  expect(noise.effectiveRank).toBeGreaterThan(2.5)
})

test('how many videos: as asked, but no more than there are, than a twentieth of the training pays for, or than memory holds', () => {
  const facts = { videos: 1000, clipsBetween: 16_000, clipBytes: 1e5 }
  expect(probeCount(128, facts)).toBe(128)
  expect(probeCount(128, { ...facts, videos: 70 })).toBe(70)
  expect(probeCount(128, { ...facts, clipsBetween: 3200 })).toBe(80)
  expect(probeCount(128, { ...facts, clipBytes: 2 ** 20 })).toBe(128)
  expect(probeCount(200, { ...facts, clipBytes: 2 ** 20 })).toBe(128)
  // Too few to say anything, unless somebody asks for so few.
  expect(probeCount(128, { ...facts, videos: 63 })).toBe(0)
  expect(probeCount(128, { ...facts, clipsBetween: 2400 })).toBe(0)
  expect(probeCount(16, { ...facts, clipsBetween: 640 })).toBe(16)
  expect(probeCount(16, { ...facts, clipsBetween: 600 })).toBe(0)
  expect(probeCount(4, facts)).toBe(0)
  expect(probeCount(0, facts)).toBe(0)
})

test('what signs say against a run: collapsed features, and motion that is told no better than at the start', () => {
  const line = (step: number, arrowOfTime: number, flowDirection: number, effectiveRank = 20) => ({
    ...{ step, arrowOfTime, flowDirection, effectiveRank, videos: 100 },
  })
  const start = line(0, 0.5, 0.6)
  expect(signsWarnings([start, line(500, 0.5, 0.66)])).toEqual([])
  expect(signsWarnings([start, line(500, 0.56, 0.6)])).toEqual([])
  expect(signsWarnings([start, line(500, 0.54, 0.64)])).toEqual([
    expect.stringContaining(
      '(direction of flow 0.64, before 0.60; arrow of time 0.54, before 0.50; standard error 0.05)',
    ),
  ])
  expect(signsWarnings([start, line(500, 0.9, 0.9, 1.2)])).toEqual([expect.stringContaining('rank is 1.2, after 20.0')])
  for (const lines of [[], [start], [line(500, 0.5, 0.6), line(1000, 0.5, 0.6)]])
    expect(signsWarnings(lines)).toEqual([])
})
