/** Reading the files of a run next to the training: it must neither wait for what never comes nor keep the program from ending. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fileDigest } from '../format/file-digest.ts'
import { trainingManifestFile } from './file-names.ts'
import { readTrainingManifest, TrainingRecord, writeTrainingManifest } from './training-manifest.ts'

let folder = ''
const inFolder = (name: string): string => path.join(folder, name)
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'videomae-record-'))
  writeFileSync(inFolder('video'), 'bytes')
  writeFileSync(inFolder('endless'), '')
  truncateSync(inFolder('endless'), 2 ** 39) // half a TiB: hours of reading
})
afterAll(() => rm(folder, { recursive: true }))

const recordOf = (files: readonly string[], signal?: AbortSignal): TrainingRecord =>
  new TrainingRecord({ files: files.map(inFolder), labeled: false, start: null, signal })

test('waiting until all files are read ends when the run is aborted, without a manifest', async () => {
  const stop = new AbortController()
  const record = recordOf(['video', 'endless'], stop.signal)
  await record.begin(null)
  const written = record.write(folder)
  setTimeout(() => stop.abort(), 50)
  await written
  expect(existsSync(inFolder(trainingManifestFile))).toBe(false)
  record.stop()
})

test('what is read when the run is aborted is written', async () => {
  const stop = new AbortController()
  const record = recordOf(['video'], stop.signal)
  await record.begin(null)
  await record.write(folder)
  stop.abort()
  await rm(inFolder(trainingManifestFile))
  await record.write(folder)
  expect((await readTrainingManifest(folder))?.samples).toEqual([await fileDigest(inFolder('video'))])
  record.stop()
})

test('a manifest with a key that is not known is refused: a misspelled one would take samples out of it', async () => {
  const record = recordOf(['video'])
  await record.begin(null)
  await record.write(folder)
  record.stop()
  const file = inFolder(trainingManifestFile)
  const content = JSON.parse(readFileSync(file, 'utf8')) as object
  writeFileSync(file, JSON.stringify({ ...content, labelRead: [] }))
  await expect(readTrainingManifest(folder)).rejects.toMatchObject({
    code: 'CHECKPOINT_DAMAGED',
    message: expect.stringContaining('labelRead'),
  })
  writeFileSync(file, JSON.stringify(content))
})

test('a manifest whose digests have changed is damaged, and one of an earlier version has no digest of its own', async () => {
  const samples = ['0'.repeat(64)]
  const shape = { schema: 'videomae.training-manifest/2', list: null, labeled: false, changed: 0, start: null } as const
  const content = { ...shape, samples }
  await writeTrainingManifest(folder, content)
  const file = inFolder(trainingManifestFile)
  const text = readFileSync(file, 'utf8')
  expect(await readTrainingManifest(folder)).toMatchObject(content)
  writeFileSync(file, text.replace('000', '001'))
  await expect(readTrainingManifest(folder)).rejects.toMatchObject({ code: 'CHECKPOINT_DAMAGED' })
  writeFileSync(file, JSON.stringify(content))
  expect(await readTrainingManifest(folder)).toEqual(content)
})

test.skipIf(process.platform === 'win32')('what is no file holds nothing up', async () => {
  execFileSync('mkfifo', [inFolder('pipe')])
  symlinkSync('/dev/zero', inFolder('zero'))
  const record = recordOf(['pipe', 'zero', 'video', 'absent'])
  await record.begin(null)
  await record.write(folder)
  expect((await readTrainingManifest(folder))?.samples).toEqual([await fileDigest(inFolder('video'))])
  record.stop()
})

test.skipIf(process.platform === 'win32')('a manifest that is no file is none', async () => {
  await rm(inFolder(trainingManifestFile), { force: true })
  execFileSync('mkfifo', [inFolder(trainingManifestFile)])
  expect(await readTrainingManifest(folder)).toBeNull()
})
