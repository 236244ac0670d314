/** Certificates of every rule are verified from their files, and a change of anything in them is found and named. */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { certify } from '../../src/certify/certify.ts'
import { sha256 } from '../../src/certify/ensemble/hash.ts'
import { headLearners } from '../../src/certify/ensemble/heads/family.ts'
import { type CertificateFile, writeCertificate } from '../../src/certify/files/certificate-file.ts'
import { assertVerified } from '../../src/certify/verify/assert-verified.ts'
import { verifyVotes } from '../../src/certify/verify/verify-votes.ts'
import { createProgram } from '../../src/cli/create-program.ts'
import { VideoMaeError } from '../../src/core/errors.ts'
import { writeAllCertificates } from '../support/all-certificates.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { gaussians } from '../support/gaussians.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-verify-')
let certificates: Readonly<Record<string, string>> = {}
beforeAll(async () => {
  certificates = await writeAllCertificates(folder)
})

let copies = 0
/** A copy of a certificate with its files, changed. */
function changed<T>(name: string, change: (document: T, copy: string) => void): string {
  const copy = path.join(folder, `copy-${copies++}`)
  cpSync(path.dirname(certificates[name]), copy, { recursive: true })
  const file = path.join(copy, path.basename(certificates[name]))
  const document = JSON.parse(readFileSync(file, 'utf8')) as T
  change(document, copy)
  writeFileSync(file, JSON.stringify(document))
  return file
}

test('verifies a certificate of every rule', async () => {
  const verified = new Set<string>()
  for (const [name, file] of Object.entries(certificates)) {
    const report = await verifyVotes(file)
    expect(report.differences, name).toEqual([])
    assertVerified(report)
    expect(report.compared).toBeGreaterThan(100)
    expect(report.notChecked.length).toBeGreaterThan(0)
    for (const { run, inputs } of report.runs) {
      expect(inputs).toBeGreaterThanOrEqual(30)
      verified.add(run.split(' K=')[0])
    }
  }
  expect([...verified].sort()).toEqual(
    [
      ...['DPA', 'DPA white-box', 'DPA+ROE', 'FA', 'FA exact', 'FA+ROE', 'groups', 'temporal'],
      ...['dpa', 'fa', 'fa_exact', 'roe', 'roe_fa'],
    ].sort(),
  )
})

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

interface Leaf {
  readonly at: string
  readonly value: Json
  readonly set: (value: Json) => void
}

/** Every value of a document, with what changes it. Of the inputs of a run only number 3. */
function* leaves(value: Json, at = ''): Generator<Leaf> {
  if (typeof value !== 'object' || value === null) return
  const members = value as Record<string, Json>
  for (const [key, member] of Object.entries(members)) {
    if (at.endsWith('.inputs') && key !== '3') continue
    const where = `${at}.${key}`
    if (typeof member === 'object' && member !== null) yield* leaves(member, where)
    else yield { at: where, value: member, set: (changed) => Object.assign(members, { [key]: changed }) }
  }
}

function another(value: Json): Json {
  if (typeof value === 'number') return Number.isInteger(value) ? value + 1 : value / 2
  if (typeof value === 'boolean') return !value
  return value === null ? 1 : `${value} `
}

/** What one changed value leads to. */
async function outcomeOf(file: string): Promise<'differs' | 'refused' | 'unnoticed'> {
  try {
    const { differencesFound } = await verifyVotes(file)
    return differencesFound > 0 ? 'differs' : 'unnoticed'
  } catch (error) {
    if (error instanceof VideoMaeError && error.code.startsWith('CERTIFICATE_')) return 'refused'
    throw error
  }
}

/** What nobody can tell from a certificate and its files alone; `verify` says so. */
const needsData = [
  ...['.classNames.', '.learner.', '.mostFrequentClass.name', '.threat.encoder.', '.ensemble.'],
  // What a program says of itself and its machine.
  ...['.provenance.', '.seeds', '.inputs.3.id', '.inputs.3.label'],
  // How another program's file was read.
  ...['.file', '.format', '.firstClass', '.columns.', '.ids', '.labels', '.ties', '.notes.'].map(
    (name) => `.votes${name}`,
  ),
]

test.each(['votesOnly', 'groups', 'flips', 'temporal', 'imported fa', 'imported roe'])(
  'every value of %s that follows from its files is checked',
  async (name) => {
    const original = readFileSync(certificates[name], 'utf8')
    const file = changed(name, () => {})
    const missed: string[] = []
    let noticed = 0
    for (const { at } of leaves(JSON.parse(original) as Json)) {
      const document = JSON.parse(original) as Json
      const leaf = [...leaves(document)].find((other) => other.at === at)
      leaf?.set(another(leaf.value))
      writeFileSync(file, JSON.stringify(document))
      if ((await outcomeOf(file)) !== 'unnoticed') noticed++
      else if (!needsData.some((part) => at.includes(part))) missed.push(at)
    }
    expect(missed).toEqual([])
    expect(noticed).toBeGreaterThan(35)
  },
)

