import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { type LabeledDataset, openDataset, sortClasses } from './dataset.ts'
import { splitDataset } from './split.ts'
import { formatSplitRecord, recordOfSplit } from './split-record.ts'

const folder = folderForTests('videomae-dataset-')
const inFolder = (...parts: string[]): string => path.join(folder, ...parts)

const names = Array.from({ length: 14 }, (_, i) => `v${i}.mp4`)
for (const [i, name] of names.entries()) writeFileSync(inFolder(name), `content ${i}`)

const open = (header: string, rows: readonly string[], options = {}): Promise<LabeledDataset> => {
  writeFileSync(inFolder('list.csv'), `${header}\n${rows.join('\n')}\n`)
  return openDataset(inFolder('list.csv'), options)
}

describe('classes that are numbers', () => {
  test('have the indices of the list where it counts from 0 without gaps', async () => {
    const { classes, videos, notes } = await open(
      'path,label',
      names.map((name, i) => `${name},${i % 12}`),
    )
    expect(classes).toEqual(Array.from({ length: 12 }, (_, i) => String(i)))
    expect(videos.every(({ label, class: index }) => Number(label) === index)).toBe(true)
    expect(notes).toEqual([])
  })

  test('counted from 1, or with gaps, keep their order: said', async () => {
    const from1 = await open('path,label', [`${names[0]},1`, `${names[1]},10`, `${names[2]},2`])
    expect(from1.classes).toEqual(['1', '2', '10'])
    expect(from1.notes).toEqual([expect.stringMatching(/class 1 has index 0 in the model/)])
    const whole = await open('path,label', [`${names[0]},1`, `${names[1]},2`])
    expect(whole.notes).toEqual([expect.stringMatching(/the classes 1 to 2 of the data are counted from 1/)])
    const gap = await open('path,label', [`${names[0]},0`, `${names[1]},1`, `${names[2]},5`])
    expect(gap.notes).toEqual([expect.stringMatching(/not 0, 1, 2, \.\.\. without gaps: class 5 has index 2/)])
  })

  test('are sorted as text where one is none', () => {
    expect(sortClasses(['10', '9', 'b'])).toEqual(['10', '9', 'b'])
    expect(sortClasses(['10.0', '9.0'])).toEqual(['9.0', '10.0'])
  })
})

describe('splits of the data', () => {
  const rows = (splits: readonly string[]) =>
    splits.map((split, i) => `${names[i]},${i % 2 === 0 ? 'a' : 'b'},${split}`)

  test('are refused where a word is none of theirs, with line, nearest word and count', async () => {
    await expect(open('path,label,split', rows(['train', 'train', 'tset', 'holdout']))).rejects.toMatchObject({
      code: 'SPLIT_INVALID',
      message: expect.stringMatching(/v2\.mp4 \(line 4\) has "tset", and 1 more .*Did you mean test\?/),
    })
    await expect(open('path,label,split', rows(['train', '', 'test']))).rejects.toThrow(
      /v1\.mp4 \(line 3\) has nothing/,
    )
    const { videos, notes } = await open('path,label,split', rows(['train', '', 'x']), { ignoreSplit: true })
    expect(videos.every(({ split }) => split === undefined)).toBe(true)
    expect(notes).toEqual([expect.stringMatching(/the split of .* is not used/)])
  })

  test('leave out rows that are in no part by their word, and say so', async () => {
    const { videos, leftOut, notes } = await open('path,label,split', rows(['train', 'train', 'test', ' Unlisted']))
    expect(videos.map(({ id }) => id)).toEqual(['v0.mp4', 'v1.mp4', 'v2.mp4'])
    expect(leftOut).toEqual([{ id: 'v3.mp4', code: 'other part', reason: 'its split is Unlisted, which is no part' }])
    expect(notes).toEqual([expect.stringMatching(/^1 video of .* left out, with the split Unlisted$/)])
    const ignored = await open('path,label,split', rows(['train', 'train', 'test', 'unused']), { ignoreSplit: true })
    expect(ignored.videos.length).toBe(4)
  })

  test.each(['val', 'valid', 'validation', 'validate', 'dev', 'Val '])('%s is validation', async (word) => {
    const { videos, classes } = await open('path,label,split', rows(['train', 'train', word, 'test']))
    expect(splitDataset(videos, classes, { seed: 0 }).validation.map(({ id }) => id)).toEqual(['v2.mp4'])
  })

  test('of folders are honored, and every row is in one part', async () => {
    for (const part of ['train', 'val', 'test'])
      for (const label of ['red', 'blue']) {
        mkdirSync(inFolder('data', part, label), { recursive: true })
        for (let i = 0; i < 3; i++)
          writeFileSync(inFolder('data', part, label, `${part}${i}.mp4`), `${part}${label}${i}`)
      }
    symlinkSync('/nonexistent.mp4', inFolder('data', 'train', 'red', 'gone.mp4'))
    const dataset = await openDataset(inFolder('data'))
    const split = splitDataset(dataset.videos, dataset.classes, { seed: 0, shots: 2 })
    const record = recordOfSplit(dataset, split)
    expect(record).toMatchObject({ rows: 19, train: 4, validation: 6, test: 6 })
    expect(split.test.every(({ id }) => id.startsWith('test/'))).toBe(true)
    expect(record.leftOut.map(({ code }) => code).sort()).toEqual(['shots', 'shots', 'unusable'])
    expect(formatSplitRecord(record)).toMatch(
      /^19 rows: 4 train, 6 validation, 6 test; 3 left out: 1 unusable \(train\/red\/gone\.mp4\), 2 shots/,
    )
  })
})

