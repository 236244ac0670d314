import { expect, test } from 'vitest'
import { isUnusedWord, partWords, unusedWords } from './list/part-words.ts'
import { pretrainSplitNote, splitUse } from './split-notes.ts'

const rows = (...splits: (string | undefined)[]) =>
  splits.map((split, i) => ({
    path: `/v/${i}.mp4`,
    id: `${i}.mp4`,
    line: i + 2,
    ...(split === undefined ? {} : { split }),
  }))

test('what commands do with a split is said, and what they refuse is warned of', () => {
  expect(splitUse(rows(undefined, undefined))).toEqual({ lines: [], warnings: [] })
  const { lines, warnings } = splitUse(rows('train', 'Training', 'val', 'test', 'unlisted'))
  expect(lines[0]).toMatch(/^split: train 2 .*validation 1 .*test 1 /)
  expect(lines[1]).toBe('split: 1 in no part (unlisted): finetune, evaluate and certify leave them out')
  expect(warnings).toEqual([])
  const wrong = splitUse(rows('train', 'tets', undefined)).warnings
  expect(wrong[0]).toMatch(
    /^1 video with an unknown split \(tets\), first 1\.mp4 \(line 3\): .* refuse .* Did you mean test\?/,
  )
  expect(wrong[1]).toMatch(/^1 video without a split, first 2\.mp4 \(line 4\)/)
})

test('pretraining says which videos of other parts it uses', () => {
  expect(pretrainSplitNote(rows(undefined, undefined))).toBeNull()
  expect(pretrainSplitNote(rows('train', 'train'))).toBeNull()
  expect(pretrainSplitNote(rows('train', 'test', 'test', 'unlisted'))).toBe(
    'the split is not used: all 4 videos are pretrained on, 2 of the test split and 1 with the split unlisted among them. ' +
      'To leave them out, name a list without them.',
  )
})

/** How many characters to change (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]
}

test('no misspelt part is a word for rows in no part', () => {
  for (const part of Object.keys(partWords))
    for (const word of unusedWords) expect(distance(part, word), `${part}, ${word}`).toBeGreaterThan(2)
  expect([' Unlisted ', 'unused'].every(isUnusedWord)).toBe(true)
  expect(['tets', '', 'train', 'unuse'].some(isUnusedWord)).toBe(false)
})
