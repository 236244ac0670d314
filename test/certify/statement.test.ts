/** Statements about certificates: what they name, and that `verify` notices every change of what they are about. */
import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import { audit } from '../../src/certify/audit/audit.ts'
import { certify } from '../../src/certify/certify.ts'
import { sha256 } from '../../src/certify/ensemble/hash.ts'
import { headLearners } from '../../src/certify/ensemble/heads/family.ts'
import { writeCertificate } from '../../src/certify/files/certificate-file.ts'
import type { CertificateStatement } from '../../src/certify/verify/attestation.ts'
import { verifyVotes } from '../../src/certify/verify/verify-votes.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { gaussians } from '../support/gaussians.ts'
import { runHere } from '../support/run-here.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-statement-')
const original = path.join(folder, 'original')
const auditFile = path.join(folder, 'audit.json')
const learners = headLearners({ kind: 'nearest_mean' })
beforeAll(async () => {
  const [set, inputs] = [gaussians({ rows: 40, seed: 1, width: 3 }), gaussians({ rows: 10, seed: 2, width: 3 })]
  const { certificate, manifests } = await certify(set, inputs, {
    ...{ learners, by: 'content', partitions: 5, rules: ['dpa'], threads: 1, votesDirectory: original },
    threat: { threat: 'general', encoder: { digest: 'none', trust: 'fixed', labelsUsed: false, trainedOn: null } },
  })
  await writeCertificate(original, certificate, manifests)
  const report = await audit(set, inputs, {
    learners,
    by: 'content',
    partitions: 5,
    rule: 'dpa',
    trials: 2,
    attacks: 1,
  })
  writeFileSync(auditFile, JSON.stringify(report))
})

let copies = 0
function copy(): string {
  const location = path.join(folder, `copy-${copies++}`)
  cpSync(original, location, { recursive: true })
  return location
}
const read = (location: string) =>
  JSON.parse(readFileSync(path.join(location, 'statement.json'), 'utf8')) as CertificateStatement
const fieldsOf = async (location: string) =>
  (await verifyVotes(path.join(location, 'certificate.json'))).differences.map(({ field }) => field)

test('name every file of the certificate and the audit with its SHA-256, and the claim', async () => {
  const location = copy()
  const { code } = await runHere(`statement ${location} --audit ${auditFile} --quiet`)
  expect(code).toBe(0)
  const statement = read(location)
  expect(Object.keys(statement)).toEqual(['_type', 'subject', 'predicateType', 'predicate'])
  expect(statement._type).toBe('https://in-toto.io/Statement/v1')
  expect(statement.predicateType).toMatch(/^[a-z][a-z0-9+.-]*:\S+$/)
  expect(statement.subject.map(({ name }) => name).sort()).toEqual([
    ...['audit.json', 'ballots-k5-d1.npy', 'buckets-5.json', 'certificate.json', 'certified-inputs.json'],
    ...['learners-k5-d1.txt', 'protected-set.json'],
  ])
  for (const { name, digest } of statement.subject) {
    const file = name === 'audit.json' ? auditFile : path.join(location, name)
    expect(digest.sha256, name).toBe(sha256(readFileSync(file)))
  }
  const certificate = JSON.parse(readFileSync(path.join(location, 'certificate.json'), 'utf8'))
  expect(statement.predicate).toMatchObject({
    claim: { claim: certificate.threat.claim, conditions: certificate.threat.conditions, by: 'content' },
    runs: [
      { name: 'DPA K=5', learnersDigest: certificate.runs[0].learnersDigest, summary: certificate.runs[0].summary },
    ],
  })
  const report = await verifyVotes(path.join(location, 'certificate.json'))
  expect(report.differences).toEqual([])
  expect(report.notChecked.join()).toContain('missing files that statement.json names: audit.json')
  cpSync(auditFile, path.join(location, 'audit.json'))
  expect((await verifyVotes(path.join(location, 'certificate.json'))).notChecked.join()).not.toContain('missing files')
  appendFileSync(path.join(location, 'audit.json'), ' ')
  expect(await fieldsOf(location)).toEqual(['statement.json: subject audit.json'])
  // What is not there is named, and an earlier statement is replaced, whatever it says.
  rmSync(path.join(location, 'audit.json'))
  rmSync(path.join(location, 'protected-set.json'))
  const again = await runHere(`statement ${location} --quiet`)
  expect(again).toMatchObject({ code: 0, document: { missing: ['protected-set.json'] } })
  expect(read(location).subject.map(({ name }) => name)).not.toContain('audit.json')
  expect(await fieldsOf(location)).toEqual([])
})

