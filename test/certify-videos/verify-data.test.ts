/** What `verify --data` compares with the videos: with videos to predict of their own, and for white-box radii. */
import { appendFileSync, copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { attestCertificate } from '../../src/certify/attest/attest.ts'
import { assertDiff, diffCertificates } from '../../src/certify/diff/diff.ts'
import { certifyVideos } from '../../src/certify/videos/certify-videos.ts'
import { readEnsemble, type StoredEnsemble, writeEnsemble } from '../../src/certify/videos/ensemble/ensemble-file.ts'
import { verifyCertificate } from '../../src/certify/videos/verify-videos.ts'
import type { VideoCertificate } from '../../src/certify/videos/video-certificate.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { lockRun } from '../../src/train/run-lock.ts'
import { listVideos } from '../../src/video/source.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-verify-data-')
const inFolder = (name: string) => path.join(folder, name)
const [data, tested] = [inFolder('data.csv'), inFolder('test.csv')]
beforeAll(async () => {
  await generateMotionDataset(inFolder('videos'), { clips: 16, size: 32, frames: 16, seed: 1, classes: ['left', 'up'] })
  const videos = listVideos(inFolder('videos'), { labelFromFolder: true })
  const rows = videos.map(({ path: file, label }) => `${file},${label}`)
  writeFileSync(data, `path,label\n${rows.slice(0, 12).join('\n')}\n`)
  writeFileSync(tested, `path,label\n${rows.slice(12).join('\n')}\n`)
  // One content under two names: one poisoned sample relabels both rows.
  copyFileSync(videos[0].path, inFolder('copy.mp4'))
  appendFileSync(data, 'copy.mp4,up\n')
})

const shared = { from: 'pixels', partitions: 3, rules: ['dpa'], workers: 1, threads: 1, processes: decoding } as const
const fieldsOf = async (file: string, sources: { data: string; test?: string }) =>
  (await verifyCertificate(file, sources)).differences.map(({ field }) => field)

