/** Cross-validation: every video is tested once, by a classifier that has not seen its group. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LabeledVideo } from '../../src/dataset/dataset.ts'
import { foldsOf } from '../../src/dataset/folds.ts'
import { finetuneConfiguration } from '../../src/finetune/configuration.ts'
import { crossValidate } from '../../src/finetune/cross-validation.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runHere } from '../cli/run-here.ts'
import { shakenState, tinyConfiguration } from '../model/tiny.ts'

const video = (i: number, group: number, label: number, digest = `d${i}`): LabeledVideo => ({
  ...{ path: `v${i}.mp4`, id: `v${i}.mp4`, group: `g${group}`, label: `c${label}`, class: label, digest },
})

describe('folds', () => {
  const classes = ['c0', 'c1']
  // Groups of one to three videos; the class of a group alternates.
  const videos = Array.from({ length: 60 }, (_, i) => {
    const group = Math.floor(i / 3) + (i % 3 === 2 ? 100 : 0)
    return video(i, group, group % 2)
  })

  it('keep groups and copies together, and have the same share of each class', () => {
    const copies = [...videos, video(60, 500, 0, 'd0')]
    const folds = foldsOf(copies, classes, { folds: 5, seed: 1 })
    const byGroup = new Map(copies.map(({ group }, i) => [group, folds[i]]))
    for (const [i, { group }] of copies.entries()) expect(folds[i]).toBe(byGroup.get(group))
    expect(folds[60]).toBe(folds[0])
    for (const label of [0, 1]) {
      const counts = [0, 1, 2, 3, 4].map(
        (fold) => copies.filter((one, i) => one.class === label && folds[i] === fold).length,
      )
      expect(Math.max(...counts) - Math.min(...counts), String(counts)).toBeLessThanOrEqual(3)
    }
  })

  it('follow from the seed, and differ from repeat to repeat', () => {
    const of = (seed: number, repeat: number) => foldsOf(videos, classes, { folds: 5, seed, repeat }).join('')
    expect(of(1, 0)).toBe(of(1, 0))
    expect(new Set([of(1, 0), of(1, 1), of(2, 0)]).size).toBe(3)
  })

  it('are refused where they are more than groups, or where a class is in one alone', () => {
    const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' })
    for (const folds of [1, 41, 2.5]) expect(() => foldsOf(videos, classes, { folds, seed: 0 })).toThrow(invalid)
    const few = [...videos, video(61, 900, 2), video(62, 900, 2)]
    expect(() => foldsOf(few, [...classes, 'c2'], { folds: 5, seed: 0 })).toThrow(
      expect.objectContaining({ code: 'SPLIT_INVALID', message: expect.stringContaining('c2') }),
    )
  })
})

describe('finetune --folds', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-folds-'))
  const place = (...parts: string[]): string => path.join(folder, ...parts)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  beforeAll(async () => {
    const configuration = tinyConfiguration({ imageSize: [8, 16] })
    const state = shakenState(parameterShapes(configuration, 'pretrain'))
    await saveCheckpointDirectory(place('encoder'), { configuration, kind: 'pretrain', state })
    const classes = ['left', 'up'] as const
    const { files } = await generateMotionDataset(place('videos'), { clips: 12, size: 32, frames: 8, classes })
    const rows = files.map((file, i) => `${file},${path.basename(path.dirname(file))},g${Math.floor(i / 2)}`)
    writeFileSync(place('list.csv'), ['path,label,group', ...rows, ''].join('\n'))
  })

  it('tests every video once with one interval over all, and computes features once', async () => {
    const configuration = finetuneConfiguration({
      ...{ mode: 'ridge', data: { path: place('list.csv'), workers: 1 }, clip: { sampling: 'dense', stride: 1 } },
      ...{ model: { from: place('encoder') }, evaluation: { clips: 1, crops: 1 } },
      ...{ probe: { readout: 'mean' }, engine: { name: 'reference' } },
    })
    const features: number[] = []
    const onFeatures = (done: number): void => void features.push(done)
    const result = await crossValidate(configuration, { out: place('out'), folds: 3, repeats: 2, onFeatures })
    expect(result).toMatchObject({ videos: 12, groups: 6, folds: 3, repeats: 2, failures: [] })
    const right = result.perFold.reduce((sum, { videos, top1 }) => sum + videos * top1!, 0)
    expect(result.top1.value).toBeCloseTo(right / 24, 12)
    expect(result.top1.high - result.top1.low).toBeGreaterThan(0.4) // six groups, however often they are tested
    for (const repeat of [1, 2]) {
      const tested = [1, 2, 3].flatMap((fold) => {
        const lines = readFileSync(place('out', `repeat-${repeat}-fold-${fold}.csv`), 'utf8')
          .trim()
          .split('\n')
        return lines.filter((line) => line.endsWith(',test'))
      })
      expect(new Set(tested.map((line) => line.split(',')[0])).size).toBe(12)
      expect(tested).toHaveLength(12)
    }
    expect(existsSync(place('out', 'features'))).toBe(true)
    expect(existsSync(place('out', 'repeat-1-fold-1', 'features'))).toBe(false)
    expect(JSON.parse(readFileSync(place('out', 'cross-validation.json'), 'utf8'))).toMatchObject({ state: 'finished' })
    writeFileSync(place('out', 'cross-validation.json'), '{}')
    const again = crossValidate(configuration, { out: place('out'), folds: 3 })
    await expect(again).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
  })

  it.each(['--resume', '--page', '--dry-run', '--print-config'])(
    'is refused beside what it has no use for: %s',
    async (option) => {
      const { document } = await runHere(
        'finetune',
        place('list.csv'),
        '--from',
        place('encoder'),
        '--folds',
        '2',
        option,
      )
      expect(document.error?.code).toBe('INVALID_ARGUMENT')
      expect(document.error?.message).toContain(option)
    },
  )
})
