import { expect, test } from 'vitest'
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