test('certificates of every rule and their buckets fit the published JSON schemas', () => {
  const schemas = path.join(import.meta.dirname, '../../docs/schema')
  const read = (file: string) => JSON.parse(readFileSync(file, 'utf8'))
  const schemaOf = (name: string) => z.fromJSONSchema(read(path.join(schemas, `${name}-1.json`)))
  let buckets = 0
  for (const [name, file] of Object.entries(certificates)) {
    const schema = schemaOf(name.startsWith('imported') ? 'imported-certificate' : 'certificate')
    expect(schema.safeParse(read(file)).error, name).toBeUndefined()
    expect(schema.safeParse({ ...read(file), more: 1 }).success).toBe(false)
    expect(schema.safeParse({ ...read(file), conditions: 1, runs: [] }).success).toBe(false)
    for (const other of readdirSync(path.dirname(file)).filter((each) => each.startsWith('buckets-'))) {
      expect(schemaOf('buckets').safeParse(read(path.join(path.dirname(file), other))).error, other).toBeUndefined()
      buckets++
    }
  }
  expect(buckets).toBeGreaterThan(5)
})

test('names the input, the field and both values', async () => {
  const file = changed<{ runs: { inputs: { radius: number; prediction: number }[] }[] }>('general', ({ runs }) => {
    runs[2].inputs[5].radius += 1
    runs[3].inputs[7].prediction = (runs[3].inputs[7].prediction + 1) % 3
  })
  const { differences, differencesFound } = await verifyVotes(file)
  expect(differencesFound).toBe(2)
  expect(differences).toMatchObject([
    { run: 'FA K=7 d=3', input: 'video-2-5', field: 'runs[2].inputs[5].radius' },
    { run: 'FA exact K=7 d=3', input: 'video-2-7', field: 'runs[3].inputs[7].prediction' },
  ])
  expect(differences[0].stated).toBe(Number(differences[0].recomputed) + 1)
})

describe('a changed file of votes', () => {
  const change = (name: string, ofBytes: (bytes: Buffer) => Buffer, digest = false) =>
    changed<CertificateFile>(name, (document, copy) => {
      const [{ ballots }] = document.runs
      const votes = path.join(copy, ballots?.file ?? '')
      const bytes = ofBytes(readFileSync(votes))
      writeFileSync(votes, bytes)
      if (digest && ballots !== null) Object.assign(ballots, { sha256: sha256(bytes) })
    })
  /** Another vote of the last learner on the last input. */
  const flip = (bytes: Buffer): Buffer => {
    bytes[bytes.length - 1] = bytes[bytes.length - 1] === 0 ? 1 : 0
    return bytes
  }

  test('is noticed by its digest, and by its counts where the digest was changed too', async () => {
    const { differences } = await verifyVotes(change('votesOnly', flip))
    expect(differences.map(({ field }) => field)).toContain('runs[0].ballots.sha256')
    const again = await verifyVotes(change('votesOnly', flip, true))
    expect(again.differencesFound).toBeGreaterThan(0)
    expect(again.differences.map(({ field }) => field)).not.toContain('runs[0].ballots.sha256')
  })

  test('is refused where it holds no ballots, by file, input and learner', async () => {
    const outside = change('votesOnly', (bytes) => {
      bytes[bytes.length - 1] = 200
      return bytes
    })
    await expect(verifyVotes(outside)).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
      message: expect.stringMatching(/input 39, base classifier 8 in .*ballots-k9-d1\.npy/),
    })
    // The same class twice in one ranking: rules would look for the other one without end.
    const twice = change('general', (bytes) => {
      bytes[bytes.length - 1] = bytes[bytes.length - 2]
      return bytes
    })
    await expect(verifyVotes(twice)).rejects.toThrow(/each of 3 classes once/)
    const short = change('votesOnly', (bytes) => bytes.subarray(0, bytes.length - 1))
    await expect(verifyVotes(short)).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' })
  })
})

test('does not leave the folder of the certificate', async () => {
  const file = changed<{ runs: { ballots: { file: string } }[] }>('votesOnly', ({ runs }) => {
    runs[0].ballots.file = '../general/ballots-k7-d1.npy'
  })
  await expect(verifyVotes(file)).rejects.toThrow(/runs\[0\]\.ballots\.file/)
})

