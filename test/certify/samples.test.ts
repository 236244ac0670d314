/** The records of samples next to a certificate: what they say, and that `verify` holds partitions, classes and inputs against them. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { certify } from '../../src/certify/certify.ts'
import { sha256 } from '../../src/certify/ensemble/hash.ts'
import { headLearners } from '../../src/certify/ensemble/heads/family.ts'
import { type CertificateFile, filesToVerifyFrom, writeCertificate } from '../../src/certify/files/certificate-file.ts'
import { recordOfSet, type SampleRecord, writeSampleRecord } from '../../src/certify/files/sample-record.ts'
import { verifyVotes } from '../../src/certify/verify/verify-votes.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { gaussians } from '../support/gaussians.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-samples-')
const file = path.join(folder, 'certificate.json')
const set = gaussians({ rows: 40, seed: 1, width: 3 })
beforeAll(async () => {
  const { certificate, manifests } = await certify(set, gaussians({ rows: 10, seed: 2, width: 3 }), {
    learners: headLearners({ kind: 'nearest_mean' }),
    threat: {
      threat: 'source',
      encoder: { digest: 'none', trust: 'fixed', labelsUsed: false, trainedOn: null },
    },
    ...{ by: 'source', partitions: 5, rules: ['dpa'], threads: 1, votesDirectory: folder },
  })
  await writeCertificate(folder, certificate, manifests)
})

/** Fields that differ where a record and its digest in the certificate are changed. */
async function fieldsOf(
  key: 'protectedSet' | 'inputs',
  change: (record: { samples: Record<string, unknown>[] }) => void,
): Promise<string[]> {
  const text = readFileSync(file, 'utf8')
  const certificate = JSON.parse(text) as CertificateFile
  const stored = certificate.samples?.[key]
  if (stored == null) throw new Error('no record')
  const location = path.join(folder, stored.file)
  const before = readFileSync(location, 'utf8')
  const record = JSON.parse(before) as { samples: Record<string, unknown>[] }
  change(record)
  const after = JSON.stringify(record)
  try {
    writeFileSync(location, after)
    writeFileSync(file, text.replace(stored.sha256, sha256(after)))
    return (await verifyVotes(file)).differences.map(({ field }) => field)
  } finally {
    writeFileSync(location, before)
    writeFileSync(file, text)
  }
}

test('are named in the certificate, fit their schema, and say what is protected', async () => {
  const certificate = JSON.parse(readFileSync(file, 'utf8')) as CertificateFile
  expect(filesToVerifyFrom(certificate)).toEqual(
    expect.arrayContaining(['protected-set.json', 'certified-inputs.json', 'ballots-k5-d1.npy']),
  )
  const schema = z.fromJSONSchema(
    JSON.parse(readFileSync(path.join(import.meta.dirname, '../../docs/schema/samples-1.json'), 'utf8')),
  )
  for (const name of ['protected-set.json', 'certified-inputs.json'])
    expect(schema.safeParse(JSON.parse(readFileSync(path.join(folder, name), 'utf8'))).error, name).toBeUndefined()
  const { samples } = JSON.parse(readFileSync(path.join(folder, 'protected-set.json'), 'utf8')) as SampleRecord
  expect(samples).toHaveLength(40)
  const row = set.ids.indexOf(samples[7].id)
  expect(samples[7]).toEqual({
    id: set.ids[row],
    sha256: set.digests[row],
    label: set.classNames[set.labels[row]],
    rows: 1,
    group: set.groups?.[row],
  })
  const report = await verifyVotes(file)
  expect(report.differences).toEqual([])
  expect(report.checked.join()).toContain('the record of the protected set')
})

test('verify finds a source, a label, a number of clips and an input that do not belong to the certificate', async () => {
  expect(
    await fieldsOf('protectedSet', ({ samples }) => Object.assign(samples[3], { group: 'another' })),
  ).toContainEqual(expect.stringContaining('assignment, from protected-set.json'))
  expect(await fieldsOf('protectedSet', ({ samples }) => Object.assign(samples[3], { rows: 2 }))).toContainEqual(
    expect.stringContaining('sizes, from protected-set.json'),
  )
  const relabel = (record: { samples: Record<string, unknown>[] }) => {
    for (const sample of record.samples) sample.label = 'class 0'
  }
  expect(await fieldsOf('protectedSet', relabel)).toContain('runs[0].singleClassLearners')
  expect(await fieldsOf('inputs', ({ samples }) => Object.assign(samples[2], { label: 'class x' }))).toContain(
    'certified-inputs.json: samples[2].label',
  )
  expect(await fieldsOf('protectedSet', ({ samples }) => Object.assign(samples[0], { label: 'no class' }))).toContain(
    'protected-set.json: samples[0].label',
  )
})

test('clips of one video are one sample, and parts of one file are told apart', () => {
  const [digest, other] = [sha256('a'), sha256('b')]
  const { samples } = recordOfSet(
    {
      rows: 4,
      labels: Int32Array.of(1, 1, 0, 0),
      classNames: ['x', 'y'],
      ids: ['a.mp4', 'a.mp4', 'b.mp4', 'b.mp4'],
      digests: [digest, digest, other, other],
      segments: [digest, digest, `${other}#0-1`, `${other}#1-2`],
    },
    'content',
    () => true,
  )
  expect(samples).toEqual([
    { id: 'a.mp4', sha256: digest, label: 'y', rows: 2 },
    { id: 'b.mp4', sha256: other, part: '#0-1', label: 'x', rows: 1 },
    { id: 'b.mp4', sha256: other, part: '#1-2', label: 'x', rows: 1 },
  ])
})

test('do not replace a file of other origin', async () => {
  const record = recordOfSet(set, 'content', () => true)
  const own = mkdtempSync(path.join(folder, 'own-'))
  writeFileSync(path.join(own, 'protected-set.json'), '[1, 2]')
  await expect(writeSampleRecord(own, record)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
  expect(readFileSync(path.join(own, 'protected-set.json'), 'utf8')).toBe('[1, 2]')
})
