/**
 * What is known of the videos an encoder was trained on, after they have moved, were overwritten or cannot be read, for runs
 * that wrote it down. Oracle: which files took part is known here.
 */
import {
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkCertificationPlan, planCertification } from '../../src/certify/videos/plan.ts'
import { manifestOfData, trainingManifestOf } from '../../src/certify/videos/training-manifest.ts'
import { fileState } from '../../src/format/regular-file.ts'
import { TrainingRecord } from '../../src/train/training-manifest.ts'
import type { TrainingManifestContent } from '../../src/train/training-manifest-schema.ts'
import { trainingUse } from '../../src/train/training-use.ts'
import { probeDecoders } from '../../src/video/decoder.ts'
import { withoutChecksums } from '../support/without-checksums.ts'
import { digestOf, finetuneOn, known, manifestFolder, pretrainOn, videosIn, withoutManifests } from './manifest-runs.ts'

const { inFolder: location, dataset, options, listOf, fill, remove } = manifestFolder()
beforeAll(fill)
afterAll(remove)

/** Everything that trusts a manifest, asked about the weights in a folder. */
const asked = (from: string): Promise<unknown>[] => [
  trainingManifestOf(from),
  trainingUse(from),
  planCertification(options(from, location('inputs'), { test: undefined })),
  finetuneOn(location('inputs'), location('never'), from),
]

describe('a manifest', () => {
  test('next to foreign weights, and next to weights that were edited, is refused by everything that trusts it', async () => {
    await pretrainOn(location('inputs'), location('others-run'))
    const [foreign, edited] = [location('foreign'), location('edited')]
    cpSync(location('others-run', 'step-00000004'), foreign, { recursive: true })
    cpSync(location('run', 'step-00000004', 'training-manifest.json'), path.join(foreign, 'training-manifest.json'))
    cpSync(location('run', 'step-00000004'), edited, { recursive: true })
    const file = path.join(edited, 'model.safetensors')
    const bytes = readFileSync(file)
    bytes[bytes.length - 1] ^= 1 // the sign of the last value, or its exponent
    // Without its checksums: by them the file would be refused as damaged where it is opened as a model.
    bytes.write('videomae.edited', bytes.indexOf('videomae.sha256'))
    writeFileSync(file, bytes)
    withoutChecksums(edited)
    for (const from of [foreign, edited])
      for (const answer of await Promise.allSettled(asked(from)))
        expect(answer).toMatchObject({
          status: 'rejected',
          reason: { code: 'TRAINING_MANIFEST_FOREIGN', exit: 'data' },
        })
    // In the run it was written for it is taken, and in a copy.
    expect((await known(location('run'))).samples.size).toBe(6)
  })

  test('that names no weights, as those of earlier versions, leaves the training unknown, and hides nothing', async () => {
    const earlier = location('earlier')
    cpSync(location('run', 'step-00000004'), earlier, { recursive: true })
    const file = path.join(earlier, 'training-manifest.json')
    const { weights, digest: _, ...content } = JSON.parse(readFileSync(file, 'utf8')) as TrainingManifestContent
    expect(weights).toHaveLength(1)
    writeFileSync(file, JSON.stringify(content))
    const outcome = await trainingManifestOf(earlier)
    expect(outcome).toMatchObject({ known: false, why: expect.stringContaining('does not name its weights') })
    expect(await trainingUse(earlier)).toMatchObject({ open: expect.stringContaining('does not name its weights') })
    const notes: string[] = []
    const onNote = (note: string) => notes.push(note)
    expect(
      (await planCertification(options(earlier, location('inputs'), { test: undefined, onNote }))).encoder.trust,
    ).toBe('public')
    expect(notes.join('\n')).toContain('does not name its weights')
    // What it does name still counts as seen.
    const seen = await planCertification(options(earlier, location('elsewhere')))
    expect(seen.encoder.trust).toBe('protected_set')
  })

  test('names the average of its weights, too', async () => {
    const record = new TrainingRecord({ files: videosIn(location('elsewhere')), labeled: false, start: null })
    await record.begin(null)
    cpSync(location('run', 'step-00000004'), location('averaged'), { recursive: true })
    cpSync(location('others-run', 'step-00000004'), location('averaged', 'ema'), { recursive: true })
    rmSync(location('averaged', 'ema', 'training-manifest.json'))
    await record.write(location('averaged'))
    record.stop()
    for (const from of [location('averaged'), location('averaged', 'ema')])
      expect((await known(from)).samples.size).toBe(6)
    cpSync(location('run', 'step-00000002'), location('averaged', 'ema'), { recursive: true })
    rmSync(location('averaged', 'ema', 'training-manifest.json'))
    await expect(trainingManifestOf(location('averaged', 'ema'))).rejects.toMatchObject({
      code: 'TRAINING_MANIFEST_FOREIGN',
    })
  })
})

