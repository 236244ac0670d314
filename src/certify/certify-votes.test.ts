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
  const certified = certifyVotes(imported, [{ rule: 'dpa' }], { out, collective: [1] })
  await expect(certified).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', exit: 'usage' })
  expect(existsSync(out)).toBe(false)
  expect(await certifyVotes(imported, [{ rule: 'dpa' }], { out })).toHaveLength(1)
})
