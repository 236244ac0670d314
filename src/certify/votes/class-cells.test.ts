/** Cells that may be names of classes or numbers that count them. Oracle: votes by hand. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type ImportOptions, importBallots } from '../import-votes.ts'
import { votesOfInput } from '../rules/ballot.ts'
import { describeReading } from './reading.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-class-cells-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Votes of each input, true classes, and how the file was read. */
async function read(content: string, options: Partial<ImportOptions> = {}) {
  const file = path.join(folder, 'votes.csv')
  writeFileSync(file, content)
  const { ballots, labels, reading } = await importBallots(file, { kind: 'votes', classes: 3, ...options })
  const votes = Array.from({ length: ballots.inputs }, (_, t) => [...votesOfInput(ballots, t)])
  return { votes, labels, reading, text: reading === undefined ? '' : describeReading(reading) }
}

describe('names that are numbers', () => {
  test.each([
    [
      ['1', '2', '3'],
      'l0,l1\n1,2\n2,2\n',
      [
        [0, 1],
        [1, 1],
      ],
      'by their names',
      /1 is class 1\. As numbers counted from 0 .* 1 would be class 2\./,
    ],
    [
      ['1', '0'],
      'l0,l1\n1,0\n-1,1\n',
      [
        [0, 1],
        [2, 0],
      ],
      'by their names',
      /1 is class 1\. .* 1 would be class 0\./,
    ],
    [
      ['1', '2', '3'],
      'l0,l1\n1,3\n2,2\n',
      [
        [0, 2],
        [1, 1],
      ],
      'by their names',
      null,
    ],
    [['7', '9'], 'l0,l1\n7,9.0\n', [[0, 1]], 'by their names', null],
    [['2', '1'], 'l0,l1\n1,2.0\n', [[1, 0]], 'by their names', null],
    [['0', '1'], 'l0,l1\n1,0\n', [[1, 0]], 'counted from 0', null],
    [['a', 'b'], 'l0,l1\na,b\n', [[0, 1]], 'by their names', null],
    [['a', 'b'], 'l0,l1\na,1\n', [[0, 1]], 'by their names and counted from 0', null],
  ])('%j: what cells are is said', async (classNames, content, votes, words, note) => {
    const found = await read(content, { classNames, classes: classNames.length })
    expect(found.votes).toEqual(votes)
    expect(found.text).toContain(`${classNames.length} classes ${words};`)
    const notes = found.reading?.notes.filter((text) => text.startsWith('cells are names')) ?? []
    expect(notes).toEqual(note === null ? [] : [expect.stringMatching(note)])
    expect(found.reading?.notes.join()).not.toContain('--first-class')
  })

  test('are not counted from anything', async () => {
    for (const [classNames, firstClass] of [
      [['2', '1'], 1],
      [['1', '2', '3'], 0],
    ] as const)
      await expect(read('l0,l1\n1,2\n', { classNames, classes: classNames.length, firstClass })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining(classNames.join(', ')),
      })
    const other = read('l0\n0\n', { classNames: ['2', '1'], classes: 2 })
    await expect(other).rejects.toMatchObject({ hint: expect.not.stringContaining('--first-class') })
    const own = await read('l0,l1\n1,2\n', { classNames: ['1', '2', '3'], firstClass: 1 })
    expect(own.votes).toEqual([[0, 1]])
    expect(own.text).toContain('3 classes counted from 1')
  })

  test('of true classes are those of votes', async () => {
    const scores = { kind: 'scores', classes: 2, classNames: ['1', '0'] } as const
    const found = await read('label,l0_c0,l0_c1\n1,0.25,0.5\n', scores)
    expect(found.labels).toEqual([0])
    expect(found.reading?.notes.join()).toContain('1 would be class 0')
  })
})