describe('videomae verify ends', () => {
  let printed = ''
  /** As a user types it. */
  async function verify(file: string, ...more: readonly string[]) {
    printed = ''
    const silent = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += text
      return true
    })
    const error = vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
    try {
      const program = createProgram()
      await program.parseAsync(['verify', file, '--quiet', ...more], { from: 'user' })
      return process.exitCode ?? 0
    } finally {
      silent.mockRestore()
      error.mockRestore()
      process.exitCode = undefined
    }
  }

  test('with 0 where everything follows, and says what it did not check', async () => {
    expect(await verify(certificates.general)).toBe(0)
    expect(printed).toContain('DPA K=7: votes of 40 inputs counted again')
    expect(printed).toContain('not checked: whether the votes are those of base classifiers trained on this data')
    expect(printed.trimEnd()).toMatch(/result: VERIFIED, except for what is named above as not checked$/)
    expect(await verify(certificates.general, '--json')).toBe(0)
    expect(JSON.parse(printed)).toMatchObject({ verified: true, differencesFound: 0, differences: [] })
  })

  test('with 9 where something differs', async () => {
    const file = changed<{ threat: { claim: string } }>('general', ({ threat }) => {
      threat.claim = 'Nothing can change any prediction.'
    })
    expect(await verify(file)).toBe(9)
    expect(printed).toContain('differs: threat.claim: stated "Nothing can change any prediction."')
    expect(await verify(file, '--json')).toBe(9)
    expect(JSON.parse(printed)).toMatchObject({ verified: false, error: { code: 'CERTIFICATE_DIFFERS' } })
  })

  test('with 7 where a run has no votes, or no inputs', async () => {
    const without = changed<{ runs: { ballots: unknown }[] }>('general', ({ runs }) => {
      runs[4].ballots = null
    })
    expect(await verify(without)).toBe(7)
    expect(printed).toContain('FA+ROE K=7 d=3: NOT VERIFIED, it names no stored votes')
    const bare = changed<{ runs: { inputs: unknown; ballots: unknown }[] }>('votesOnly', ({ runs }) => {
      Object.assign(runs[0], { inputs: null, ballots: null })
    })
    expect(await verify(bare)).toBe(7)
  })

  test('with 3 where a file is missing or none of a certificate', async () => {
    expect(await verify(path.join(folder, 'nothing.json'), '--json')).toBe(3)
    expect(JSON.parse(printed).error.code).toBe('CERTIFICATE_FILE_MISSING')
    const alone = path.join(folder, 'alone.json')
    writeFileSync(alone, readFileSync(certificates.flips))
    expect(await verify(alone)).toBe(3)
    writeFileSync(alone, '{"schema":"videomae.certificate/2"}')
    expect(await verify(alone, '--json')).toBe(3)
    expect(JSON.parse(printed).error.message).toContain('schema')
  })
})

test('keeps the buckets of two ensembles with the same number of them apart', async () => {
  const location = path.join(folder, 'same-number')
  const encoder = { digest: 'none', trust: 'fixed', labelsUsed: false, trainedOn: null } as const
  // 12 partitions inside of 4 encoder groups, and 4 partitions that 3 of 12 learners each are trained on.
  const { certificate, manifests } = await certify(
    gaussians({ rows: 120, seed: 1 }),
    gaussians({ rows: 10, seed: 2 }),
    {
      ...{ learners: headLearners({ kind: 'ridge' }), by: 'content', threads: 1, votesDirectory: location },
      ...{ partitions: [12, 4], rules: ['groups', 'fa'], groups: 4, spread: 3 },
      threat: { threat: 'general', encoder },
    },
  )
  expect(manifests.filter(({ buckets }) => buckets === 12).map(({ groups }) => groups)).toEqual([4, null])
  await writeCertificate(location, certificate, manifests)
  const digests = readdirSync(location).flatMap((name) => {
    const match = /^buckets-(\d+)(?:-([0-9a-f]{12}))?\.json$/.exec(name)
    if (match === null) return []
    const { digest } = JSON.parse(readFileSync(path.join(location, name), 'utf8')) as { digest: string }
    expect(match[2] ?? '').toBe(match[1] === '12' ? digest.slice(0, 12) : '')
    return [digest]
  })
  expect(digests.sort()).toEqual([...new Set(certificate.runs.map((run) => run.bucketManifest))].sort())
  const report = await verifyVotes(path.join(location, 'certificate.json'))
  expect(report).toMatchObject({ differencesFound: 0 })
  expect(report.notChecked).not.toContainEqual(expect.stringContaining('buckets-'))
})
