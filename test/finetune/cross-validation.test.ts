/** Cross-validation: every video is tested once, by a classifier that has not seen its group. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { type LabeledVideo, openDataset } from '../../src/dataset/dataset.ts'
import { foldsOf, foldsOfColumn } from '../../src/dataset/folds.ts'
import { finetuneConfiguration } from '../../src/finetune/configuration.ts'
import { crossValidate } from '../../src/finetune/cross-validation.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { runHere } from '../support/run-here.ts'
import { shakenState, tinyConfiguration } from '../support/tiny-model.ts'

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

  test('keep groups and copies together, and have the same share of each class', () => {
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

  test('follow from the seed, and differ from repeat to repeat', () => {
    const of = (seed: number, repeat: number) => foldsOf(videos, classes, { folds: 5, seed, repeat }).join('')
    expect(of(1, 0)).toBe(of(1, 0))
    expect(new Set([of(1, 0), of(1, 1), of(2, 0)]).size).toBe(3)
  })

  test('are refused where they are more than groups, or where a class is in one alone', () => {
    const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' })
    for (const folds of [1, 41, 2.5]) expect(() => foldsOf(videos, classes, { folds, seed: 0 })).toThrow(invalid)
    const few = [...videos, video(61, 900, 2), video(62, 900, 2)]
    expect(() => foldsOf(few, [...classes, 'c2'], { folds: 5, seed: 0 })).toThrow(
      expect.objectContaining({ code: 'SPLIT_INVALID', message: expect.stringContaining('c2') }),
    )
  })
})

describe('folds of a list', () => {
  const classes = ['c0', 'c1']
  const rows = (folds: readonly (string | undefined)[], groups = folds.map((_, i) => i)) =>
    folds.map((fold, i) => ({ ...video(i, groups[i], i % 2), line: i + 2, ...(fold === undefined ? {} : { fold }) }))
  const refused = (message: string) =>
    expect.objectContaining({ code: 'SPLIT_INVALID', message: expect.stringContaining(message) })

  test('are in the order of their numbers', () => {
    const { foldOf, names, warnings } = foldsOfColumn(rows(['10', '10', '2', '2']), classes)
    expect({ foldOf, names, warnings }).toEqual({ foldOf: [1, 1, 0, 0], names: ['2', '10'], warnings: [] })
  })

  test('are refused where a group is in several, a video in none, or a class in one', () => {
    const [a, b] = ['a', 'b']
    expect(() => foldsOfColumn(rows([a, a, b, b], [0, 1, 2, 0]), classes)).toThrow(
      refused('Expected every group in one fold, but g0 is in several: v0.mp4 in fold a, v3.mp4 in fold b.'),
    )
    expect(() => foldsOfColumn(rows([a, a, undefined, b]), classes)).toThrow(refused('the first is v2.mp4 (line 4)'))
    expect(() => foldsOfColumn(rows([undefined, undefined]), classes)).toThrow(refused('no video has a fold'))
    expect(() => foldsOfColumn(rows([a, a, a, a]), classes)).toThrow(refused('found 1: a'))
    expect(() => foldsOfColumn(rows([a, b, a, a]), classes)).toThrow(refused('those of c0 are in one'))
  })

  test('with copies in several are named', () => {
    const copies = rows(['a', 'a', 'b', 'b']).map((row, i) =>
      i === 3 ? { ...row, group: undefined, digest: 'd1' } : row,
    )
    expect(foldsOfColumn(copies, classes).warnings).toEqual([
      '1 content is in several folds, e.g. v1.mp4 in fold a, v3.mp4 in fold b; accuracy will look better than it is.',
    ])
  })
})

describe('finetune --folds', () => {
  const folder = folderForTests('videomae-folds-')
  const inFolder = (...parts: string[]): string => path.join(folder, ...parts)
  beforeAll(async () => {
    const configuration = tinyConfiguration({ imageSize: [8, 16] })
    const state = shakenState(parameterShapes(configuration, 'pretrain'))
    await saveCheckpointDirectory(inFolder('encoder'), { configuration, kind: 'pretrain', state })
    const classes = ['left', 'up'] as const
    const { files } = await generateMotionDataset(inFolder('videos'), { clips: 12, size: 32, frames: 8, classes })
    const rows = files.map((file, i) => `${file},${path.basename(path.dirname(file))},g${Math.floor(i / 2)}`)
    writeFileSync(inFolder('list.csv'), ['path,label,group', ...rows, ''].join('\n'))
  })

  test('tests every video once with one interval over all, and computes features once', async () => {
    const configuration = finetuneConfiguration({
      ...{ mode: 'ridge', data: { path: inFolder('list.csv'), workers: 1 }, clip: { sampling: 'dense', stride: 1 } },
      ...{ model: { from: inFolder('encoder') }, evaluation: { clips: 1, crops: 1 } },
      ...{ probe: { readout: 'mean' }, engine: { name: 'reference' } },
    })
    const features: number[] = []
    const onFeatures = (done: number): void => void features.push(done)
    const result = await crossValidate(configuration, { out: inFolder('out'), folds: 3, repeats: 2, onFeatures })
    expect(result).toMatchObject({ videos: 12, groups: 6, folds: 3, repeats: 2, failures: [] })
    const right = result.perFold.reduce((sum, { videos, top1 }) => sum + videos * top1!, 0)
    expect(result.top1.value).toBeCloseTo(right / 24, 12)
    expect(result.top1.high - result.top1.low).toBeGreaterThan(0.4) // six groups, however often they are tested
    for (const repeat of [1, 2]) {
      const tested = [1, 2, 3].flatMap((fold) => {
        const lines = readFileSync(inFolder('out', `repeat-${repeat}-fold-${fold}.csv`), 'utf8')
          .trim()
          .split('\n')
        return lines.filter((line) => line.endsWith(',test'))
      })
      expect(new Set(tested.map((line) => line.split(',')[0])).size).toBe(12)
      expect(tested).toHaveLength(12)
    }
    expect(existsSync(inFolder('out', 'features'))).toBe(true)
    expect(existsSync(inFolder('out', 'repeat-1-fold-1', 'features'))).toBe(false)
    expect(JSON.parse(readFileSync(inFolder('out', 'cross-validation.json'), 'utf8'))).toMatchObject({
      state: 'finished',
    })
    writeFileSync(inFolder('out', 'cross-validation.json'), '{}')
    const again = crossValidate(configuration, { out: inFolder('out'), folds: 3 })
    await expect(again).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })

    // The folds of the list: the first group is one, the others are the other. Features are those of before.
    const [header, ...rows] = readFileSync(inFolder('list.csv'), 'utf8').trim().split('\n')
    const named = rows.map((row) => `${row},${row.endsWith(',g0') ? 'first' : 'rest'}`)
    writeFileSync(inFolder('folds.csv'), [`${header},fold`, ...named, ''].join('\n'))
    const list = { ...configuration, data: { ...configuration.data, path: inFolder('folds.csv') } }
    const cached = { ...list, probe: { ...list.probe, cache: inFolder('out', 'features') } }
    const notes: string[] = []
    const onNote = (note: string): void => void notes.push(note)
    const column = await crossValidate(cached, { out: inFolder('column'), folds: 'column', onNote })
    expect(column).toMatchObject({ videos: 12, folds: 2, repeats: 1 })
    expect(column.perFold.map(({ name, videos }) => [name, videos])).toEqual([
      ['first', 2],
      ['rest', 10],
    ])
    expect(notes.filter((note) => note.includes('fold') && note.includes('not used'))).toEqual([])
    const repeated = crossValidate(cached, { out: inFolder('twice'), folds: 'column', repeats: 2 })
    await expect(repeated).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    const { notes: told } = await openDataset(inFolder('folds.csv'), { digests: false })
    expect(told).toContainEqual(expect.stringContaining('the column fold of'))
  })

  test.each(['--resume', '--page', '--dry-run', '--print-config'])(
    'is refused together with what it has no use for: %s',
    async (option) => {
      const { document } = await runHere(
        'finetune',
        inFolder('list.csv'),
        '--from',
        inFolder('encoder'),
        '--folds',
        '2',
        option,
      )
      expect(document.error?.code).toBe('INVALID_ARGUMENT')
      expect(document.error?.message).toContain(option)
    },
  )
})
