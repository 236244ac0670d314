/** Certificates whose values were changed together, so that each alone follows from its files but they contradict each other. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import { sha256 } from '../../src/certify/ensemble/hash.ts'
import { certifyBallots, ruleOptions } from '../../src/certify/rules/certify-ballots.ts'
import { readingConditions, type Threat, threatStatement } from '../../src/certify/threat/threat.ts'
import type { ReadBuckets, ReadCertificate } from '../../src/certify/verify/schema.ts'
import { verifyVotes } from '../../src/certify/verify/verify-votes.ts'
import { readNpy } from '../../src/format/npy.ts'
import { writeAllCertificates } from '../support/all-certificates.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-forged-')
let certificates: Readonly<Record<string, string>> = {}
beforeAll(async () => {
  certificates = await writeAllCertificates(folder)
})

type Writable<T> = T extends object ? { -readonly [K in keyof T]: Writable<T[K]> } : T
type Document = Writable<ReadCertificate>

let copies = 0
/** A copy of a certificate with its files, changed. @returns fields that differ */
async function forged(name: string, change: (document: Document, copy: string) => void | Promise<void>) {
  const copy = path.join(folder, `copy-${copies++}`)
  cpSync(path.dirname(certificates[name]), copy, { recursive: true })
  const file = path.join(copy, path.basename(certificates[name]))
  const document = JSON.parse(readFileSync(file, 'utf8')) as Document
  await change(document, copy)
  writeFileSync(file, JSON.stringify(document))
  return (await verifyVotes(file)).differences.map(({ field }) => field)
}

/** The statement that follows for another threat. */
function claim(
  { threat, buckets: { by }, data }: Document,
  kind: Threat,
  change: Partial<Document['threat']['encoder']>,
) {
  const statement = threatStatement(kind, by, [], { ...threat.encoder, ...change })
  const reading = data === undefined ? [] : readingConditions({ ...data, split: null }, data.classes === 'any')
  return { ...statement, conditions: [...statement.conditions, ...reading] } as Document['threat']
}

/** Writes a file of buckets with its digest. */
function writeBuckets(copy: string, document: Document, change: (manifest: Writable<ReadBuckets>) => void): void {
  const file = path.join(copy, `buckets-${document.runs[0].learners}.json`)
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Writable<ReadBuckets>
  change(manifest)
  const { digest: _, ...body } = manifest
  const digest = sha256(JSON.stringify(body))
  writeFileSync(file, JSON.stringify({ ...body, digest }))
  for (const run of document.runs) run.bucketManifest = digest
}

const read: NonNullable<Document['data']>['read'][number] = {
  ...{ source: 'list.csv', kind: 'list', sha256: 'b'.repeat(64), format: 'CSV', encoding: 'UTF-8' },
  ...{ columns: [], unused: [] },
}
const data: Document['data'] = {
  ...{
    source: 'list.csv',
    test: null,
    read: [read],
    division: 'split column',
    rows: 341,
    protected: 300,
    predicted: 40,
  },
  leftOut: [{ id: 'x', side: null, code: 'no label', reason: 'it has no label' }],
  trusted: null,
  seen: { predicted: 40, protected: 0, encoderWithLabels: 0, encoderWithoutLabels: 0, open: null },
  ...{ classes: 'declared', classesFrom: 'declared', classesDigest: null },
}
const options = { seed: 0, testShare: 0.2, split: null, clips: 1 }
function withData(document: Document, change: Partial<NonNullable<Document['data']>> = {}): void {
  Object.assign(document, { options, data: { ...data, ...change } })
  document.threat = claim(document, document.threat.threat, {})
}

test('a certificate with data that fits is verified', async () => {
  expect(await forged('votesOnly', (document) => withData(document))).toEqual([])
})

test('white-box radii are not those of inserted or deleted videos', async () => {
  const fields = await forged('flips', (document) => {
    document.threat = claim(document, 'general', { trust: 'fixed', overlap: 0 })
  })
  expect(fields).toEqual(['threat.threat'])
  const kind = await forged('flips', (document) => {
    document.learner.kind = 'softmax'
  })
  expect(kind).toEqual(['learner.kind'])
})

test('a unit of white-box radii has at least as many rows as the partitions say', async () => {
  const fields = await forged('flips', (document, copy) => {
    // Two rows of each video, as they are with two clips.
    writeBuckets(copy, document, (manifest) => {
      manifest.sizes = manifest.sizes.map((size) => 2 * size)
      manifest.rows *= 2
    })
    document.trainingRows *= 2
    for (const run of document.runs) {
      for (const key of ['fewest', 'median', 'most'] as const) run.samples[key] *= 2
      if (run.flips) run.flips.samples *= 2
    }
  })
  expect(fields).toContain('runs[1].flips.largestUnit')
})

test('neighboring periods are no videos', async () => {
  const fields = await forged('temporal', (document) => {
    document.buckets.by = 'content'
    document.buckets.hash = 'first 8 bytes of SHA-256, big-endian, modulo buckets'
    document.threat = claim(document, 'general', {})
  })
  expect(fields).toContain('runs[0].rule')
})

test('encoder groups are those of the partitions', async () => {
  const fields = await forged('groups', async (document, copy) => {
    const [run] = document.runs
    // As if each base classifier had an encoder of its own: one video would cost one vote.
    run.groups = 12
    const { shape, data: ranks } = await readNpy(path.join(copy, run.ballots?.file ?? ''))
    const ballots = { inputs: shape[0], learners: shape[1], classes: document.classNames.length, places: 1 }
    const counted = certifyBallots(
      { ...ballots, ranks: Uint8Array.from(ranks as Uint8Array) },
      ruleOptions('groups', run),
    )
    run.inputs = (run.inputs ?? []).map((input, t) => ({
      ...input,
      ...counted[t],
      rivals: [...counted[t].rivals],
      targets: undefined,
    }))
  })
  expect(fields).toContain('runs[0].groups')
})