describe('a run that wrote down what it was trained on', () => {
  test('is known by the contents of its videos, wherever these are now', async () => {
    const files = await dataset('gone', 2)
    const digests = files.map(digestOf)
    await pretrainOn(listOf('gone.csv', files), location('gone-run'))
    mkdirSync(location('protected'))
    const moved = files.slice(1).map((file, i) => {
      renameSync(file, location('protected', `${i}.mp4`))
      return location('protected', `${i}.mp4`)
    })
    rmSync(location('gone.csv'))
    expect([...(await known(location('gone-run'))).samples]).toEqual(digests.toSorted())
    const plan = await planCertification(options(location('gone-run'), listOf('protected.csv', moved)))
    expect(plan.encoder.trust).toBe('protected_set')
    expect(() => checkCertificationPlan(plan, 'content', ['dpa'], 'general')).toThrow(/general does not hold/)
    // The manifest is in every checkpoint, so that one that is copied brings it along.
    cpSync(location('gone-run', 'step-00000004'), location('copied'), { recursive: true })
    expect((await known(location('copied'))).samples.size).toBe(6)
    expect((await manifestOfData(location('gone-run', 'training-manifest.json'))).samples.size).toBe(6)
  })

  test('counts what was there before a file was overwritten, and after it where the run went on', async () => {
    const files = await dataset('changing', 3)
    const before = files.map(digestOf)
    const stop = new AbortController()
    const stopped = pretrainOn(location('changing'), location('changing-run'), {
      signal: stop.signal,
      // Behind a checkpoint, which waits until all files are read.
      onStep: (step) => step === 3 && stop.abort(),
    })
    await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED' })
    cpSync(videosIn(location('elsewhere'))[0], files[0])
    expect([...(await known(location('changing-run'))).samples]).toEqual(before.toSorted())
    await pretrainOn(location('changing'), location('changing-run'), { resume: true })
    expect([...(await known(location('changing-run'))).samples]).toEqual([...before, digestOf(files[0])].toSorted())
  })

  test('is unknown where a file changed while it trained', async () => {
    const files = await dataset('restless', 4)
    const other = videosIn(location('elsewhere'))[1]
    await pretrainOn(location('restless'), location('restless-run'), {
      onStep: (step) => step === 3 && cpSync(other, files[0]),
    })
    expect(await trainingManifestOf(location('restless-run'))).toMatchObject({
      known: false,
      why: expect.stringContaining('1 of the files'),
    })
    expect((await known(location('restless-run', 'step-00000002'))).samples.size).toBe(6)
  })

  test.skipIf(process.platform === 'win32').for(['node-av', 'ffmpeg'] as const)(
    'is unknown where a link led to another file for a while (%s)',
    async (decoder, { skip }) => {
      const usable = (await probeDecoders()).some(({ name, available }) => name === decoder && available)
      skip(!usable, `${decoder} is not installed`)
      const [name, run] = [`linked-${decoder}`, location(`linked-run-${decoder}`)]
      const files = await dataset(`${name}-targets`, 4)
      const [other] = videosIn(location('elsewhere'))
      mkdirSync(location(name))
      const lead = (to: string, link: string): void => {
        symlinkSync(to, `${link}.new`)
        renameSync(`${link}.new`, link)
      }
      const links = files.map((_, i) => location(name, `${i}.mp4`))
      for (const [i, file] of files.entries()) lead(file, links[i])
      // Every video is decoded once in three steps, at most two steps ahead; a look at the files comes at the end alone.
      await pretrainOn(location(name), run, {
        steps: 12,
        every: 12,
        decoder,
        onStep(step) {
          if (step === 1) lead(other, links[2])
          if (step === 9) lead(files[2], links[2])
        },
      })
      expect(await trainingManifestOf(run)).toMatchObject({
        known: false,
        why: expect.stringContaining('1 of the files'),
      })
    },
  )

  test('compares the states that decoders found with those that were read', async () => {
    const files = await dataset('digested', 4)
    const record = new TrainingRecord({ files, labeled: false, start: null })
    await record.begin(null)
    const write = async () => {
      await record.write(location())
      return JSON.parse(readFileSync(location('training-manifest.json'), 'utf8')) as TrainingManifestContent
    }
    const stateOf = (file: string) => fileState(statSync(file, { bigint: true }))
    for (const file of files) record.decoded(file, stateOf(file))
    expect((await write()).changed).toBe(0)
    // Touched, decoded so, and read again: the same content.
    utimesSync(files[0], 1e9, 1e9)
    record.decoded(files[0], stateOf(files[0]))
    expect((await write()).changed).toBe(0)
    // Another file that nobody sees any more.
    record.decoded(files[1], stateOf(files[2]))
    expect((await write()).changed).toBe(1)
  })

  test('reads a file again that was only touched, and one that changed after its digest was taken', async () => {
    const files = await dataset('touched', 5)
    const known = { digests: new Map(files.map((file) => [file, digestOf(files[0])])), since: Date.now() + 1e6 }
    const record = new TrainingRecord({ files, labeled: false, start: null, known })
    await record.begin(null)
    await record.write(location()) // all files are read
    utimesSync(files[1], 1e9, 1e9)
    await record.write(location())
    const written = () =>
      JSON.parse(readFileSync(location('training-manifest.json'), 'utf8')) as TrainingManifestContent
    expect(written()).toMatchObject({ changed: 1, samples: [digestOf(files[0])] })
    const careful = new TrainingRecord({ files, labeled: false, start: null, known: { ...known, since: 0 } })
    await careful.begin(null)
    await careful.write(location())
    utimesSync(files[1], 1e9 + 1, 1e9)
    await careful.write(location())
    expect(written()).toMatchObject({ changed: 0, samples: files.map(digestOf).sort() })
  })

  test('does not take a file for what was trained on that was replaced before it was read', async () => {
    const files = await dataset('replaced', 4)
    const record = new TrainingRecord({ files, labeled: false, start: null })
    await record.begin(null) // the first steps may see every file as it is now
    cpSync(files[0], files[3])
    await record.write(location())
    const written = JSON.parse(readFileSync(location('training-manifest.json'), 'utf8')) as TrainingManifestContent
    expect(written.changed).toBe(1)
    await record.write(location())
    expect(JSON.parse(readFileSync(location('training-manifest.json'), 'utf8'))).toEqual(written)
  })

  test('includes the weights it started from, as long as those are the ones', async () => {
    const files = await dataset('second', 6)
    cpSync(location('run'), location('start'), { recursive: true })
    await pretrainOn(location('second'), location('second-run'), { from: location('start') })
    rmSync(location('start'), { recursive: true })
    expect((await known(location('second-run'))).samples.size).toBe(12)
    // Without a manifest of the start, the start is looked up later, and has to be the same weights.
    cpSync(location('run'), location('start'), { recursive: true })
    withoutManifests(location('start'))
    await pretrainOn(location('second'), location('third-run'), { from: location('start') })
    expect((await known(location('third-run'))).samples.size).toBe(12)
    rmSync(location('start'), { recursive: true })
    cpSync(location('gone-run'), location('start'), { recursive: true })
    expect(await trainingManifestOf(location('third-run'))).toMatchObject({
      known: false,
      why: expect.stringContaining('no longer at'),
    })
    // What the run itself saw is known all the same.
    const plan = await planCertification(options(location('third-run'), listOf('second.csv', files)))
    expect(plan.encoder.trust).toBe('protected_set')
    expect(() => checkCertificationPlan(plan, 'content', ['dpa'], 'general')).toThrow(/general does not hold/)
  })

  test.each(['ridge', 'full'] as const)('with labels is refused for the videos it saw: mode %s', async (mode) => {
    const files = await dataset(`labeled-${mode}`, mode === 'full' ? 7 : 8)
    await finetuneOn(location(`labeled-${mode}`), location(`${mode}-run`), location('run'), mode)
    const moved = files.map((file, i) => {
      const to = location(`moved-${mode}-${i}.mp4`)
      renameSync(file, to)
      return to
    })
    const protect = listOf(`moved-${mode}.csv`, moved)
    for (const from of [location(`${mode}-run`), location(`${mode}-run`, 'best')]) {
      expect(await known(from)).toMatchObject({ labeled: true, samples: { size: 12 } })
      const plan = await planCertification(options(from, protect))
      expect(plan.encoder).toMatchObject({ trust: 'protected_set', labelsUsed: true })
      expect(() => checkCertificationPlan(plan, 'content', ['dpa'], 'label_flip')).toThrow(
        /labels of the protected set/,
      )
      const denied = await planCertification({ ...options(from, protect), labelsUsed: false })
      expect(denied.encoder.labelsUsed).toBe(true)
    }
  })
})