describe('labels', () => {
  test('that are unknown are shown next to a few near ones, not next to all classes', async () => {
    const classes = Array.from({ length: 400 }, (_, i) => `class ${i} of many`)
    const error = await open('path,label', [`${names[0]},class 17 fo many`, `${names[1]},class 1 of many`], {
      classes,
    }).catch((thrown: Error) => thrown)
    expect(error).toMatchObject({ code: 'LABEL_UNKNOWN' })
    const { message } = error as Error
    expect(message).toMatch(/one of 400 classes \(near to class 17 fo many: class 17 of many, /)
    expect(message).toMatch(/the first is v0\.mp4 \(line 2\)/)
    expect(message.length).toBeLessThan(400)
  })

  test('with accents written apart are the classes of a classifier with composed ones, and the reverse', async () => {
    const classes = ['grün'.normalize('NFD'), 'café'.normalize('NFC')]
    const rows = ['grün', 'café'].flatMap((label, i) =>
      (['NFC', 'NFD'] as const).map((form, j) => `${names[2 * i + j]},${label.normalize(form)}`),
    )
    const { videos } = await open('path,label', rows, { classes })
    expect(videos.map(({ class: index }) => index)).toEqual([0, 0, 1, 1])
    expect(videos.map(({ label }) => label)).toEqual([0, 0, 1, 1].map((index) => classes[index]))
    const two = ['NFC', 'NFD'].map((form) => 'grün'.normalize(form))
    await expect(open('path,label', rows, { classes: two })).rejects.toThrow(/different names/)
  })

  test('that are one number, or differ in case or blanks alone, are said', async () => {
    const labeled = (...labels: string[]) =>
      open(
        'path;label',
        labels.map((label, i) => `${names[i]};${label}`),
      )
    expect((await labeled('1', '01', '2')).notes).toContainEqual(expect.stringMatching(/^"01" and "1" are 2 classes/))
    expect((await labeled('long jump', 'Long  Jump')).notes).toEqual([
      expect.stringMatching(/^"Long {2}Jump" and "long jump" are 2 classes: .*use one spelling/),
    ])
    expect((await labeled('long jump', 'long-jump')).notes).toEqual([])
  })

  test('that are missing are named with their line', async () => {
    await expect(open('path,label', [`${names[0]},a`, names[1]])).rejects.toThrow(
      /1 have none; the first is v1\.mp4 \(line 3\)/,
    )
  })
})
