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
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkPlan, planCertification } from '../../src/certify/videos/plan.ts'
import { manifestOfData, trainingManifestOf } from '../../src/certify/videos/training-manifest.ts'
import { fileState } from '../../src/format/regular-file.ts'
import { type TrainingManifestContent, TrainingRecord } from '../../src/train/training-manifest.ts'
import { trainingUse } from '../../src/train/training-use.ts'
import { probeDecoders } from '../../src/video/decoder.ts'
import { digestOf, finetuneOn, known, manifestFolder, pretrainOn, videosIn, withoutManifests } from './manifest-runs.ts'

const { place, dataset, options, listOf, fill, remove } = manifestFolder()
beforeAll(fill)
afterAll(remove)

/** Everything that trusts a manifest, asked about the weights in a folder. */
const asked = (from: string): Promise<unknown>[] => [
  trainingManifestOf(from),
  trainingUse(from),
  planCertification(options(from, place('inputs'), { test: undefined })),
  finetuneOn(place('inputs'), place('never'), from),
]

describe('a manifest', () => {
  it('beside foreign weights, and beside weights that were edited, is refused by everything that trusts it', async () => {
    await pretrainOn(place('inputs'), place('others-run'))
    const [foreign, edited] = [place('foreign'), place('edited')]
    cpSync(place('others-run', 'step-00000004'), foreign, { recursive: true })
    cpSync(place('run', 'step-00000004', 'training-manifest.json'), path.join(foreign, 'training-manifest.json'))
    cpSync(place('run', 'step-00000004'), edited, { recursive: true })
    const file = path.join(edited, 'model.safetensors')
    const bytes = readFileSync(file)
    bytes[bytes.length - 1] ^= 1 // the sign of the last value, or its exponent
    // Without its checksum: by that the file would be refused as damaged where it is opened as a model.
    bytes.write('videomae.edited', bytes.indexOf('videomae.sha256'))
    writeFileSync(file, bytes)
    for (const from of [foreign, edited])
      for (const answer of await Promise.allSettled(asked(from)))
        expect(answer).toMatchObject({
          status: 'rejected',
          reason: { code: 'TRAINING_MANIFEST_FOREIGN', exit: 'data' },
        })
    // In the run it was written for it is taken, and in a copy.
    expect((await known(place('run'))).samples.size).toBe(6)
  })

  it('that names no weights, as those of earlier versions, leaves the training unknown, and hides nothing', async () => {
    const earlier = place('earlier')
    cpSync(place('run', 'step-00000004'), earlier, { recursive: true })
    const file = path.join(earlier, 'training-manifest.json')
    const { weights, ...content } = JSON.parse(readFileSync(file, 'utf8')) as TrainingManifestContent
    expect(weights).toHaveLength(1)
    writeFileSync(file, JSON.stringify(content))
    const outcome = await trainingManifestOf(earlier)
    expect(outcome).toMatchObject({ known: false, why: expect.stringContaining('does not name the weights') })
    expect(await trainingUse(earlier)).toMatchObject({ open: expect.stringContaining('does not name the weights') })
    const notes: string[] = []
    const onNote = (note: string) => notes.push(note)
    expect(
      (await planCertification(options(earlier, place('inputs'), { test: undefined, onNote }))).encoder.trust,
    ).toBe('public')
    expect(notes.join('\n')).toContain('does not name the weights')
    // What it does name still counts as seen.
    const seen = await planCertification(options(earlier, place('elsewhere')))
    expect(seen.encoder.trust).toBe('protected_set')
  })

  it('names the average of its weights, too', async () => {
    const record = new TrainingRecord({ files: videosIn(place('elsewhere')), labeled: false, start: null })
    await record.begin(null)
    cpSync(place('run', 'step-00000004'), place('averaged'), { recursive: true })
    cpSync(place('others-run', 'step-00000004'), place('averaged', 'ema'), { recursive: true })
    rmSync(place('averaged', 'ema', 'training-manifest.json'))
    await record.write(place('averaged'))
    record.stop()
    for (const from of [place('averaged'), place('averaged', 'ema')]) expect((await known(from)).samples.size).toBe(6)
    cpSync(place('run', 'step-00000002'), place('averaged', 'ema'), { recursive: true })
    rmSync(place('averaged', 'ema', 'training-manifest.json'))
    await expect(trainingManifestOf(place('averaged', 'ema'))).rejects.toMatchObject({
      code: 'TRAINING_MANIFEST_FOREIGN',
    })
  })
})