test('what a class costs follows from the votes, for all inputs and for each', async () => {
  const fields = await forged('general', ({ runs: [{ inputs, targeted }] }) => {
    const [cost] = inputs?.[4].targets ?? []
    cost.poisons = (cost.poisons ?? 0) + 1
    if (targeted !== undefined) targeted[1].ruledOut[0] = 1
  })
  expect(fields).toEqual(['runs[0].inputs[4].targets[0].poisons', 'runs[0].targeted[1].ruledOut[0]'])
})

test('a claim for any classes has the classes that stand for all others', async () => {
  const fields = await forged('votesOnly', (document) => {
    withData(document, { classes: 'any', classesFrom: 'labels' })
  })
  expect(fields).toContain('classNames[0]')
})

test('a class has one name', async () => {
  const fields = await forged('votesOnly', (document) => {
    document.classNames[1] = document.classNames[0]
  })
  expect(fields).toContain('classNames[1]')
})

test('every row is protected, predicted or left out', async () => {
  expect(await forged('votesOnly', (document) => withData(document, { leftOut: [] }))).toEqual(['data.rows'])
  expect(await forged('votesOnly', (document) => withData(document, { protected: 301, rows: 341 }))).toEqual([
    'data.rows',
  ])
})

test('what is said of the sources and of the predicted videos fits', async () => {
  const edited = (change: Parameters<typeof withData>[1]) =>
    forged('votesOnly', (document) => withData(document, change))
  expect(await edited({ read: [] })).toEqual(['data.read'])
  const seen = { protected: 0, encoderWithLabels: 0, encoderWithoutLabels: 0, open: null }
  for (const predicted of [0, 41])
    expect(await edited({ seen: { ...seen, predicted } })).toEqual(['data.seen.predicted'])
  const fields = await forged('votesOnly', (document) => {
    withData(document)
    document.options = { ...options, trusted: 'others' }
  })
  expect(fields).toEqual(['options.trusted'])
})

test('videos that an encoder was compared with have been counted', async () => {
  const fields = await forged('votesOnly', (document) => {
    document.threat = claim(document, 'general', { trust: 'external', trainedOn: 'a'.repeat(64), overlap: null })
  })
  expect(fields).toEqual(['threat.encoder.overlap'])
})

test('an input is there once', async () => {
  const fields = await forged('general', ({ runs }) => {
    for (const { inputs } of runs) if (inputs !== null) inputs[5].id = inputs[4].id
  })
  expect(fields).toContain('runs[0].inputs[5].id')
})

test('an input and a class of votes of another system are there once', async () => {
  const fields = await forged('imported dpa', (document) => {
    const { inputs } = document as unknown as { inputs: { id: string }[] }
    inputs[2].id = inputs[1].id
    Object.assign(document, { classNames: ['a', 'b', 'c', 'a'] })
  })
  expect(fields).toEqual(['classNames[3]', 'inputs[2].id'])
})

test('runs of one K and spread have the same base classifiers', async () => {
  const mixed = await forged('general', ({ runs }) => {
    runs[1].learnersDigest = 'a'.repeat(64)
    runs[1].learnersFile = null
  })
  expect(mixed).toContain('runs[1].learnersDigest')
  const twice = await forged('general', ({ runs }) => {
    runs.push(runs[0])
  })
  expect(twice).toEqual(['runs[10].rule'])
})

test('a partition has rows where it has videos, and each video once', async () => {
  const hidden = await forged('empty', (document, copy) => {
    writeBuckets(copy, document, (manifest) => {
      const [empty] = manifest.empty
      manifest.sizes[empty] = 1
      manifest.empty.shift()
      manifest.rows++
    })
  })
  expect(hidden).toContain('buckets-25.json: sizes[0]')
  const twice = await forged('votesOnly', (document, copy) => {
    writeBuckets(copy, document, (manifest) => {
      manifest.assignment.splice(1, 0, manifest.assignment[0])
      manifest.videos++
    })
  })
  expect(twice.join()).toMatch(/assignment\[1\]/)
})

test('says that offsets were not checked where nothing says how they were drawn', async () => {
  const { notChecked } = await verifyVotes(certificates.general)
  expect(notChecked.join()).toContain('the offsets of rules with a spread')
})

test('an offset that no base classifier can have is refused, also where nothing says how offsets were drawn', async () => {
  for (const name of ['general', 'votesOnly'])
    await expect(
      forged(name, (document) => {
        const run = document.runs.find(({ offsets }) => offsets.length > 0)!
        run.offsets = [...run.offsets.slice(1), run.learners]
      }),
    ).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID', message: expect.stringContaining('offsets') })
})

test.each([
  ['a name twice', (text: string) => text.replace('"radius":', '"radius":1000,"radius":')],
  ['bytes that are no UTF-8', (text: string) => Buffer.from(text.replace('"claim":"', '"claim":"\xff'), 'latin1')],
])('a certificate with %s is refused', async (_, change) => {
  const copy = path.join(folder, `copy-${copies++}`)
  cpSync(path.dirname(certificates.votesOnly), copy, { recursive: true })
  const file = path.join(copy, 'certificate.json')
  writeFileSync(file, change(readFileSync(file, 'utf8')))
  await expect(verifyVotes(file)).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' })
})
