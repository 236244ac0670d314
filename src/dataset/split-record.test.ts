import { describe, expect, test } from 'vitest'
import type { LabeledVideo } from './dataset.ts'
import { selectPart } from './split.ts'
import { formatSplitRecord, recordSplit } from './split-record.ts'

const video = (id: string, split?: string): LabeledVideo => ({
  path: `/v/${id}`,
  id,
  label: 'a',
  class: 0,
  digest: id,
  ...(split === undefined ? {} : { split }),
})

describe('recordSplit', () => {
  const videos = [video('a', 'train'), video('b', 'Valid'), video('c', 'dev'), video('d', 'test')]

  test('counts every row once', () => {
    const { chosen, leftOut } = selectPart(videos, 'test')
    const gone = { id: 'broken.mp4', code: 'unusable', reason: 'a broken link' } as const
    const record = recordSplit(videos, { test: chosen }, [...leftOut, gone])
    expect(record).toMatchObject({ rows: 5, train: 0, validation: 0, test: 1 })
    expect(record.leftOut.map(({ id, code }) => [id, code])).toEqual([
      ['a', 'other part'],
      ['b', 'other part'],
      ['c', 'other part'],
      ['broken.mp4', 'unusable'],
    ])
    expect(formatSplitRecord(record)).toBe(
      '5 rows: 1 test; 4 left out: 3 other part (a, b, c), 1 unusable (broken.mp4)',
    )
  })

  test('refuses a row that is nowhere, or twice', () => {
    expect(() => recordSplit(videos, { train: videos.slice(1) }, [])).toThrow(/a in one part .* in 0 parts/)
    expect(() => recordSplit(videos, { train: videos, test: [videos[3]] }, [])).toThrow(/d in one part .* in 2 parts/)
  })
})

describe('selectPart', () => {
  test('leaves out nothing where there is no split, or all of it is asked for', () => {
    const plain = [video('a'), video('b')]
    expect(selectPart(plain, 'test')).toEqual({ chosen: plain, leftOut: [] })
    const odd = [video('a', 'x'), video('b')]
    expect(selectPart(odd, 'all')).toEqual({ chosen: odd, leftOut: [] })
  })

  test('drops no row with an empty or unknown part', () => {
    expect(() => selectPart([video('a', 'test'), video('b')], 'test')).toThrow(/b has ""/)
    expect(() => selectPart([video('a', 'test'), video('b', 'tset')], 'test')).toThrow(/b has "tset"/)
  })
})

test('takes what a repeated row is called for no video, although it may be the id of one', () => {
  const videos = [{ id: 'v1' }, { id: 'v1 (line 3)' }]
  const repeated = { id: 'v1 (line 3)', code: 'repeated', reason: 'line 3 names v1 again (line 2)' } as const
  expect(recordSplit(videos, { train: videos }, [repeated])).toMatchObject({ rows: 3, train: 2 })
  expect(() => recordSplit(videos, { train: videos, test: [{ id: 'v1' }] }, [repeated])).toThrow('in 2 parts')
})
