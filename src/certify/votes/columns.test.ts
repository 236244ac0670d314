/** The order of columns: what their names say, what contradicts it, and what is said where they say nothing. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type ImportOptions, importBallots } from '../import-votes.ts'
import { votesOfInput } from '../rules/ballot.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-columns-'))
afterAll(() => rmSync(folder, { recursive: true }))

let written = 0
function file(content: string): string {
  const location = path.join(folder, `${written++}.csv`)
  writeFileSync(location, content)
  return location
}

describe('columns of scores are read by the classes in their names:', () => {
  const classNames = ['cat', 'dog']
  const read2 = async (header: string, row: string, options: Partial<ImportOptions> = {}) => {
    const { ballots, reading } = await importBallots(file(`id,${header}\na,${row}\n`), {
      kind: 'scores',
      classes: 2,
      classNames,
      learners: 2,
      ...options,
    })
    const { reordered, notes = [], columns } = reading ?? {}
    return { votes: [...votesOfInput(ballots, 0)], reordered, notes: notes.join('; '), columns }
  }

  // Learner 0 votes for dog and learner 1 for cat.
  test.each<[string, string, boolean]>([
    ['l0_dog,l0_cat,l1_dog,l1_cat', '9,1,2,8', true],
    ['l0_dog,l1_dog,l0_cat,l1_cat', '9,2,1,8', true],
    ['l1_cat,l1_dog,l0_cat,l0_dog', '8,2,1,9', true],
    ['l0_cat,l0_dog,l1_cat,l1_dog', '1,9,8,2', false],
    ['dog_l0,cat_l0,dog_l1,cat_l1', '9,1,2,8', true],
    ['l0.Dog.score,l0.Cat.score,l1.Dog.score,l1.Cat.score', '9,1,2,8', true],
    ['dog0,cat0,dog1,cat1', '9,1,2,8', true],
    ['dog0,dog1,cat0,cat1', '9,2,1,8', true],
  ])('%s', async (header, row, moved) => {
    const found = await read2(header, row)
    expect(found).toMatchObject({ votes: [1, 0], reordered: moved })
    expect(found.notes).toMatch(moved ? /^columns are scores of the classes in their names/ : /^$/)
  })

  test('learners without numbers keep the order of the file', async () => {
    for (const [header, row] of [
      ['vitDog,vitCat,resnetDog,resnetCat', '9,1,2,8'],
      ['vitdog,resnetdog,vitcat,resnetcat', '9,2,1,8'],
    ]) {
      const found = await read2(header, row)
      expect(found).toMatchObject({ votes: [1, 0], reordered: false })
      expect(found.notes).toMatch(/sorted into the order .*; the names .* do not give the order of base classifiers/)
    }
  })

  test('the longest name counts, seeds are added up, numbers may be names', async () => {
    const cats = await read2('l0 black cat,l0 cat,l1 black cat,l1 cat', '9,1,2,8', { classNames: ['cat', 'black cat'] })
    expect(cats).toMatchObject({ votes: [1, 0], reordered: true })
    const seeds = 'l0_s1_dog,l0_s1_cat,l0_s0_dog,l0_s0_cat,l1_s0_dog,l1_s0_cat,l1_s1_dog,l1_s1_cat'
    expect(await read2(seeds, '9,1,0,2,3,1,0,9', { seeds: 2 })).toMatchObject({ votes: [1, 0], reordered: true })
    const numbers = await read2('l0_20,l0_10,l1_20,l1_10', '9,1,2,8', { classNames: ['10', '20'] })
    expect(numbers.votes).toEqual([1, 0])
  })

  test.each<[string, string, Partial<ImportOptions>?]>([
    ['a class twice', 'l0_dog,l0_cat,l1_dog,l1_bird'],
    ['other names for one learner', 'l0_dog,l0_cat,l1_a,l1_b'],
    ['classes on both sides', 'dog_cat,cat_cat,dog_dog,cat_dog'],
    ['learners that are not in order', 'l7_dog,l7_cat,l2_dog,l2_cat'],
    [
      'seeds before learners',
      's0_l0_dog,s0_l0_cat,s0_l1_dog,s0_l1_cat,s1_l0_dog,s1_l0_cat,s1_l1_dog,s1_l1_cat',
      { seeds: 2 },
    ],
  ])('%s is refused', async (_, header, options) => {
    const row = header.replace(/[^,]+/g, '1')
    await expect(read2(header, row, options)).rejects.toMatchObject({
      code: 'VOTES_INVALID',
      message: expect.stringContaining(JSON.stringify(header.split(',')[0])),
    })
  })
})

describe('with a given number of learners, names of columns', () => {
  const notesOf = async (content: string, options: Partial<ImportOptions>) =>
    (await importBallots(file(content), { kind: 'votes', classes: 3, ...options })).reading?.notes.join('; ') ?? ''
  const row = (header: string) => `id,${header}\na,${header.replace(/[^,]+/g, '1')}\n`

  test.each<[string, Partial<ImportOptions>]>([
    ['l10,l2,l3', { learners: 3 }],
    ['net2,net1,vit', { learners: 3 }],
    ['l0_dog,l1_dog,l0_cat,l1_cat', { kind: 'scores', classes: 2, learners: 2 }],
    ['l0_dog,l0_cat,l1_cat,l1_dog', { kind: 'scores', classes: 2, learners: 2 }],
    ['c0_l0,c0_l1,c1_l0,c1_l1', { kind: 'scores', classes: 2, learners: 2 }],
    ['x0_y0,x0_y1,x0_y2,x1_y0,x1_y1,x1_y2', { kind: 'scores', classes: 2, learners: 3 }],
    [
      's0_l0_c0,s0_l0_c1,s0_l1_c0,s0_l1_c1,s1_l0_c0,s1_l0_c1,s1_l1_c0,s1_l1_c1',
      { kind: 'scores', classes: 2, learners: 2, seeds: 2 },
    ],
  ])('that contradict the order of the file are refused: %s', async (header, options) => {
    await expect(importBallots(file(row(header)), { kind: 'votes', classes: 3, ...options })).rejects.toMatchObject({
      code: 'VOTES_INVALID',
      message: expect.stringContaining(JSON.stringify(header.split(',')[0])),
      hint: expect.stringMatching(/Put the columns in the order/),
    })
  })

  test.each<[string, Partial<ImportOptions>, RegExp]>([
    ['vit,swin,resnet', { learners: 3 }, /^the names of columns do not give the order of base classifiers/],
    [
      'a,b,c,d',
      { kind: 'scores', classes: 2, learners: 2 },
      /order of the file is used, each base classifier .* order 0 to 1$/,
    ],
    ['a,b,c,d', { kind: 'scores', classes: 2, learners: 2, classNames: ['x', 'y'] }, /in the order x, y$/],
    ['l2,l3,l10', { learners: 3 }, /^$/],
    ['v2_l1,v2_l0,v2_l2', { learners: 3 }, /^$/],
    ['l0_c0,l1_c0,l0_c1,l1_c1', { kind: 'scores', classes: 2, learners: 2 }, /^$/],
    ['l2_c0,l2_c1,l5_c0,l5_c1', { kind: 'scores', classes: 2, learners: 2 }, /^$/],
  ])('that say nothing are noted once, others are not: %s', async (header, options, note) => {
    const notes = (await notesOf(row(header), { firstClass: options.kind === 'scores' ? 0 : 1, ...options }))
      .split('; ')
      .filter((each) => !/highest score/.test(each))
    expect(notes.join('; ')).toMatch(note)
  })

  test('are not there without a header', async () => {
    expect(await notesOf('2,2,1\n0,1,2\n', { learners: 3 })).toMatch(/^the names of columns do not give the order/)
  })
})
