import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { emptyBallots } from '../rules/ballot.ts'
import { certifyBallots } from '../rules/certify-ballots.ts'
import { classNamesOf, declaredClasses, describeClasses } from './class-list.ts'

test('a blank name is no class', async () => {
  await expect(declaredClasses(['run', ' '])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test.each([[[]], [['no-such-file.txt']]])('of %j the error says how classes are named', async (given) => {
  await expect(declaredClasses(given)).rejects.toMatchObject({
    code: 'CLASSES_TOO_FEW',
    hint: expect.stringContaining('an existing file with a name in each line'),
  })
})

describe('a file of names', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'videomae-class-list-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const read = (text: string) => {
    const file = path.join(folder, 'names.txt')
    writeFileSync(file, text)
    return declaredClasses([file])
  }

  test.each<[string, string]>([
    ...['name', 'Label', 'class', 'classes', 'label_name', 'class name', 'id,name', '"label"', 'index\tname'].map(
      (line) => [`${line}\na\nb\n`, 'header (remove the first line if it is one) in line 1'] satisfies [string, string],
    ),
    ['\n\nname\na\nb\n', 'in line 3'],
    ['# classes of 2019\na\nb\n', 'a comment in line 1'],
    ['a\n#b\nc\n', 'a comment in line 2'],
    ['0\ta\n1\tb\n', 'a tab in line 1'],
    ['a\nb\t1\n', 'a tab in line 2'],
    ['0,a\n1,b\n', 'an index beside the name in line 1'],
    ['7; a\n3; b\n', 'an index beside the name in line 1'],
    ['a,0\nb,1\n', 'an index beside the name in line 1'],
    ['1 ApplyEyeMakeup\n2 ApplyLipstick\n', 'an index beside the name in line 1'],
    ['001 a\n002 b\n', 'an index beside the name in line 1'],
    ['a\n"b"\nc\n', 'a name in quotes in line 2'],
    ["'a'\n'b'\n", 'a name in quotes in line 1'],
  ])('refuses %j', async (text, found) => {
    await expect(read(text)).rejects.toMatchObject({
      code: 'CLASSES_INVALID',
      message: expect.stringContaining(found),
    })
  })

  test.each([
    [['a', 'name', 'label']],
    [['2 people', 'no people']],
    [["massaging person's head", 'a, b', '1,000 meters', '0', '1']],
    [['putting "x" on y', "'tis", 'C#']],
    [['0', '1', '2']],
  ])('takes %j', async (names) => {
    expect((await read(`${names.join('\n')}\n`)).declared).toEqual(names)
  })

  test('a name that is no file is a name, also where a header has it', async () => {
    expect((await declaredClasses(['name', 'label'])).declared).toEqual(['name', 'label'])
  })

  test.skipIf(process.platform === 'win32')('that is a pipe is refused, not taken for a name', async () => {
    const pipe = path.join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    await expect(declaredClasses([pipe])).rejects.toMatchObject({ code: 'FILE_NOT_REGULAR' })
  })
})

test('the lists of published data sets have names only', async () => {
  const lists = path.join(import.meta.dirname, '../../../data/classes')
  for (const name of ['hmdb51', 'kinetics400', 'kinetics600', 'kinetics700', 'ssv2', 'ucf101'])
    expect((await declaredClasses([path.join(lists, `${name}.txt`)])).declared!.length).toBeGreaterThan(50)
})

test('a radius under classes of the labels holds against a new class that sorts before all of them', () => {
  const [list, learners] = [{ declared: null, from: 'labels', sha256: null }, 4]
  const certified = (names: readonly string[], votes: readonly string[]) => {
    const ballots = emptyBallots(1, learners, names.length, 1)
    ballots.ranks.set(votes.map((name) => names.indexOf(name)))
    const [{ prediction, radius }] = certifyBallots(ballots, { rule: 'dpa' })
    return { predicted: names[prediction], radius }
  }
  const clean = certified(classNamesOf(list, ['left', 'right'], 'labels.csv'), Array(learners).fill('left'))
  expect(clean).toEqual({ predicted: 'left', radius: 1 })
  const attackedNames = classNamesOf(list, ['aaa', 'left', 'right'], 'labels.csv')
  const attacked = (poisons: number) =>
    certified(
      attackedNames,
      Array.from({ length: learners }, (_, i) => (i < poisons ? 'aaa' : 'left')),
    )
  expect(attacked(clean.radius).predicted).toBe('left')
  expect(attacked(clean.radius + 1).predicted).toBe('aaa') // the new class wins the tie: no larger radius holds
})

test.each([
  ['any', 'labels', ['a', 'b'], 'any: the claim holds whatever classes there are'],
  ['declared', 'declared', ['left', 'right'], '2 declared: left, right'],
  [
    'declared',
    'names.txt',
    Array.from({ length: 10 }, (_, i) => `c${i}`),
    '10 declared in names.txt: c0, c1, c2, c3, c4, c5, c6, c7, ...',
  ],
] as const)('classes that are %s (%s) are named in a line', (classes, classesFrom, names, text) => {
  expect(describeClasses({ classes, classesFrom }, names)).toBe(text)
})
