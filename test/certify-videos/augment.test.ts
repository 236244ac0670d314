/**
 * Heads that are also trained on changed clips of each video: the clips are rows of that video, so one video is still one
 * poisoned sample. Oracle: the partitions, the base classifiers before and after one video changed, and `verify`.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { auditVideos } from '../../src/certify/videos/audit-videos.ts'
import { type CertifyVideosJob, certifyVideos } from '../../src/certify/videos/certify-videos.ts'
import { readEnsemble } from '../../src/certify/videos/ensemble/ensemble-file.ts'
import { openCertifiedEnsemble } from '../../src/certify/videos/ensemble/open-ensemble.ts'
import { forecastCertification } from '../../src/certify/videos/forecast/forecast.ts'
import { type CertifyVideosOptions, planCertification } from '../../src/certify/videos/plan.ts'
import { prepareSets } from '../../src/certify/videos/prepare.ts'
import { verifyCertificate } from '../../src/certify/videos/verify-videos.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-certify-augment-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

/** The middle clip, two turned, four moved. */
const augment = ['shift', 'rotate'] as const
const clips = 7

const job = (out: string, more: Partial<CertifyVideosJob> = {}): CertifyVideosJob => ({
  ...{ data: inFolder('list.csv'), from: 'pixels', readout: 'hog', augment, partitions: 4, rules: ['dpa'] },
  ...{ out: inFolder(out), cache: inFolder('store'), threads: 1, workers: 1, processes: decoding },
  ...more,
})

/** For what comes before the mathematics. */
const planned = (more: Partial<CertifyVideosOptions>): CertifyVideosOptions => ({
  ...{ data: inFolder('list.csv'), from: 'pixels', readout: 'hog', augment },
  ...{ cache: inFolder('store'), threads: 1, workers: 1, processes: decoding },
  ...more,
})

let first: Awaited<ReturnType<typeof certifyVideos>>
let training: string[]

beforeAll(async () => {
  await generateMotionDataset(inFolder('videos'), {
    clips: 20,
    size: 32,
    frames: 8,
    seed: 1,
    classes: ['left', 'right'],
  })
  const rows = ['left', 'right'].flatMap((label) =>
    readdirSync(inFolder('videos', label)).map(
      (name, i) => `videos/${label}/${name},${label},${i < 6 ? 'train' : 'test'}`,
    ),
  )
  training = rows.filter((row) => row.endsWith('train'))
  writeFileSync(inFolder('list.csv'), `path,label,split\n${rows.join('\n')}\n`)
  writeFileSync(inFolder('without.csv'), `path,label,split\n${rows.filter((row) => row !== training[3]).join('\n')}\n`)
  first = await certifyVideos(job('first'))
})

describe('augmentation of heads', () => {
  test('gives every training video its clips, and inputs and trusted videos one', async () => {
    const given = planned({ trusted: inFolder('videos') })
    const { set, test } = await prepareSets(await planCertification(given), given)
    expect([set.rows, test.rows]).toEqual([training.length * clips, 8])
    for (let row = 0; row < set.rows; row += clips) {
      expect(new Set(set.ids.slice(row, row + clips)).size).toBe(1)
      expect(new Set(set.digests.slice(row, row + clips)).size).toBe(1)
    }
    const row = (r: number) => set.features.subarray(r * set.width, (r + 1) * set.width).join()
    expect(new Set(Array.from({ length: clips }, (_, r) => row(r))).size).toBe(clips)
  })

  test('is in the certificate and in the ensemble, and a video is in one partition with all its clips', async () => {
    const { certificate } = first
    expect(certificate.options).toMatchObject({ augment, clips: 1, readout: 'hog', engine: null })
    expect([certificate.trainingVideos, certificate.trainingRows]).toEqual([training.length, training.length * clips])
    const { description } = await readEnsemble(inFolder('first', certificate.runs[0].ensemble?.file ?? ''))
    expect(description.features).toMatchObject({ augment, readout: 'hog', engine: null })
    const buckets = JSON.parse(readFileSync(inFolder('first', 'buckets-4.json'), 'utf8'))
    expect(buckets.assignment).toHaveLength(training.length)
    expect(buckets.sizes.every((rows: number) => rows % clips === 0)).toBe(true)
  })

  test('one removed video changes one base classifier', async () => {
    const without = await certifyVideos(job('without', { data: inFolder('without.csv') }))
    const digests = (out: string) => readFileSync(inFolder(out, 'learners-k4-d1.txt'), 'utf8').split('\n')
    const [before, after] = [digests('first'), digests('without')]
    expect(before.filter((digest, i) => digest !== after[i])).toHaveLength(1)
    expect(without.certificate.trainingRows).toBe((training.length - 1) * clips)
  })

  test('changes the base classifiers, and their order in the list does not', async () => {
    const [plain, again] = [
      await certifyVideos(job('plain', { augment: undefined })),
      await certifyVideos(job('again', { augment: ['rotate', 'shift'], cache: inFolder('other') })),
    ]
    const digest = ({ certificate }: typeof plain) => certificate.runs[0].learnersDigest
    expect(digest(plain)).not.toBe(digest(first))
    expect(digest(again)).toBe(digest(first))
    expect(plain.certificate.options).not.toHaveProperty('augment')
  })

  test('can be verified, also by training base classifiers again', async () => {
    const file = inFolder('first', 'certificate.json')
    const options = { data: inFolder('list.csv'), retrain: [0, 1, 2, 3], cache: inFolder('store') }
    const { differences, checked } = await verifyCertificate(file, options)
    expect(differences).toEqual([])
    expect(checked.join('\n')).toMatch(/trained again: votes on all inputs and digests and stored weights/)
  })

  test('predicts new videos by their middle clip, as the certificate does', async () => {
    const ensemble = await openCertifiedEnsemble(inFolder('first'), { threads: 1, workers: 1 })
    try {
      const expected = first.certificate.runs[0].inputs ?? []
      const predictions = await ensemble.predict(first.plan.split.test.map((video) => video.path))
      for (const [i, { prediction, radius }] of expected.entries())
        expect(predictions[i]).toMatchObject({ label: first.certificate.classNames[prediction], radius })
    } finally {
      await ensemble.close()
    }
  })

  test('is attacked by the audit as one video, and planned with all its clips', async () => {
    const { out, cache, data, from } = job('audit')
    const audited = await auditVideos({
      ...{
        out,
        cache,
        data,
        from,
        readout: 'hog',
        augment,
        rule: 'dpa',
        partitions: 4,
        threads: 1,
        workers: 1,
        processes: decoding,
      },
      ...{ trials: 5, listTrials: 2 },
    })
    expect(audited.report.violations).toEqual([])
    const forecast = await forecastCertification(job('forecast'))
    expect(forecast.features?.items).toBe(training.length * clips + 8)
  })

  test('is refused where nothing reads it', async () => {
    const refused = (name: string) =>
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(`${name} `) })
    const plan = (more: Partial<CertifyVideosOptions>) => planCertification(planned(more))
    await expect(plan({ clips: 2 })).rejects.toThrow(refused('clips'))
    const attentive = { from: inFolder('videos'), readout: undefined, learner: { kind: 'attentive' } } as const
    await expect(plan(attentive)).rejects.toThrow(refused('augment'))
    await expect(plan({ from: `untrained:${inFolder('videos')}` })).rejects.toThrow()
  })
})
