import { expect, test } from 'vitest'
import { rankBatches } from './rank-batches.ts'

const run = (clipsPerRun: number, runsPerStep = 1) => ({ clipsPerRun, runsPerStep })

test('gives ranks whole runs, or parts of one', () => {
  expect(rankBatches(run(8, 4), { samplesPerClip: 2, ranks: 2 })).toEqual({ clipsPerRun: 8, runsPerStep: 2 })
  expect(rankBatches(run(8), { samplesPerClip: 2, ranks: 4 })).toEqual({ clipsPerRun: 2, runsPerStep: 1 })
})

test('gives no half of a pair where clips are mixed, and says which runs would do', () => {
  const sharing = { samplesPerClip: 2, ranks: 4, pairs: true }
  expect(rankBatches(run(16), sharing)).toEqual({ clipsPerRun: 4, runsPerStep: 1 })
  // A run of one video is mixed with nothing else, on any number of ranks.
  expect(rankBatches(run(2, 4), sharing)).toEqual({ clipsPerRun: 2, runsPerStep: 1 })
  expect(() => rankBatches(run(8), sharing)).toThrow(
    expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('2 or another number that gives each of 4 ranks whole pairs of videos to mix'),
    }),
  )
})

test('gives every rank whole videos, and says which number of clips would do', () => {
  expect(() => rankBatches(run(8), { samplesPerClip: 2, ranks: 3 })).toThrow(
    expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('a multiple of 6, the number of ranks (3) times data.samplesPerClip (2)'),
    }),
  )
})
