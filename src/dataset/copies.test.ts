import { expect, test } from 'vitest'
import { copyWarnings } from './copies.ts'

const video = (id: string, digest: string | null, label = 'a') => ({ id, digest, label })

test('contents under several names are named, and those with several labels', () => {
  expect(copyWarnings([video('1', 'x'), video('2', 'y'), video('3', null), video('4', null)], 'both count')).toEqual([])
  expect(copyWarnings([video('1', 'x'), video('2', 'y'), video('3', 'x')], 'both count')).toEqual([
    '1 file content occurs more than once, e.g. 1 = 3; both count.',
  ])
  const more = [video('1', 'x'), video('2', 'x'), video('3', 'y'), video('4', 'y', 'b'), video('5', 'y')]
  expect(copyWarnings(more, 'both count')).toEqual([
    '2 file contents occur more than once, e.g. 1 = 2; both count.',
    '1 file content has several labels, e.g. 3 (a) and 4 (b).',
  ])
})