test('are compared with the certificate and its files by verify', async () => {
  const location = copy()
  await runHere(`statement ${location} --quiet`)
  const file = path.join(location, 'statement.json')
  const text = readFileSync(file, 'utf8')
  const change = async (edit: (statement: CertificateStatement) => void): Promise<string[]> => {
    const statement = JSON.parse(text) as CertificateStatement
    edit(statement)
    writeFileSync(file, JSON.stringify(statement))
    return fieldsOf(location)
  }
  const claims = await change(({ predicate }) => Object.assign(predicate, { learner: { kind: 'other' } }))
  expect(claims.join()).toContain('statement.json: predicate.learner')
  expect(await change(({ subject }) => subject.splice(0, 1))).toEqual(['statement.json: subject'])
  expect(await change(({ subject }) => subject.push(subject[1]))).toEqual(['statement.json: subject'])
  await expect(change(({ subject }) => Object.assign(subject[0], { name: '../x' }))).rejects.toMatchObject({
    code: 'CERTIFICATE_INVALID',
  })
  writeFileSync(file, text)
  // The same certificate as other bytes: it follows from its files, and is not the one of the statement.
  appendFileSync(path.join(location, 'certificate.json'), '\n')
  expect(await fieldsOf(location)).toEqual(['statement.json: subject certificate.json'])
})

test('are not written about a certificate that differs, with an audit that failed, checked nothing or is of another ensemble, or over another file', async () => {
  const location = copy()
  const outcome = async (line: string) => {
    const { code, document } = await runHere(`statement ${line} --quiet`)
    return [code, document.error?.code]
  }
  const report = JSON.parse(readFileSync(auditFile, 'utf8'))
  const other = path.join(folder, 'other-audit.json')
  writeFileSync(other, JSON.stringify({ ...report, violations: [{ trial: 0, what: 'x' }] }))
  expect(await outcome(`${location} --audit ${other}`)).toEqual([6, 'AUDIT_FAILED'])
  writeFileSync(other, JSON.stringify({ ...report, partitions: 7 }))
  expect(await outcome(`${location} --audit ${other}`)).toEqual([3, 'AUDIT_MISMATCH'])
  // Of as many base classifiers of this kind on other data.
  const [set, inputs] = [gaussians({ rows: 40, seed: 3, width: 3 }), gaussians({ rows: 10, seed: 2, width: 3 })]
  const options = { learners, by: 'content', partitions: 5, rule: 'dpa', trials: 1, attacks: 0 } as const
  writeFileSync(other, JSON.stringify(await audit(set, inputs, options)))
  expect(await outcome(`${location} --audit ${other}`)).toEqual([3, 'AUDIT_MISMATCH'])
  const { learnersDigest: _, ...earlier } = report
  writeFileSync(other, JSON.stringify(earlier))
  expect(await outcome(`${location} --audit ${other}`)).toEqual([3, 'AUDIT_MISMATCH'])
  writeFileSync(
    other,
    JSON.stringify({ ...report, checkedPredictions: 0, attacks: { ...report.attacks, triedWithin: 0 } }),
  )
  expect(await outcome(`${location} --audit ${other}`)).toEqual([7, 'AUDIT_NOTHING_CHECKED'])
  // With rule `groups`, whose audit trains others, encoder and protected set decide.
  const protectedSet = sha256(readFileSync(path.join(location, 'protected-set.json')))
  const learner = { ...report.learner, scale: 'of each group' }
  const ofGroups = { ...report, learner, learnersDigest: null, encoder: 'none', protectedSet }
  for (const [change, expected] of [
    [{ encoder: 'other' }, [3, 'AUDIT_MISMATCH']],
    [{ protectedSet: sha256('other') }, [3, 'AUDIT_MISMATCH']],
    [{}, [0, undefined]],
  ] as const) {
    writeFileSync(other, JSON.stringify({ ...ofGroups, ...change }))
    expect(await outcome(`${location} --audit ${other}`)).toEqual(expected)
  }
  // Others make in-toto statements, too.
  const provenance =
    '{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"https://slsa.dev/provenance/v1"}'
  for (const mine of ['{"balance": 12}', 'mine', provenance]) {
    writeFileSync(path.join(location, 'statement.json'), mine)
    expect(await outcome(location)).toEqual([2, 'OUTPUT_TAKEN'])
    expect(readFileSync(path.join(location, 'statement.json'), 'utf8')).toBe(mine)
  }
  rmSync(path.join(location, 'statement.json'))
  const file = path.join(location, 'certificate.json')
  writeFileSync(file, readFileSync(file, 'utf8').replace('"radius":1', '"radius":2'))
  expect(await outcome(location)).toEqual([9, 'CERTIFICATE_DIFFERS'])
})
