/** The stand-alone verifiers of examples/verify agree with certificates of every rule, and notice changed ones. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { sha256 } from '../../src/certify/ensemble/hash.ts'
import { assertVerified } from '../../src/certify/verify/assert-verified.ts'
import { verifyVotes } from '../../src/certify/verify/verify-votes.ts'
import { writeAllCertificates } from '../support/all-certificates.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const examples = path.join(import.meta.dirname, '../../examples/verify')
const data = process.env.VIDEOMAE_TEST_DATA ?? '../shared/data'
const vectors = path.join(data, '..', 'reference', 'certificate-vectors.json')
const folder = folderForTests('videomae-examples-')
let certificates: Readonly<Record<string, string>> = {}
beforeAll(async () => {
  certificates = await writeAllCertificates(folder)
})

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

interface Forged {
  runs: (Record<string, unknown> & {
    partitions: number
    offsets: number[]
    inputs: { radius: unknown }[]
    summary: { medianRadius: number | null; averageCertifiedRadius: number }
    ballots: { file: string; sha256: string }
  })[]
}

/** Changes the file of votes of a run, and states its new digest. */
function forgeVotes({ ballots }: Forged['runs'][number], copy: string, change: (bytes: Buffer) => Buffer): void {
  const bytes = change(readFileSync(path.join(copy, ballots.file)))
  writeFileSync(path.join(copy, ballots.file), bytes)
  ballots.sha256 = sha256(bytes)
}

let copies = 0
/** What a program in another language may read as something else. */
const forgeries: readonly [string, string, (document: Forged, copy: string) => Forged | ((text: string) => string)][] =
  [
    ['a name twice', 'votesOnly', () => (text) => text.replace('"radius":', '"radius":1000,"radius":')],
    [
      'true for 1',
      'general',
      (document) => {
        for (const { inputs } of document.runs) for (const input of inputs) if (input.radius === 1) input.radius = true
        return document
      },
    ],
    [
      'another median',
      'votesOnly',
      (document) => {
        document.runs[0].summary.medianRadius = 7
        return document
      },
    ],
    [
      'another mean radius',
      'votesOnly',
      (document) => {
        document.runs[0].summary.averageCertifiedRadius += 0.5
        return document
      },
    ],
    [
      'another number of partitions',
      'votesOnly',
      (document) => {
        document.runs[0].partitions = 90
        return document
      },
    ],
    [
      'offsets that its rule does not count',
      'votesOnly',
      (document) => {
        document.runs[0].offsets = [0, 1, 2]
        return document
      },
    ],
    [
      'votes in Fortran order',
      'votesOnly',
      (document, copy) => {
        forgeVotes(document.runs[0], copy, (bytes) =>
          Buffer.from(bytes.toString('latin1').replace("'fortran_order': False", "'fortran_order': True "), 'latin1'),
        )
        return document
      },
    ],
  ]

describe.each([
  ['JavaScript', [process.execPath, path.join(examples, 'verify.mjs')], ''],
  ['Python', ['python3', path.join(examples, 'verify.py')], withNumpy() ? '' : 'python3 with numpy is not there'],
] as const)('in %s', (_, [program, script], skipped) => {
  const verify = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(program, [script, ...args], { encoding: 'utf8', timeout: 300_000 })
    if (stderr !== '') throw new Error(stderr)
    return { status, stdout }
  }
  test.skipIf(skipped !== '')(`verifies every rule${skipped === '' ? '' : ` (${skipped})`}`, () => {
    const { status, stdout } = verify(...Object.values(certificates))
    expect(stdout).not.toContain('DIFFERENCES')
    for (const file of Object.values(certificates))
      expect(stdout).toContain(`${file}: everything that was checked holds`)
    expect(status).toBe(0)
    // Every field that a run states is recomputed or named.
    const said = (run: string) =>
      new RegExp(`^${run}: \\d+ inputs, 0 differences.*; not checked: (.*)$`, 'm').exec(stdout)?.[1]
    expect(said('dpa K=7')).toBe('baseAccuracy, collective, rivals, targeted, targets')
    expect(said('fa_exact K=7')).toBe('baseAccuracy, collective, exact, exactRadii, rivals, targeted, targets')
    expect(said('dpa K=9')).toBe('baseAccuracy, rivals')
    expect(said('temporal K=11')).toBe('baseAccuracy, earliness, rivals')
    const named = [...stdout.matchAll(/^(\w+)(?: K=\d+)?: \d+ inputs, 0 differences/gm)]
    const rules = new Set(named.map(([, rule]) => rule))
    expect([...rules].sort()).toEqual(
      ['dpa', 'dpa_white_box', 'fa', 'fa_exact', 'groups', 'roe', 'roe_fa', 'temporal'].sort(),
    )
  })

  test.skipIf(skipped !== '')('notices a radius, a prediction and a vote that was changed, for every rule', () => {
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

  test.skipIf(skipped !== '').each(forgeries)(
    'does not say that a certificate holds with %s',
    async (_, name, change) => {
      const copy = path.join(folder, `forged-${path.basename(program)}-${copies++}`)
      cpSync(path.dirname(certificates[name]), copy, { recursive: true })
      const file = path.join(copy, path.basename(certificates[name]))
      const text = readFileSync(file, 'utf8')
      const changed = change(JSON.parse(text) as Forged, copy)
      writeFileSync(file, typeof changed === 'function' ? changed(text) : JSON.stringify(changed))
      await expect(verifyVotes(file).then(assertVerified)).rejects.toMatchObject({ name: 'VideoMaeError' })
      const { status, stdout } = spawnSync(program, [script, file], { encoding: 'utf8', timeout: 300_000 })
      expect(status).not.toBe(0)
      expect(stdout).not.toContain('everything that was checked holds')
    },
  )

  test.skipIf(skipped !== '' || !existsSync(vectors))('agrees with test vectors of another implementation', () => {
    expect(verify('--vectors', vectors)).toMatchObject({ status: 0 })
  })
})
