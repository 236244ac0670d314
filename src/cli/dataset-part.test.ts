import { expect, test } from 'vitest'
import type { LabeledDataset } from '../dataset/dataset.ts'
import { partOfDataset } from './dataset-part.ts'

const dataset = (splits: readonly (string | undefined)[]): LabeledDataset => ({
  classes: ['a', 'b'],
  videos: splits.map((split, i) => ({
    ...{ path: `${i}.mp4`, id: `${i}.mp4`, label: 'a', class: 0, digest: null },
    ...(split === undefined ? {} : { split }),
  })),
  ...{ duplicates: [], unreadable: [], leftOut: [], sources: [], notes: [] },
})

test('a part is refused for data without a split, unless nobody asked for it', () => {
  const none = dataset([undefined, undefined])
  for (const part of ['train', 'validation', 'test'] as const)
    expect(() => partOfDataset(none, part, true)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', exit: 'usage', message: expect.stringContaining('--split') }),
    )
  expect(partOfDataset(none, 'test').videos).toHaveLength(2)
  expect(partOfDataset(none, 'all', true).videos).toHaveLength(2)
  expect(partOfDataset(dataset(['train', 'test']), 'test', true).videos.map(({ id }) => id)).toEqual(['1.mp4'])
})
