import { expect, test } from 'vitest'
import { finetuneConfiguration } from './configuration.ts'
import { proposeBatch } from './proposal.ts'

const gigabytes = (total: number) => ({ total: total * 1e9, available: 8e9 })
const propose = (videos: number, batch: object = {}, samplesPerClip = 1, perClip = 0.1) =>
  proposeBatch(finetuneConfiguration({ data: { samplesPerClip }, batch }), {
    videos,
    perRun: 8,
    need: (perRun) => gigabytes(perRun * perClip),
  })

test.each([
  // videos, samples of each, clips a step
  [90, 1, 16],
  [450, 1, 16],
  [1700, 1, 64],
  [9537, 2, 256], // UCF101, as published
  [3570, 2, 256], // HMDB51, as published
  [240_000, 1, 256],
  [10, 1, 8],
  [90, 3, 15],
])('proposes for %i videos, %i samples each: %i clips a step', (videos, samples, size) => {
  const found = propose(videos, {}, samples)
  expect(found).toMatchObject({ size, learningRate: (1e-3 * size) / samples / 256 })
  expect(size % found!.perRun).toBe(0)
  expect(found!.perRun % samples).toBe(0)
})

test('proposes nothing where the batch is that already, and none smaller than a large one with enough videos', () => {
  expect(propose(1000)).toBeNull()
  expect(propose(3570, { size: 256 }, 2)).toBeNull()
  expect(propose(169_000, { size: 768 }, 2)).toBeNull()
  expect(propose(200, { size: 768 })).toMatchObject({ size: 16 })
})

test('takes as many clips per run as fit into memory, and says what to set', () => {
  const { perRun, text } = propose(90, {}, 1, 3)!
  expect(perRun).toBe(2)
  expect(text).toBe(
    'proposal  16 clips per step instead of 32: a pass over 90 videos then has 5 steps instead of 2; ' +
      '2 in one pass fit into memory; the learning rate is scaled to 0.000063 instead of 0.00013 (--set batch.size=16 --set batch.perRun=2)',
  )
})
