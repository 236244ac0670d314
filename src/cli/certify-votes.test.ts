import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { addCertifyCommands } from './certify-commands.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-votes-'))
const place = (name: string) => path.join(folder, name)
// 12 learners of one opinion on one input of two classes.
writeFileSync(place('votes.csv'), `id,${'abcdefghijkl'.split('').join(',')}\nx,${'1,'.repeat(11)}1\n`)
writeFileSync(
  place('scores.csv'),
  `id,${Array.from({ length: 24 }, (_, i) => `s${i}`).join(',')}\nx,${'0,1,'.repeat(11)}0,1\n`,
)

let printed = ''
beforeEach(() => {
  printed = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text
    return true
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let runs = 0
/** As a user types it; what it prints, ends with and leaves. */
async function certify(file: string, ...more: readonly string[]) {
  const out = place(`out-${runs++}`)
  const program = new Command().exitOverride()
  addCertifyCommands(program)
  const command = ['certify', '--votes', place(file), '--classes', '2', '--out', out, '--json', ...more]
  await program.parseAsync(command, { from: 'user' })
  const written = existsSync(out) ? readdirSync(out).sort() : []
  const radii = written.map((name) => {
    const { rule, inputs } = JSON.parse(readFileSync(path.join(out, name), 'utf8'))
    return [rule.rule, inputs[0].radius]
  })
  return {
    code: process.exitCode ?? 0,
    radii,
    result: JSON.parse(printed) as { conditions?: string[]; error?: { message: string } },
  }
}

describe('certify --votes, without a rule,', () => {
  test('takes those that the file allows', async () => {
    const votes = await certify('votes.csv')
    expect(votes).toMatchObject({ code: 0, radii: [['dpa', 5]] })
    expect(votes.result.conditions?.join()).toContain('the partitions are disjoint')
    printed = ''
    expect((await certify('scores.csv', '--kind', 'scores')).radii).toEqual([
      ['dpa', 5],
      ['roe', 5],
    ])
  })

  test('counts by the spread where a bucket reached several learners', async () => {
    const offsets = ['--offsets', '0,3,7']
    expect((await certify('votes.csv', ...offsets)).radii).toEqual([['fa', 1]])
    printed = ''
    const scores = await certify('scores.csv', '--kind', 'scores', ...offsets)
    expect(scores.radii).toEqual([
      ['fa', 1],
      ['roe_fa', 1],
    ])
    expect(scores.result.conditions?.filter((condition) => condition.includes('column i'))).toEqual([
      'column i of the file is learner i, and bucket j reached the learners j + 0, j + 3, j + 7, modulo 12, and no others',
    ])
  })
})

test.each([
  ['a rule that a spread makes unsound', ['--rule', 'dpa', '--offsets', '0,3,7'], '3 learners for --rule'],
  ['one of several rules', ['--rule', 'fa,temporal', '--offsets', '0,3,7'], '3 learners for --rule'],
  ['a spread whose offsets are not named', ['--spread', '3'], '--offsets'],
  ['a rule without a spread beside one', ['--rule', 'dpa', '--spread', '3'], '3 learners for --rule'],
  ['a rule that needs rankings', ['--rule', 'dpa,roe'], 'first choices'],
  ['an unknown rule', ['--rule', 'dpa,nonsense'], 'rules'],
] as const)('certify --votes refuses %s before anything is written', async (_, options, message) => {
  const { code, radii, result } = await certify('votes.csv', ...options)
  expect([code, radii]).toEqual([2, []])
  expect(result.error?.message).toContain(message)
})