test('videos to predict of their own', async () => {
  const out = inFolder('apart')
  await certifyVideos({ ...shared, data, test: tested, out, cache: inFolder('cache') })
  const file = path.join(out, 'certificate.json')
  const report = await verifyCertificate(file, { data, test: tested })
  expect(report.differences).toEqual([])
  expect(report.checked.join()).toContain('the partition of each video')
  // Protected and predicted videos the other way round.
  expect(await fieldsOf(file, { data: tested, test: data })).toContain('data.protected')
  await expect(verifyCertificate(file, { data })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('contents of videos, where the partition does not depend on them', async () => {
  const [out, copies] = [inFolder('by-id'), inFolder('copies')]
  mkdirSync(copies)
  const [header, ...rows] = readFileSync(data, 'utf8').trimEnd().split('\n')
  const files = rows.slice(4, 12).map((row) => row.split(','))
  for (const [i, [video]] of files.entries()) copyFileSync(video, path.join(copies, `${i}.mp4`))
  const list = path.join(copies, 'list.csv')
  const lines = files.map(([, label], i) => `${i}.mp4,${label},${i < 6 ? 'train' : 'test'}`)
  writeFileSync(list, `${header},split\n${lines.join('\n')}\n`)
  await certifyVideos({ ...shared, data: list, by: 'id', partitions: 2, out, cache: inFolder('cache') })
  const file = path.join(out, 'certificate.json')
  const whole = await verifyCertificate(file, { data: list })
  expect(whole.differences).toEqual([])
  expect(whole.checked).toContain('the contents and labels of the protected videos, with protected-set.json')
  for (const [name, record] of [
    ['1.mp4', 'protected-set.json'],
    ['7.mp4', 'certified-inputs.json'],
  ]) {
    const before = readFileSync(path.join(copies, name))
    appendFileSync(path.join(copies, name), 'x')
    const report = await verifyCertificate(file, { data: list })
    expect(report.differences.map(({ field }) => field)).toEqual([
      `${record}: samples, from the data.${name}[0].sha256`,
    ])
    rmSync(path.join(copies, name))
    writeFileSync(path.join(copies, name), before)
  }
  // Without the record it is not noticed, and that is said.
  rmSync(path.join(out, 'protected-set.json'))
  appendFileSync(path.join(copies, '1.mp4'), 'x')
  const report = await verifyCertificate(file, { data: list })
  expect(report.differences).toEqual([])
  expect(report.notChecked.join()).toContain('the contents of the protected videos')
})

test('folders that are parts', async () => {
  for (const { id, path: file } of listVideos(inFolder('videos'), { labelFromFolder: true })) {
    const target = path.join(inFolder('parts'), id.includes('1') ? 'test' : 'train', id)
    mkdirSync(path.dirname(target), { recursive: true })
    copyFileSync(file, target)
  }
  const out = inFolder('folders')
  await certifyVideos({ ...shared, data: inFolder('parts'), split: 'folders', out, cache: inFolder('cache') })
  expect(await fieldsOf(path.join(out, 'certificate.json'), { data: inFolder('parts') })).toEqual([])
})

test('the files that a certification names are all that others need', async () => {
  const job = {
    ...shared,
    data,
    test: tested,
    threat: 'label_flip',
    whiteBox: true,
    rules: ['dpa', 'fa'],
    spread: 2,
  } as const
  const { files } = await certifyVideos({ ...job, out: inFolder('published'), cache: inFolder('cache') })
  mkdirSync(inFolder('elsewhere'))
  for (const file of files) copyFileSync(file, path.join(inFolder('elsewhere'), path.basename(file)))
  const report = await verifyCertificate(path.join(inFolder('elsewhere'), 'certificate.json'))
  expect(report.differences).toEqual([])
  expect(report.runs.map(({ skipped }) => skipped)).toEqual([null, null, null])
  expect(report.checked).toEqual(
    (await verifyCertificate(path.join(inFolder('published'), 'certificate.json'))).checked,
  )
})

test('a folder takes one certification at a time, and what an earlier one has left is named', async () => {
  const [out, notes] = [inFolder('twice'), [] as string[]]
  const job = {
    ...shared,
    data,
    test: tested,
    out,
    cache: inFolder('cache'),
    onNote: (note: string) => notes.push(note),
  } as const
  const lock = await lockRun(out)
  await expect(certifyVideos(job)).rejects.toMatchObject({ code: 'RUN_LOCKED' })
  await lock.release()
  await certifyVideos(job)
  expect(notes.join()).not.toContain('earlier certificate')
  // One that ends before everything is counted leaves the earlier certificate whole: its votes are rankings, under the same name.
  const stop = new AbortController()
  const seen: string[] = []
  const onProgress = (what: string) => {
    // Of the second ensemble: everything of the first one is written.
    if (what !== 'certificates' && seen.includes('certificates')) stop.abort(new Error('stopped'))
    seen.push(what)
  }
  const stopped = {
    ...job,
    partitions: [3, 2],
    rules: ['roe'],
    onProgress,
    signal: stop.signal,
  } as const
  await expect(certifyVideos(stopped)).rejects.toThrow('stopped')
  expect((await verifyCertificate(path.join(out, 'certificate.json'), { data, test: tested })).differences).toEqual([])
  const { files } = await certifyVideos({ ...job, partitions: 2 })
  expect(notes.at(-1)).toMatch(
    /do not belong to this one: ballots-k3-d1.npy, buckets-3.json, ensemble-k3-d1.safetensors, learners-k3-d1.txt$/,
  )
  expect(new Set(files).size).toBe(files.length)
  const report = await verifyCertificate(path.join(out, 'certificate.json'), { data, test: tested })
  expect(report.differences).toEqual([])
  expect(report.runs.map(({ run }) => run)).toEqual(['DPA K=2'])
})

test('rows that one poisoned sample relabels', async () => {
  const out = inFolder('flips')
  const job = {
    ...shared,
    data,
    test: tested,
    out,
    cache: inFolder('cache'),
    threat: 'label_flip',
    whiteBox: true,
  } as const
  await certifyVideos(job)
  const file = path.join(out, 'certificate.json')
  expect(await fieldsOf(file, { data, test: tested })).toEqual([])
  const certificate = JSON.parse(readFileSync(file, 'utf8')) as VideoCertificate
  const flips = certificate.runs.find(({ rule }) => rule === 'dpa_white_box')?.flips
  expect(flips).toMatchObject({ samples: 13, largestUnit: 2 })
  writeFileSync(
    file,
    JSON.stringify(certificate, (key, value: unknown) => (key === 'flips' ? { ...flips, largestUnit: 1 } : value)),
  )
  expect(await fieldsOf(file, { data, test: tested })).toContain('runs[1].flips.largestUnit')
})

test('an update of the data is counted in units, by content', async () => {
  const [before, after] = [inFolder('update-before'), inFolder('update-after')]
  await certifyVideos({ ...shared, data, test: tested, out: before, cache: inFolder('cache') })
  // One file is gone, one of two rows of one content has another label, one file has another name.
  const [header, first, second, third, ...rest] = readFileSync(data, 'utf8').trimEnd().split('\n')
  const other = (row: string) => row.replace(/,(left|up)$/, (_, label) => (label === 'up' ? ',left' : ',up'))
  copyFileSync(third.split(',')[0], inFolder('renamed.mp4'))
  const label = third.split(',')[1]
  const rows = [first, `renamed.mp4,${label}`, ...rest.slice(0, -1), other(rest[rest.length - 1])]
  writeFileSync(inFolder('updated.csv'), `${[header, ...rows.reverse()].join('\n')}\n`)
  await certifyVideos({ ...shared, data: inFolder('updated.csv'), test: tested, out: after, cache: inFolder('cache') })
  const diff = await diffCertificates(before, path.join(after, 'certificate.json'))
  assertDiff(diff)
  expect(diff.claimDifferences).toEqual([])
  expect(diff.inputs).toMatchObject({ matchedBy: 'content', onlyBefore: [], onlyAfter: [] })
  expect(diff.protectedSet?.counts).toEqual({ added: 0, removed: 1, label: 1, content: 0 })
  expect(diff.protectedSet?.changes.map(({ ids }) => ids.length)).toEqual(expect.arrayContaining([1, 2]))
  expect(diff.protectedSet?.changes.flatMap(({ ids }) => ids)).toContain(second.split(',')[0])
  expect(diff.runs).toMatchObject([{ cost: 2, notChecked: null }])
  expect((await verifyCertificate(path.join(after, 'certificate.json'))).differences).toEqual([])
})

describe('base classifiers that are trained again', () => {
  const out = inFolder('retrained')
  const file = path.join(out, 'certificate.json')
  beforeAll(async () => {
    const job = {
      ...shared,
      rules: ['dpa', 'roe', 'fa'],
      spread: 2,
      data,
      test: tested,
      out,
      cache: inFolder('cache'),
    } as const
    await certifyVideos(job)
  })
  const retrain = (retrain: readonly number[], certificate = file) =>
    verifyCertificate(certificate, { data, test: tested, retrain, cache: inFolder('cache') })

  test('are the same, in every ensemble that has as many', async () => {
    const report = await retrain([0, 4])
    expect(report.differences).toEqual([])
    const checked = report.checked.join('; ')
    expect(checked).toContain(
      'base classifiers 0 of K=3, trained again: votes on all inputs and digests and stored weights',
    )
    expect(checked).toContain('base classifiers 0, 4 of K=3 d=2')
    await expect(retrain([6])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(verifyCertificate(file, { retrain: [0] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('say with which options they were made, which a certificate repeats', async () => {
    const text = readFileSync(file, 'utf8')
    const copy = inFolder('other-options')
    cpSync(out, copy, { recursive: true })
    const report = await verifyCertificate(file)
    expect(report.notChecked.join('; ')).toContain('the number of clips, the stride')
    const { options, runs } = JSON.parse(text) as VideoCertificate
    const other = { from: ['a'], readout: 'hog', augment: ['mirror'], decoder: 'ffmpeg', engine: 'native', seed: 7 }
    const changed = Object.entries(other).map(
      ([field, value]) => [`options.${field}`, { options: { ...options, [field]: value } }] as const,
    )
    const seeds = ['runs[0].seeds', { runs: runs.map((run) => ({ ...run, seeds: 5 })) }] as const
    for (const [field, change] of [...changed, seeds]) {
      writeFileSync(path.join(copy, 'certificate.json'), JSON.stringify({ ...JSON.parse(text), ...change }))
      const { differences } = await verifyCertificate(copy)
      expect(
        differences.some((found) => found.field.startsWith(field)),
        field,
      ).toBe(true)
    }
  })

  test('are found where votes, digests or weights are others', async () => {
    const copy = inFolder('invented')
    cpSync(out, copy, { recursive: true })
    const [certificate, ballots] = [path.join(copy, 'certificate.json'), path.join(copy, 'ballots-k3-d2.npy')]
    const before = readFileSync(ballots)
    const learners = path.join(copy, 'learners-k3-d2.txt')
    const digests = readFileSync(learners, 'utf8').split('\n')
    writeFileSync(learners, digests.with(4, digests[3]).join('\n'))
    // Vote of learner 4 on the first input: another class.
    before[before.length - 6 * 4 + 4] = before[before.length - 6 * 4 + 4] === 2 ? 3 : 2
    writeFileSync(ballots, before)
    const fieldsOf = async (numbers: readonly number[]) =>
      (await retrain(numbers, certificate)).differences.map(({ field }) => field)
    const found = await fieldsOf([4])
    expect(found).toContain('learners-k3-d2.txt: base classifier 4')
    expect(found.filter((field) => field.startsWith('ballots-k3-d2.npy: ballot of base classifier 4'))).toHaveLength(1)
    expect((await fieldsOf([1])).filter((field) => field.includes('base classifier 1'))).toEqual([])
    const ensemble = path.join(copy, 'ensemble-k3-d1.safetensors')
    copyFileSync(path.join(inFolder('update-after'), 'ensemble-k3-d1.safetensors'), ensemble)
    expect(await fieldsOf([0, 1, 2])).toContainEqual(
      expect.stringMatching(/^ensemble-k3-d1\.safetensors: weights of base classifier \d/),
    )
    rmSync(ensemble)
    expect((await fieldsOf([0])).filter((field) => field.includes('ensemble'))).toEqual([])
  })

  test('are not compared where the machine would give other numbers', async () => {
    const other = path.join(out, 'other.json')
    const text = readFileSync(file, 'utf8')
    writeFileSync(other, text.replace(/"decoder":"node-av [^"]*"/, '"decoder":"node-av (FFmpeg 1)"'))
    await expect(retrain([0], other)).rejects.toMatchObject({ code: 'CERTIFICATE_NOT_VERIFIED' })
    writeFileSync(other, text.replace('"kind":"ridge"', '"kind":"attentive"'))
    await expect(retrain([0], other)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('in files are those of the certificate, with its claim, and no statement is made about others', async () => {
    const copy = inFolder('ensembles')
    cpSync(out, copy, { recursive: true })
    const [certificate, ensemble] = [path.join(copy, 'certificate.json'), path.join(copy, 'ensemble-k3-d1.safetensors')]
    const text = readFileSync(certificate, 'utf8')
    const stored = await readEnsemble(ensemble)
    const fields = async () => (await verifyCertificate(certificate)).differences.map(({ field }) => field)
    /** Writes an ensemble that is whole, and names it in the certificate. */
    const replaced = async (change: Partial<StoredEnsemble>): Promise<string[]> => {
      const digest = await writeEnsemble(ensemble, { ...stored, ...change })
      writeFileSync(certificate, text.replaceAll(stored.digest, digest))
      return fields()
    }
    const whole = await verifyCertificate(certificate)
    expect(whole.checked.join()).toContain('ensemble files: their digests')
    expect(whole.notChecked.join()).not.toContain('ensemble files')
    expect(await replaced({})).toEqual([])
    const { description, heads } = stored
    const known = heads.knows.indexOf(1) * (heads.width + 1)
    const weights = heads.weights.map((weight, i) => (i === known ? weight + 1 : weight))
    expect(await replaced({ heads: { ...heads, weights } })).toEqual([
      'ensemble-k3-d1.safetensors: digest of its weights',
    ])
    const threat = { ...description.threat, conditions: [] }
    expect(new Set(await replaced({ description: { ...description, threat } }))).toEqual(
      new Set(description.threat.conditions.map((_, i) => `ensemble-k3-d1.safetensors: threat.conditions[${i}]`)),
    )
    expect(await replaced({ description: { ...description, rules: ['dpa'] } })).toEqual([
      'ensemble-k3-d1.safetensors: rules[1]',
    ])
    // Another ensemble under the name, and none.
    writeFileSync(certificate, text)
    expect(await fields()).toEqual(['runs[0].ensemble.digest'])
    await expect(attestCertificate(copy)).rejects.toMatchObject({ code: 'CERTIFICATE_DIFFERS' })
    appendFileSync(ensemble, 'x')
    await expect(attestCertificate(copy)).rejects.toMatchObject({ exit: 'data' })
    rmSync(ensemble)
    expect((await verifyCertificate(certificate)).notChecked).toContain(
      'ensemble-k3-d1.safetensors, which is not next to the certificate',
    )
    const { statement, missing } = await attestCertificate(copy)
    expect(missing).toEqual(['ensemble-k3-d1.safetensors'])
    expect(statement.subject.map(({ name }) => name)).toContain('ensemble-k3-d2.safetensors')
  })
})
