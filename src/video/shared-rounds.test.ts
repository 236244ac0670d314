/** Oracle: the loader of one process, over the same entries and bad files. Ranks run in this process and meet in their agreement. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VideoMaeError } from '../core/errors.ts'
import type { BadFile } from './epoch-order.ts'
import { createLoader, type LoadedBatch, type LoaderOptions } from './loader.ts'
import type { ClipOutcome, ClipReader } from './pool.ts'
import type { RankShare } from './shared-rounds.ts'

/** Answers with the index of the entry in every byte, or with a failure; never in the order of the requests. */
function reader(broken: ReadonlySet<string>): ClipReader {
  return {
    restarts: 0,
    processIds: () => [],
    close: async () => {},
    async read({ entry, crops, key }, target) {
      for (let turn = 0; turn < Number(key[2]) % 3; turn++) await null
      if (broken.has(entry.path))
        return { ok: false, failure: { code: 'VIDEO_UNREADABLE', reason: `${entry.path} is broken` } }
      const clips = target ?? new Uint8Array(crops.length * 3)
      clips.fill(Number(key[2]))
      const views = crops.map(() => ({
        indices: [0],
        seconds: [0],
        crop: { x: 0, y: 0, width: 1, height: 1 },
        flip: false,
      }))
      return { ok: true, clips, result: { views, decoded: 1, used: 1 } } as unknown as ClipOutcome
    },
  }
}

/** Lists of all ranks, for each of them. */
class Meeting {
  private readonly size: number
  private lists: (readonly BadFile[])[] = []
  private waiting: ((all: readonly BadFile[]) => void)[] = []

  constructor(size: number) {
    this.size = size
  }

  agree = (failures: readonly BadFile[]): Promise<readonly BadFile[]> =>
    new Promise((resolve) => {
      this.lists.push(failures)
      this.waiting.push(resolve)
      if (this.waiting.length < this.size) return
      const [all, waiting] = [this.lists.flat(), this.waiting]
      this.lists = []
      this.waiting = []
      for (const each of waiting) each(all)
    })
}

interface Case {
  readonly options: LoaderOptions
  readonly ranks: number
  readonly clips: number
}

interface Taken {
  readonly samples: readonly string[]
  readonly bad: readonly BadFile[]
  readonly error: string | null
}

/** Samples of the first `count` batches, or up to the error. */
async function take(
  options: LoaderOptions,
  startStep: number,
  count: number,
): Promise<{ batches: LoadedBatch[]; bad: BadFile[]; error: string | null }> {
  const bad: BadFile[] = []
  const batches: LoadedBatch[] = []
  try {
    const loader = createLoader({ ...options, onBadFile: (file) => bad.push(file) })
    for await (const batch of loader.batches({ startStep })) {
      // The clips are those of the samples that the batch names.
      batch.samples.forEach(({ index }, i) => {
        if (batch.clips[i * 3] !== index)
          throw new Error(`Expected the clip of ${index}, but it is that of ${batch.clips[i * 3]}.`)
      })
      batches.push(batch)
      if (batches.length === count) break
    }
    return { batches, bad, error: null }
  } catch (error) {
    if (!(error instanceof VideoMaeError)) throw error
    return { batches, bad, error: error.message }
  }
}

const shown = ({ samples }: LoadedBatch): string[] =>
  samples.map(({ epoch, index, copy }) => `${epoch}:${index}:${copy}`)

/** What ranks take together, each round in the order of ranks. */
async function together({ options, ranks, clips }: Case, startStep: number, rounds: number): Promise<Taken> {
  const meeting = new Meeting(ranks)
  const marked = Array.from({ length: ranks }, () => 0)
  const all = await Promise.all(
    Array.from({ length: ranks }, (_, rank) => {
      const commonly = (error: object) => {
        marked[rank]++
        return error
      }
      const share: RankShare = { rank, size: ranks, clips, agree: meeting.agree, commonly }
      return take({ ...options, share }, startStep, rounds)
    }),
  )
  for (const { bad, error, batches } of all) {
    expect(bad).toEqual(all[0].bad)
    expect(error).toBe(all[0].error)
    expect(batches.length).toBe(all[0].batches.length)
  }
  // All have the error, so one of them reports it.
  expect(marked).toEqual(marked.map(() => (all[0].error === null ? 0 : 1)))
  const samples = all[0].batches.flatMap((_, round) => all.flatMap(({ batches }) => shown(batches[round])))
  return { samples, bad: all[0].bad, error: all[0].error }
}

/** Clips of one pixel, of videos `v0`, `v1`, and so on. Default: all can be read. */
function loading(
  videos: number,
  options: Pick<LoaderOptions, 'batchSize' | 'seed'> & Partial<LoaderOptions>,
): LoaderOptions {
  const entries = Array.from({ length: videos }, (_, i) => ({ path: `v${i}`, id: `v${i}` }))
  return {
    entries,
    sampling: { kind: 'strided', frames: 1, stride: 1 },
    size: 1,
    reader: reader(new Set()),
    ...options,
  }
}

