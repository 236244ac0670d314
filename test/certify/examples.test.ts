/** The stand-alone verifiers of examples/verify agree with certificates of every rule, and notice changed ones. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { writeAllCertificates } from './all-certificates.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const examples = path.join(import.meta.dirname, '../../examples/verify')
const data = process.env.VIDEOMAE_TEST_DATA ?? '../shared/data'
const vectors = path.join(data, '..', 'reference', 'certificate-vectors.json')
const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-examples-'))
let certificates: Readonly<Record<string, string>> = {}
beforeAll(async () => {
  certificates = await writeAllCertificates(folder)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function withNumpy(): boolean {
  try {
    execFileSync('python3', ['-c', 'import numpy'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

type Document = { runs?: Run[] } & Run
interface Run {
  inputs: { prediction: number; radius: number }[]
  ballots: { file: string }
}

describe.each([
  ['JavaScript', [process.execPath, path.join(examples, 'verify.mjs')], ''],
  ['Python', ['python3', path.join(examples, 'verify.py')], withNumpy() ? '' : 'python3 with numpy is not there'],
] as const)('in %s', (_, [program, script], skipped) => {
  const verify = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(program, [script, ...args], { encoding: 'utf8', timeout: 300_000 })
    if (stderr !== '') throw new Error(stderr)
    return { status, stdout }
  }
  it.skipIf(skipped !== '')(`verifies every rule${skipped === '' ? '' : ` (${skipped})`}`, () => {
    const { status, stdout } = verify(...Object.values(certificates))
    expect(stdout).not.toContain('DIFFERENCES')
    for (const file of Object.values(certificates))
      expect(stdout).toContain(`${file}: everything that was checked holds`)
    expect(status).toBe(0)
    const named = [...stdout.matchAll(/^(\w+)(?: K=\d+)?: \d+ inputs, 0 differences/gm)]
    const rules = new Set(named.map(([, rule]) => rule))
    expect([...rules].sort()).toEqual(
      ['dpa', 'dpa_white_box', 'fa', 'fa_exact', 'groups', 'roe', 'roe_fa', 'temporal'].sort(),
    )
  })

  it.skipIf(skipped !== '')('notices a radius, a prediction and a vote that was changed, for every rule', () => {
    const changed: string[] = []
    for (const [name, file] of Object.entries(certificates)) {
      const runs = (JSON.parse(readFileSync(file, 'utf8')) as Document).runs?.length ?? 1
      const changeRun = (r: number, change: (run: Run, copy: string) => void) => {
        const copy = path.join(folder, `${path.basename(program)}-${name}-${changed.length}`)
        cpSync(path.dirname(file), copy, { recursive: true })
        const document = JSON.parse(readFileSync(file, 'utf8')) as Document
        // One run alone: what others say is checked elsewhere.
        const run = document.runs?.[r] ?? document
        if (document.runs !== undefined) document.runs = [run]
        change(run, copy)
        changed.push(path.join(copy, path.basename(file)))
        writeFileSync(changed[changed.length - 1], JSON.stringify(document))
      }
      for (let r = 0; r < Math.min(runs, 5); r++) {
        changeRun(r, ({ inputs }) => {
          const [most] = [...inputs].sort((a, b) => b.radius - a.radius)
          most.radius += 1
        })
        changeRun(r, ({ inputs }) => {
          inputs[4].prediction = inputs[4].prediction === 0 ? 1 : 0
        })
        changeRun(r, ({ ballots }, copy) => {
          const votes = readFileSync(path.join(copy, ballots.file))
          // Two classes of one ranking change places, or a vote changes: either way ballots stay ballots.
          const [a, b] = [votes[votes.length - 1], votes[votes.length - 2]]
          votes[votes.length - 1] = b === a ? (a === 0 ? 1 : 0) : b
          votes[votes.length - 2] = a
          writeFileSync(path.join(copy, ballots.file), votes)
        })
      }
    }
    const { status, stdout } = verify(...changed)
    expect(status).toBe(1)
    expect(changed.length).toBeGreaterThan(40)
    for (const file of changed) expect(stdout).toMatch(new RegExp(`${file}: \\d+ DIFFERENCES`))
  })

  it.skipIf(skipped !== '' || !existsSync(vectors))('agrees with test vectors of another implementation', () => {
    expect(verify('--vectors', vectors)).toMatchObject({ status: 0 })
  })
})
