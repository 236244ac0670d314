/** What does not fit into memory is refused with numbers, before a video is decoded and before anything is allocated. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { attentiveLearnerNeed } from '../../src/certify/videos/learners/attentive.ts'
import type { LearnerKind } from '../../src/certify/videos/learners/learner-options.ts'
import { ensembleSize, requireStudyMemory } from '../../src/certify/videos/memory.ts'
import type { CertifyVideosPlan } from '../../src/certify/videos/plan.ts'
import { prepareLearners } from '../../src/certify/videos/prepare.ts'
import type { LabeledVideo } from '../../src/dataset/dataset.ts'
import { freshEncoder } from '../../src/inference/encoder-source.ts'
import { presetConfiguration } from '../../src/model/presets.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

const memory = vi.hoisted(() => ({ available: 0 }))
vi.mock('../../src/core/available-memory.ts', () => ({ availableMemory: () => memory.available }))

const folder = folderForTests('videomae-certify-memory-')
beforeEach(() => {
  memory.available = 64e9
})

const source = freshEncoder(presetConfiguration('small'), { kind: 'dense', stride: 1, fps: null }, 0)
const video = (i: number): LabeledVideo => ({
  path: `/none/${i}.mp4`,
  id: `${i}`,
  label: 'a',
  class: 0,
  digest: `${i}`,
})
const planOf = (kind: LearnerKind, videos: number): CertifyVideosPlan =>
  ({
    sources: [{ kind: 'untrained', name: 'untrained:x', source }],
    groupOf: null,
    learner: { kind },
    classes: ['a', 'b'],
    split: { train: Array.from({ length: videos }, (_, i) => video(i)), test: [video(-1)] },
    trusted: null,
  }) as unknown as CertifyVideosPlan

const options = { data: '', from: '', cache: path.join(folder, 'store'), engine: 'onnx', threads: 4, workers: 1 }
const size = ensembleSize({ partitions: [10, 5], rules: ['dpa'] })

describe('the need of attentive learners', () => {
  const need = (more: object) =>
    attentiveLearnerNeed(source, { engine: 'onnx', classes: 2, rows: 100, tests: 1, atOnce: 1, ...more }).memory

  test('counts the tokens of the videos of each learner, and the learners that train at once', () => {
    const { encoder, frames, patch, tubelet, imageSize } = source.configuration
    const tokens = (frames / tubelet) * (imageSize[0] / patch) * (imageSize[1] / patch)
    const rowBytes = 4 * tokens * encoder.width
    expect(need({ rows: 1100 }).data - need({ rows: 100 }).data).toBe(1000 * rowBytes)
    const [one, four] = [need({}), need({ atOnce: 4 })]
    expect(four.total - four.program).toBe(4 * (one.total - one.program))
    // Inputs are voted on in turns.
    expect(need({ rows: 1, tests: 1e6 }).data).toBeLessThan(200 * 2 ** 20)
  })
})

describe('a certification is refused where it does not fit', () => {
  test.each(['ridge', 'nearest_mean', 'linear', 'attentive', 'full', 'scratch'] as const)(
    '--learner %s: before the store is opened, with the numbers',
    async (kind) => {
      memory.available = 20e6
      const refused = prepareLearners(planOf(kind, 10), options, async () => 'went on', size)
      await expect(refused).rejects.toMatchObject({
        code: 'OUT_OF_MEMORY',
        message: expect.stringMatching(/the available memory \(20 MB\), but it needs about [\d.]+ [GM]B \(/),
      })
      expect(existsSync(options.cache)).toBe(false)
    },
  )

  test('for the tokens of the videos of a learner: names how many may train at once, or what else to take', async () => {
    const notes: string[] = []
    const told = { ...options, onNote: (note: string) => notes.push(note) }
    await requireStudyMemory(planOf('attentive', 500), told, size)
    expect(notes.join('\n')).toMatch(
      /base classifiers train an attentive head on \d+ tokens .* about 100 videos each, up to 4 at once/,
    )
    expect(notes.join('\n')).toMatch(/features: memory .*\nbase classifiers train .*\nmemory [\d.]+ [GM]B \(/)
    const of = (atOnce: number) =>
      attentiveLearnerNeed(source, { engine: 'onnx', classes: 2, rows: 100, tests: 1, atOnce }).memory.total
    memory.available = of(2) + 1
    await expect(requireStudyMemory(planOf('attentive', 500), options, size)).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      hint: expect.stringContaining('--threads 2'),
    })
    await requireStudyMemory(planOf('attentive', 500), { ...options, threads: 2 }, size)
    await expect(requireStudyMemory(planOf('attentive', 5_000_000), options, size)).rejects.toMatchObject({
      hint: expect.stringMatching(/Not even one base classifier fits: use more --partitions/),
    })
  })

  test('for the features of heads', async () => {
    await requireStudyMemory(planOf('ridge', 500), options, size)
    memory.available = 4e9
    const many = ensembleSize({ partitions: [4_000_000], rules: ['fa'] })
    await expect(requireStudyMemory(planOf('ridge', 62_500), options, many)).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      hint: expect.stringContaining('--partitions'),
    })
  })
})