/** Cases with every way in which ranks divide batches: several batches a round, one batch for several ranks, and in between. */
const cases = fc
  .record({
    ranks: fc.integer({ min: 1, max: 6 }),
    samplesPerClip: fc.integer({ min: 1, max: 2 }),
    perRank: fc.integer({ min: 1, max: 3 }),
    divisor: fc.integer({ min: 1, max: 4 }),
    entries: fc.integer({ min: 18, max: 40 }),
    twice: fc.integer({ min: 0, max: 5 }),
    broken: fc.array(fc.integer({ min: 0, max: 39 }), { maxLength: 12 }),
    seed: fc.integer({ min: 0, max: 1000 }),
  })
  .map(({ ranks, samplesPerClip, perRank, divisor, entries, twice, broken, seed }) => {
    const clips = perRank * samplesPerClip
    const all = ranks * perRank
    const perBatch = [1, 2, 3, 4].filter((each) => all % each === 0)
    const batchSize = (all / perBatch[divisor % perBatch.length]) * samplesPerClip
    // Some files stand in the list twice, with parts of their own: the second one is left out once the file is bad.
    const names = Array.from({ length: entries }, (_, i) => `v${i < twice ? i + 1 : i}`)
    const list = names.map((path, i) => ({ path, id: `${path}#${i}` }))
    const files = new Set(broken.map((i) => names[i % entries]))
    const options: LoaderOptions = {
      entries: list,
      sampling: { kind: 'strided', frames: 1, stride: 1 },
      size: 1,
      samplesPerClip,
      batchSize,
      seed,
      reader: reader(files),
    }
    return { options, ranks, clips }
  })

test('ranks take what one process takes, and note the same bad files', { timeout: 120_000 }, async () => {
  let failed = 0
  await fc.assert(
    fc.asyncProperty(cases, async (one) => {
      const { options, ranks, clips } = one
      const batchesPerRound = (ranks * clips) / options.batchSize
      const rounds = Math.ceil((3 * options.entries.length) / (batchesPerRound * options.batchSize))
      const shared = await together(one, 0, rounds)
      const alone = await take(options, 0, rounds * batchesPerRound)
      const whole = Math.floor(alone.batches.length / batchesPerRound) * batchesPerRound
      expect(shared.samples).toEqual(alone.batches.slice(0, whole).flatMap(shown))
      expect(shared.error).toBe(alone.error)
      if (alone.error === null) expect(shared.bad).toEqual(alone.bad)
      if (alone.bad.length > 0) failed++
    }),
    { numRuns: 60, seed: 7 },
  )
  expect(failed).toBeGreaterThan(20)
})

test('too few videos that can be read are an error of all ranks, which one of them reports', async () => {
  const options = loading(4, { batchSize: 4, seed: 1, reader: reader(new Set(['v1'])) })
  const { error } = await together({ options, ranks: 2, clips: 2 }, 0, 3)
  expect(error).toMatch(/4 usable videos for one step but found 3 of 4 \(1 unreadable\)/)
})

test.each([
  // Two batches a round, each for two ranks: every rank has the outer or the inner pair.
  {
    ranks: 4,
    clips: 4,
    expected: [
      [0, [0, 3]],
      [0, [1, 2]],
      [1, [4, 7]],
      [1, [5, 6]],
    ],
  },
  // Whole batches.
  {
    ranks: 2,
    clips: 8,
    expected: [
      [0, [0, 1, 2, 3]],
      [1, [4, 5, 6, 7]],
    ],
  },
])('$ranks ranks of $clips clips have whole pairs of a batch, and its number', async ({ ranks, clips, expected }) => {
  const options = loading(16, { samplesPerClip: 2, batchSize: 8, seed: 5 })
  const alone = (await take(options, 0, 2)).batches.flatMap(({ samples }) => samples.map(({ index }) => index))
  const videos = alone.filter((_, i) => i % 2 === 0)
  const meeting = new Meeting(ranks)
  const taken = await Promise.all(
    Array.from({ length: ranks }, async (_, rank) => {
      const share: RankShare = { rank, size: ranks, clips, pairs: true, agree: meeting.agree }
      const [batch] = (await take({ ...options, share }, 0, 1)).batches
      const own = batch.samples.filter(({ copy }) => copy === 0).map(({ index }) => videos.indexOf(index))
      return [batch.step, own]
    }),
  )
  expect(taken).toEqual(expected)
})

test('a run that continues with other ranks takes what the first ones would have taken', async () => {
  const options = loading(23, { batchSize: 4, seed: 3, reader: reader(new Set(['v3', 'v8', 'v20'])) })
  const two = { options, ranks: 2, clips: 4 }
  const before = await together(two, 0, 3)
  const whole = await together(two, 0, 8)
  const after = await together({ options: { ...options, knownBad: before.bad }, ranks: 4, clips: 2 }, 6, 5)
  expect([...before.samples, ...after.samples]).toEqual(whole.samples)
  expect([...before.bad, ...after.bad]).toEqual(whole.bad)
  expect(whole.bad.length).toBe(3)
})

test('ranks that do not fill batches are refused', () => {
  const share: RankShare = { rank: 0, size: 3, clips: 1, agree: async (all) => all }
  expect(() => createLoader({ ...loading(8, { batchSize: 4, seed: 0 }), share })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  )
})
