/** What `certify --plan` says, against what the same certification then trains and writes. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import { type CertifyVideosJob, certifyVideos } from '../../src/certify/videos/certify-videos.ts'
import { forecastCertification } from '../../src/certify/videos/forecast/forecast.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { listVideos } from '../../src/video/source.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { runAsText, runHere } from '../support/run-here.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-forecast-')
const inFolder = (name: string) => path.join(folder, name)
const data = inFolder('data.csv')
beforeAll(async () => {
  await generateMotionDataset(inFolder('videos'), { clips: 20, size: 32, frames: 16, seed: 1, classes: ['left', 'up'] })
  const videos = listVideos(inFolder('videos'), { labelFromFolder: true })
  const rows = videos.map(({ path: file, label }, i) => `${file},${label},${i % 5 === 0 ? 'test' : 'train'}`)
  writeFileSync(data, `path,label,split\n${rows.join('\n')}\n`)
})

const job: CertifyVideosJob = {
  ...{ data, from: 'pixels', partitions: [3, 30], rules: ['dpa', 'roe', 'fa', 'roe_fa'], spread: 2 },
  ...{ workers: 1, threads: 1, out: inFolder('out') },
}

test('names learners, samples, files and the largest radius of the run that follows, and writes nothing', async () => {
  const before = readdirSync(folder)
  const temporary = readdirSync(os.tmpdir()).filter((name) => name.startsWith('videomae-plan-'))
  const forecast = await forecastCertification(job)
  expect(readdirSync(folder)).toEqual(before)
  expect(readdirSync(os.tmpdir()).filter((name) => name.startsWith('videomae-plan-'))).toEqual(temporary)
  expect(forecast).toMatchObject({ protected: 16, units: 16, predicted: 4, leftOut: 0, learner: 'ridge' })
  expect(forecast.classes).toEqual(['left', 'up'])
  expect(forecast.memory.fits).toBe(true)
  expect(forecast.memory.learners?.total).toBeGreaterThan(0)
  expect(forecast.features).toMatchObject({ measured: 6, items: 20 })
  expect(forecast.features?.seconds).toBeGreaterThan(0)

  const { certificate, files } = await certifyVideos(job)
  expect(forecast.ensembles.map(({ name }) => name)).toEqual(['k3-d1', 'k3-d2', 'k30-d1', 'k30-d2'])
  for (const run of certificate.runs) {
    const planned = forecast.ensembles.find(
      ({ partitions, spread }) => partitions === run.partitions && spread === run.spread,
    )
    expect(planned).toMatchObject({
      ...{ learners: run.learners, models: run.learners, samples: run.samples },
      ...{ emptyLearners: run.emptyLearners, singleClassLearners: run.singleClassLearners },
    })
    const largest = planned?.largestRadius[run.rule as 'dpa'] ?? -1
    for (const { radius } of run.inputs ?? []) expect(radius).toBeLessThanOrEqual(largest)
    for (const work of [planned?.training, planned?.votes]) expect(work?.seconds).toBeGreaterThan(0)
  }
  // Half of three partitions, rounded down; of thirty, those that have a video.
  expect(forecast.ensembles[0].largestRadius.dpa).toBe(1)
  const withVideos = 30 - forecast.ensembles[2].emptyLearners
  expect(forecast.ensembles[2].largestRadius.dpa).toBe(Math.floor((withVideos - 1) / 2))
  const counts = Object.values(forecast.ensembles[0].perClass)
  expect(counts.reduce((sum, { most }) => sum + most, 0)).toBeGreaterThanOrEqual(forecast.ensembles[0].samples.most)

  const planned = new Map(forecast.files.map((file) => [file.file, file]))
  for (const file of files) {
    const known = planned.get(path.basename(file))
    expect(known, file).toBeDefined()
    const { size } = statSync(file)
    if (known?.exact === true) expect(size, file).toBe(known.bytes)
    else expect(Math.max(size, known?.bytes ?? 0) / Math.min(size, known?.bytes ?? 0), file).toBeLessThan(5)
  }
  const names = new Set(files.map((file) => path.basename(file)))
  expect(forecast.files.filter(({ file }) => !names.has(file) && !file.startsWith('learners/'))).toEqual([])
})

test('the command prints it, with a proposal from a study, and makes no folder', async () => {
  const measured = {
    ...{ inputs: 4, cleanAccuracy: 1, certifiedAccuracy: [1, 0.5], medianRadius: 1 },
    ...{ medianAsPrintedByReferenceScripts: 2, averageCertifiedRadius: 0.5 },
  }
  const rows = [{ partitions: 4, size: 4, measured }]
  const study = { schema: 'videomae.lethal-dose/1', learners: [{ name: 'pixels, ridge', samples: 16, rows }] }
  writeFileSync(inFolder('dose.json'), JSON.stringify(study))
  const out = inFolder('never')
  const line = `certify ${data} --from pixels --partitions 3 --out ${out} --workers 1 --threads 1 --quiet --plan`
  const { code, document } = await runHere(`${line} --lethal-dose ${inFolder('dose.json')} --require certified@1>=0.5`)
  expect(code).toBe(0)
  expect(document).toMatchObject({
    schema: 'videomae.certification-plan/1',
    ensembles: [{ name: 'k3-d1', largestRadius: { dpa: 1, roe: 1 } }],
    proposal: { best: { partitions: 4, samples: 4, meets: true } },
  })
  const none = `--lethal-dose ${inFolder('dose.json')} --require certified@3>=0.5`
  const { code: asText, text } = await runAsText(`${line} ${none}`)
  expect([asText, text]).toEqual([6, expect.stringMatching(/proposed {2}nothing[\s\S]*REQUIREMENT_NOT_MET/)])
  expect(existsSync(out)).toBe(false)
  const refused = await runHere(`${line} --require accuracy>=0.5`)
  expect([refused.code, refused.document.error?.code]).toEqual([2, 'INVALID_ARGUMENT'])
  expect(readFileSync(inFolder('dose.json'), 'utf8')).toBe(JSON.stringify(study))
})

test('is refused at once for far more learners than videos fill, as is the run', async () => {
  const refused = { code: 'INVALID_ARGUMENT', message: expect.stringContaining('the protected samples are 16') }
  const far = { ...job, partitions: 2 ** 24, rules: ['dpa'] as const, spread: undefined }
  await expect(forecastCertification(far)).rejects.toMatchObject(refused)
  await expect(certifyVideos(far)).rejects.toMatchObject(refused)
})
