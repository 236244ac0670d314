/** Signs of learning of whole runs: when they are measured, and that they change nothing of the training. */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import type { RunInput } from '../../src/train/configuration.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import type { SignsLine } from '../../src/train/signs/run-signs.ts'
import { curve } from '../support/tiny-run.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-signs-'))
  await generateMotionDataset(path.join(folder, 'videos'), { clips: 16, size: 32, frames: 8 })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Four steps of 320 clips and a checkpoint every second: just enough clips to pay for 16 videos. */
const run = (signs: number): RunInput => ({
  data: { path: path.join(folder, 'videos'), samplesPerClip: 16, workers: 1 },
  clip: { stride: 1 },
  mask: { ratio: 0.5 },
  model: {
    ...{ width: 16, depth: 1, heads: 2, frames: 4, resolution: 16, patch: 8 },
    decoder: { width: 8, depth: 1, heads: 1 },
  },
  batch: { size: 320, perRun: 32 },
  optimizer: { baseLearningRate: 0.01 },
  schedule: { duration: '4 steps', warmup: '1 steps' },
  engine: { threads: 1 },
  checkpoint: { every: '2 steps' },
  log: { every: '1 steps', tensorboard: false, csv: true, signs },
})

const linesOf = (out: string): SignsLine[] =>
  readFileSync(path.join(out, 'signs.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as SignsLine)

test('are measured at the start, at checkpoints and at the end, also by a run that is stopped in a look; losses stay the same', async () => {
  const [whole, stopped, without] = ['whole', 'stopped', 'without'].map((name) => path.join(folder, name))
  const notes: string[] = []
  const { signs } = await pretrain(run(16), { out: whole, onNote: (note) => notes.push(note) })
  const lines = linesOf(whole)
  expect(lines.map(({ step, videos }) => [step, videos])).toEqual([0, 2, 4].map((step) => [step, 16]))
  for (const { arrowOfTime, flowDirection, effectiveRank } of lines) {
    for (const share of [arrowOfTime, flowDirection]) expect(share >= 0 && share <= 1).toBe(true)
    expect(effectiveRank).toBeGreaterThan(1)
    expect(effectiveRank).toBeLessThanOrEqual(15)
  }
  expect(lines[2]).not.toEqual({ ...lines[0], step: 4 })
  expect(signs).toEqual(lines[2])
  expect(notes.filter((note) => note.startsWith('signs of learning after step')).length).toBe(2)
  expect(notes.filter((note) => note.startsWith('signs of learning before training')).length).toBe(1)

  // The signal comes before the look of step 2, which is then left out: the run makes up for it.
  const controller = new AbortController()
  const onProgress = ({ step }: { readonly step: number }): void => {
    if (step === 2) controller.abort()
  }
  const first = pretrain(run(16), { out: stopped, signal: controller.signal, onProgress })
  await expect(first).rejects.toMatchObject({ code: 'INTERRUPTED' })
  expect(linesOf(stopped)).toEqual(lines.slice(0, 1))
  await pretrain(run(16), { out: stopped, resume: true })
  expect(linesOf(stopped)).toEqual(lines)

  // The table has the lines of metrics.jsonl, of a run that continues, too.
  for (const out of [whole, stopped]) {
    const [head, ...rows] = readFileSync(path.join(out, 'metrics.csv'), 'utf8').trimEnd().split('\n')
    const lines = readFileSync(path.join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
    const names = head.split(',')
    expect(names).toEqual(Object.keys(JSON.parse(lines[0]) as object))
    expect(rows).toEqual(
      lines.map((line) =>
        Object.values(JSON.parse(line) as object)
          .map((value) => value ?? '')
          .join(','),
      ),
    )
  }

  const none = await pretrain(run(0), { out: without })
  expect(none.signs).toBeNull()
  expect(existsSync(path.join(without, 'signs.jsonl'))).toBe(false)
  expect(curve(whole)).toEqual(curve(without))
  expect(curve(stopped)).toEqual(curve(without))
})
