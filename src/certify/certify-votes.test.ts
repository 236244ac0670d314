import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { certifyVotes } from './certify-votes.ts'
import { importBallots } from './import-votes.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-votes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a bound on right predictions is refused where no true class is known, before anything is written', async () => {
  const file = path.join(folder, 'votes.csv')
  writeFileSync(file, 'learner0,learner1,learner2\n0,0,1\n1,1,0\n')
  const out = path.join(folder, 'out')
  const imported = await importBallots(file, { kind: 'votes', classes: 2 })
  expect(imported.labels?.some((label) => label !== null) ?? false).toBe(false)
  const certified = certifyVotes(imported, { out, collective: [1] })
  await expect(certified).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', exit: 'usage' })
  expect(existsSync(out)).toBe(false)
  expect(await certifyVotes(imported, { out })).toHaveLength(1)
})

const votes = (name: string, learners: number): string => {
  const file = path.join(folder, name)
  const names = Array.from({ length: learners }, (_, i) => `l${i}`)
  writeFileSync(file, `id,label,${names.join(',')}\nx,1,${names.map(() => 1).join(',')}\n`)
  return file
}
const read = { kind: 'votes', classes: 2 } as const
const options = { read, out: path.join(folder, 'refused') }

test.each([
  ['a rule that needs rankings', { rules: ['dpa', 'roe'] }, 'rules'],
  ['a rule without a spread together with one', { rules: ['dpa'], offsets: [0, 3, 7] }, 'rules'],
  ['no rule', { rules: [] }, 'rules'],
  ['a spread whose offsets are not named', { spread: 3 }, 'offsets'],
  ['offsets that no base classifier has', { offsets: [0, 3, 12] }, 'offsets'],
  ['half an offset', { offsets: [0, 1.5, 3] }, 'offsets'],
  ['offsets that do not divide the base classifiers', { offsets: [0, 1, 2, 3, 4] }, 'offsets'],
  ['a spread other than that of the offsets', { offsets: [0, 3, 7], spread: 2 }, 'spread'],
  ['groups that no rule uses', { groups: 3 }, 'groups'],
  ['a coverage that no rule uses', { coverage: 2 }, 'coverage'],
  ['a target that is no class', { targetClasses: ['2'] }, 'targetClasses'],
  ['names of more classes', { classNames: ['a', 'b', 'c'] }, 'classNames'],
  ['a file that nothing is known of', { read: undefined }, 'read'],
] as const)('%s is refused by name before anything is written', async (_, more, name) => {
  const message = expect.stringMatching(`(for|no) ${name} `)
  const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', exit: 'usage', message })
  const file = votes('twelve.csv', 12)
  await expect(certifyVotes(file, { ...options, ...more })).rejects.toThrow(refused)
  expect(existsSync(options.out)).toBe(false)
})

test('votes that were read obey the same rules as a file, and need no second description', async () => {
  const file = votes('twelve.csv', 12)
  const imported = await importBallots(file, read)
  const out = path.join(folder, 'read')
  await expect(certifyVotes(imported, { out, rules: ['roe'] })).rejects.toThrow('first choices')
  await expect(certifyVotes(imported, { out, read })).rejects.toThrow('Expected no read ')
  const of = async (given: Parameters<typeof certifyVotes>[0], more: object) =>
    (await certifyVotes(given, { out, offsets: [0, 3, 7], targetClasses: ['0'], ...more })).map(
      (one) => one.certificate,
    )
  expect(await of(imported, {})).toEqual(await of(file, { read }))
  expect(await of(imported, {})).toMatchObject([{ rule: { rule: 'fa', offsets: [0, 3, 7], targets: [0] } }])
})

test('the rules are checked before a file is read', async () => {
  const none = path.join(folder, 'none.csv')
  await expect(certifyVotes(none, { ...options, rules: ['roe'] })).rejects.toThrow('first choices')
})

test('what is called with the votes comes before the first file', async () => {
  const out = path.join(folder, 'called')
  const seen: unknown[] = []
  await certifyVotes(votes('three.csv', 3), {
    ...{ read, out },
    onRead: ({ ballots }, rules) => {
      seen.push(
        ballots.learners,
        rules.map(({ rule }) => rule),
        existsSync(out),
      )
    },
  })
  expect(seen).toEqual([3, ['dpa'], false])
})