describe('a run that wrote down what it was trained on', () => {
  it('is known by the contents of its videos, wherever these are now', async () => {
    const files = await dataset('gone', 2)
    const digests = files.map(digestOf)
    await pretrainOn(listOf('gone.csv', files), place('gone-run'))
    mkdirSync(place('protected'))
    const moved = files.slice(1).map((file, i) => {
      renameSync(file, place('protected', `${i}.mp4`))
      return place('protected', `${i}.mp4`)
    })
    rmSync(place('gone.csv'))
    expect([...(await known(place('gone-run'))).samples]).toEqual(digests.toSorted())
    const plan = await planCertification(options(place('gone-run'), listOf('protected.csv', moved)))
    expect(plan.encoder.trust).toBe('protected_set')
    expect(() => checkPlan(plan, 'content', ['dpa'], 'general')).toThrow(/general does not hold/)
    // The manifest lies in every checkpoint, so that one that is copied brings it along.
    cpSync(place('gone-run', 'step-00000004'), place('copied'), { recursive: true })
    expect((await known(place('copied'))).samples.size).toBe(6)
    expect((await manifestOfData(place('gone-run', 'training-manifest.json'))).samples.size).toBe(6)
  })

  it('counts what was there before a file was overwritten, and after it where the run went on', async () => {
    const files = await dataset('changing', 3)
    const before = files.map(digestOf)
    const stop = new AbortController()
    const stopped = pretrainOn(place('changing'), place('changing-run'), {
      signal: stop.signal,
      // Behind a checkpoint, which waits until all files are read.
      onStep: (step) => step === 3 && stop.abort(),
    })
    await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED' })
    cpSync(videosIn(place('elsewhere'))[0], files[0])
    expect([...(await known(place('changing-run'))).samples]).toEqual(before.toSorted())
    await pretrainOn(place('changing'), place('changing-run'), { resume: true })
    expect([...(await known(place('changing-run'))).samples]).toEqual([...before, digestOf(files[0])].toSorted())
  })

  it('is unknown where a file changed while it trained', async () => {
    const files = await dataset('restless', 4)
    const other = videosIn(place('elsewhere'))[1]
    await pretrainOn(place('restless'), place('restless-run'), {
      onStep: (step) => step === 3 && cpSync(other, files[0]),
    })
    expect(await trainingManifestOf(place('restless-run'))).toMatchObject({
      known: false,
      why: expect.stringContaining('1 of the files'),
    })
    expect((await known(place('restless-run', 'step-00000002'))).samples.size).toBe(6)
  })

  it.skipIf(process.platform === 'win32').for(['node-av', 'ffmpeg'] as const)(
    'is unknown where a link led to another file for a while (%s)',
    async (decoder, { skip }) => {
      const usable = (await probeDecoders()).some(({ name, available }) => name === decoder && available)
      skip(!usable, `${decoder} is not installed`)
      const [name, run] = [`linked-${decoder}`, place(`linked-run-${decoder}`)]
      const files = await dataset(`${name}-targets`, 4)
      const [other] = videosIn(place('elsewhere'))
      mkdirSync(place(name))
      const lead = (to: string, link: string): void => {
        symlinkSync(to, `${link}.new`)
        renameSync(`${link}.new`, link)
      }
      const links = files.map((_, i) => place(name, `${i}.mp4`))
      for (const [i, file] of files.entries()) lead(file, links[i])
      // Every video is decoded once in three steps, at most two steps ahead; a look at the files comes at the end alone.
      await pretrainOn(place(name), run, {
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

  it('compares the states that decoders found with those that were read', async () => {
    const files = await dataset('digested', 4)
    const record = new TrainingRecord({ files, labeled: false, start: null })
    await record.begin(null)
    const write = async () => {
      await record.write(place())
      return JSON.parse(readFileSync(place('training-manifest.json'), 'utf8')) as TrainingManifestContent
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

  it('reads a file again that was only touched, and one that changed after its digest was taken', async () => {
    const files = await dataset('touched', 5)
    const known = { digests: new Map(files.map((file) => [file, digestOf(files[0])])), since: Date.now() + 1e6 }
    const record = new TrainingRecord({ files, labeled: false, start: null, known })
    await record.begin(null)
    await record.write(place()) // all files are read
    utimesSync(files[1], 1e9, 1e9)
    await record.write(place())
    const written = () => JSON.parse(readFileSync(place('training-manifest.json'), 'utf8')) as TrainingManifestContent
    expect(written()).toMatchObject({ changed: 1, samples: [digestOf(files[0])] })
    const careful = new TrainingRecord({ files, labeled: false, start: null, known: { ...known, since: 0 } })
    await careful.begin(null)
    await careful.write(place())
    utimesSync(files[1], 1e9 + 1, 1e9)
    await careful.write(place())
    expect(written()).toMatchObject({ changed: 0, samples: files.map(digestOf).sort() })
  })

  it('does not take a file for what was trained on that was replaced before it was read', async () => {
    const files = await dataset('replaced', 4)
    const record = new TrainingRecord({ files, labeled: false, start: null })
    await record.begin(null) // the first steps may see every file as it is now
    cpSync(files[0], files[3])
    await record.write(place())
    const written = JSON.parse(readFileSync(place('training-manifest.json'), 'utf8')) as TrainingManifestContent
    expect(written.changed).toBe(1)
    await record.write(place())
    expect(JSON.parse(readFileSync(place('training-manifest.json'), 'utf8'))).toEqual(written)
  })

  it('includes the weights it started from, as long as those are the ones', async () => {
    const files = await dataset('second', 6)
    cpSync(place('run'), place('start'), { recursive: true })
    await pretrainOn(place('second'), place('second-run'), { from: place('start') })
    rmSync(place('start'), { recursive: true })
    expect((await known(place('second-run'))).samples.size).toBe(12)
    // Without a manifest of the start, the start is looked up later, and has to be the same weights.
    cpSync(place('run'), place('start'), { recursive: true })
    withoutManifests(place('start'))
    await pretrainOn(place('second'), place('third-run'), { from: place('start') })
    expect((await known(place('third-run'))).samples.size).toBe(12)
    rmSync(place('start'), { recursive: true })
    cpSync(place('gone-run'), place('start'), { recursive: true })
    expect(await trainingManifestOf(place('third-run'))).toMatchObject({
      known: false,
      why: expect.stringContaining('not at'),
    })
    // What the run itself saw is known all the same.
    const plan = await planCertification(options(place('third-run'), listOf('second.csv', files)))
    expect(plan.encoder.trust).toBe('protected_set')
    expect(() => checkPlan(plan, 'content', ['dpa'], 'general')).toThrow(/general does not hold/)
  })

  it.each(['ridge', 'full'] as const)('with labels is refused for the videos it saw: mode %s', async (mode) => {
    const files = await dataset(`labeled-${mode}`, mode === 'full' ? 7 : 8)
    await finetuneOn(place(`labeled-${mode}`), place(`${mode}-run`), place('run'), mode)
    const moved = files.map((file, i) => {
      const to = place(`moved-${mode}-${i}.mp4`)
      renameSync(file, to)
      return to
    })
    const protect = listOf(`moved-${mode}.csv`, moved)
    for (const from of [place(`${mode}-run`), place(`${mode}-run`, 'best')]) {
      expect(await known(from)).toMatchObject({ labeled: true, samples: { size: 12 } })
      const plan = await planCertification(options(from, protect))
      expect(plan.encoder).toMatchObject({ trust: 'protected_set', labelsUsed: true })
      expect(() => checkPlan(plan, 'content', ['dpa'], 'label_flip')).toThrow(/labels of the protected set/)
      const denied = await planCertification({ ...options(from, protect), labelsUsed: false })
      expect(denied.encoder.labelsUsed).toBe(true)
    }
  })
})
