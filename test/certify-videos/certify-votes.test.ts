/** `certify --votes`, through the compiled program. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { makeTemporaryFolder } from '../../src/core/make-folder.ts'
import { videomae } from '../support/run-program.ts'

const folder = makeTemporaryFolder('certify-votes')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('certifies votes of another system', async () => {
  mkdirSync(inFolder('votes'), { recursive: true })
  const file = inFolder('votes', 'votes.csv')
  // 7 votes for class 1 against 2 for class 0: floor((5 - 1) / 2) = 2, with index 0 winning ties.
  writeFileSync(file, 'id,label,l0,l1,l2,l3,l4,l5,l6,l7,l8\nx,1,1,1,1,1,1,1,1,0,0\ny,0,2,2,2,0,0,1,1,1,1\n')
  const command = ['certify', '--votes', file, '--classes', '3', '--out', inFolder('votes'), '--json']
  const { code, stdout } = await videomae(...command, '--rule', 'dpa')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ runs: [{ rule: 'dpa', learners: 9, summary: { cleanAccuracy: 0.5 } }] })
  const written = JSON.parse(readFileSync(inFolder('votes', 'imported-certificate-dpa.json'), 'utf8'))
  expect(written.inputs).toMatchObject([
    { id: 'x', prediction: 1, radius: 2 },
    { id: 'y', prediction: 1, radius: 0 },
  ])
  expect((await videomae(...command.slice(0, 3), '--out', inFolder('votes'))).code).toBe(2)
  // Nine learners of consecutive periods; two votes for 0 are the newest.
  expect((await videomae(...command, '--rule', 'temporal', '--coverage', '2')).code).toBe(0)
  const temporal = JSON.parse(readFileSync(inFolder('votes', 'imported-certificate-temporal.json'), 'utf8'))
  expect(temporal.inputs[0]).toMatchObject({ id: 'x', prediction: 1, radius: 1, earliness: 4 })
  expect(temporal.conditions.join()).toContain('column i was trained on the 2 periods up to the i-th')
  expect((await videomae(...command, '--rule', 'temporal,dpa')).stdout).toContain('RULES_NOT_COMBINED')
  // Which learners a bucket reached is known to who trained them, not to us.
  expect((await videomae(...command, '--rule', 'fa', '--spread', '3')).stdout).toContain('--offsets')
  expect((await videomae(...command, '--rule', 'fa', '--offsets', '0,1,9')).code).toBe(2)
  expect((await videomae(...command, '--rule', 'fa', '--offsets', '0,1,4', '--spread', '9')).code).toBe(2)
  expect((await videomae(...command, '--rule', 'fa', '--offsets', '0,1,4')).code).toBe(0)
  expect((await videomae(...command, '--rule', 'dpa', '--seeds-per-partition', '3')).code).toBe(2)
  // People are told of each file.
  const [named, out] = [command.slice(0, 5), inFolder('named')]
  const { stdout: text } = await videomae(...named, '--rule', 'dpa', '--out', out, '--report')
  const told = [...text.matchAll(/^wrote {2}(.+)$/gm)].map(([, file]) => path.basename(file))
  expect(told.sort()).toEqual(readdirSync(out).sort())
})
