/** Lines and values of votes files that would be lost without a word. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type ImportOptions, importBallots } from '../import-votes.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-unread-lines-'))
afterAll(() => rmSync(folder, { recursive: true }))

let written = 0
function read(content: string, options: Partial<ImportOptions> = {}) {
  const file = path.join(folder, `${written++}.csv`)
  writeFileSync(file, content)
  return importBallots(file, { kind: 'votes', classes: 3, ...options })
}

test.each([
  // pandas: an input whose votes are all missing, without an index.
  ['l0,l1\n0,1\n,\n2,2\n', {}],
  ['l0;l1\n0;1\n ; \n;\n2;2\n', {}],
  ['0,1\n,\n2,2\n', { learners: 2, header: false }],
])(
  'a row without a value between others is refused: without it others have its number (%j)',
  async (content, options) => {
    await expect(read(content, options)).rejects.toMatchObject({
      code: 'VOTES_INVALID',
      message: expect.stringMatching(/line [23] has no value/),
    })
  },
)

test('rows without a value behind the others, and empty lines between them, are named', async () => {
  const { ballots, reading } = await read('l0,l1\n0,1\n\n\n2,2\n,\n,\n')
  expect(ballots.inputs).toBe(2)
  expect(reading?.notes.join('; ')).toMatch(
    /2 empty lines between inputs \(line 3\).*2 lines without values \(line 6\)/,
  )
  expect((await read('l0,l1\n0,1\n2,2\n')).reading?.notes).toEqual([])
})

test.each(['1e-400', '0.2e-330', '-3E-999'])('the score %s is no 0', async (score) => {
  const options = { kind: 'scores', classes: 2 } as const
  await expect(read(`l0_c0,l0_c1\n0,${score}\n`, options)).rejects.toMatchObject({
    code: 'VOTES_INVALID',
    message: expect.stringContaining('line 2, column l0_c1'),
  })
  await expect(read(`l0_c0;l0_c1\n0,5;${score.replace('.', ',')}\n`, options)).rejects.toThrow(/line 2, column l0_c1/)
  await expect(read('l0_c0,l0_c1\n0.0e-999,1e-300\n', options)).resolves.toBeDefined()
})

test('a class may be called -1; it is said that no vote is an abstention then', async () => {
  const classNames = ['-1', '0', '1']
  const { ballots, reading } = await read('l0,l1\n-1,1\n0,0\n', { classNames })
  expect([...ballots.ranks]).toEqual([0, 2, 1, 1])
  expect(reading?.notes.join()).toContain('-1 is the name of a class')
})
