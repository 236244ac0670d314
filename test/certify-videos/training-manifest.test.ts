/**
 * What is known of the videos an encoder was trained on, after they have moved, were overwritten or cannot be read, for runs
 * that wrote it down and for those of an earlier program that did not. Oracle: which files took part is known here.
 */
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CertifyVideosOptions, checkPlan, planCertification } from '../../src/certify/videos/plan.ts'
import { manifestOfData, trainingManifestOf } from '../../src/certify/videos/training-manifest.ts'
import { openDataset } from '../../src/dataset/dataset.ts'
import { splitDataset } from '../../src/dataset/split.ts'
import { type SplitName, splitNames } from '../../src/dataset/split-part.ts'
import { exportClassifierDirectory } from '../../src/export/classifier.ts'
import { finetuneConfiguration } from '../../src/finetune/configuration.ts'
import { finetune } from '../../src/finetune/finetune.ts'
import { fileState } from '../../src/format/regular-file.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runSchema } from '../../src/train/configuration.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import { type TrainingManifestContent, TrainingRecord } from '../../src/train/training-manifest.ts'
import { trainingUse } from '../../src/train/training-use.ts'
import { weightsDigest } from '../../src/train/weights-digest.ts'
import { probeDecoders } from '../../src/video/decoder.ts'
import { decoding } from '../support/decoding.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-manifest-'))
const place = (...parts: string[]) => path.join(folder, ...parts)
const classes = ['left', 'right'] as const
const digestOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
const videosIn = (data: string) =>
  readdirSync(data, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.mp4'))
    .sort()
    .map((name) => path.join(data, name))

async function dataset(name: string, seed: number): Promise<string[]> {
  await generateMotionDataset(place(name), { clips: 6, size: 32, frames: 8, seed, classes })
  return videosIn(place(name))
}

interface Pretraining {
  readonly from?: string
  readonly resume?: boolean
  readonly signal?: AbortSignal
  readonly onStep?: (step: number) => void
  readonly steps?: number
  /** Steps from one checkpoint to the next. */
  readonly every?: number
  readonly decoder?: 'node-av' | 'ffmpeg'
}

const pretrainOn = (
  data: string,
  out: string,
  { from, onStep, steps = 4, every = 2, decoder = 'node-av', ...options }: Pretraining = {},
) => {
  const sizes = { frames: 4, resolution: 32, patch: 16, width: 16, depth: 1, heads: 2 }
  return pretrain(
    runSchema.parse({
      data: { path: data, samplesPerClip: 2, workers: 1, decoder },
      clip: { stride: 1 },
      mask: { ratio: 0.5 },
      model: from === undefined ? { ...sizes, decoder: { width: 16, depth: 1, heads: 2 } } : { from },
      batch: { size: 4 },
      schedule: { duration: `${steps} steps`, warmup: '0 steps' },
      checkpoint: { every: `${every} steps`, keep: 2 },
      log: { tensorboard: false },
      engine: { threads: 1 },
    }),
    { out, processes: decoding, ...options, onProgress: ({ step }) => onStep?.(step) },
  )
}

const finetuneOn = (data: string, out: string, from = 'scratch', mode: 'ridge' | 'full' = 'ridge', seed = 0) => {
  const sizes = { width: 16, depth: 1, heads: 2, patch: 16, frames: 4, resolution: 32 }
  return finetune(
    finetuneConfiguration({
      mode,
      seed,
      data: { path: data, workers: 1, validation: 0.2, test: 0.2 },
      model: from === 'scratch' ? { from, ...sizes } : { from },
      clip: { stride: 1 },
      batch: { size: 4, perRun: 4 },
      schedule: { duration: '2 steps', warmup: '0 steps' },
      evaluation: { clips: 1, crops: 1, batch: 1 },
      probe: { readout: 'mean' },
      log: { tensorboard: false },
      engine: { threads: 1 },
    }),
    { out, processes: decoding },
  )
}

/** A seed with which `finetuneOn` puts a video of a list into a part. */
async function seedFor(part: SplitName, file: string, list: string): Promise<number> {
  const { videos, classes } = await openDataset(list)
  for (let seed = 0; seed < 100; seed++) {
    const split = splitDataset(videos, classes, { validation: 0.2, test: 0.2, seed })
    if (split[part].some((video) => video.path === file)) return seed
  }
  throw new Error(`Expected a split of ${list} with ${file} in its part ${part}.`)
}

const options = (from: string, data: string, more: Partial<CertifyVideosOptions> = {}): CertifyVideosOptions => ({
  ...{ data, from, cache: place('store'), threads: 1, workers: 1, test: place('inputs'), classes },
  processes: decoding,
  ...more,
})

/** Makes of a run what an earlier program left: nothing about contents. */
function withoutManifests(run: string): void {
  for (const name of readdirSync(run, { recursive: true, encoding: 'utf8' })) {
    const file = path.join(run, name)
    if (path.basename(name) === 'training-manifest.json') rmSync(file)
    if (path.basename(name) !== 'trainer-state.json') continue
    const state = JSON.parse(readFileSync(file, 'utf8'))
    delete state.digests['training-manifest.json']
    writeFileSync(file, JSON.stringify(state))
  }
}

/** A list of these files, all of one class each by turns. */
function listOf(name: string, files: readonly string[]): string {
  writeFileSync(place(name), `path,label\n${files.map((file, i) => `${file},${classes[i % 2]}`).join('\n')}\n`)
  return place(name)
}

const known = async (checkpoint: string) => {
  const outcome = await trainingManifestOf(checkpoint)
  if (!outcome.known) throw new Error(outcome.why)
  return outcome.manifest
}

beforeAll(async () => {
  await dataset('elsewhere', 1)
  await dataset('inputs', 99)
  await pretrainOn(place('elsewhere'), place('run'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

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

describe('a run of an earlier program', () => {
  const old = async (name: string, seed: number) => {
    const files = await dataset(name, seed)
    await pretrainOn(place(name), place(`${name}-run`))
    withoutManifests(place(`${name}-run`))
    return files
  }

  it('is known where its videos lie unchanged, and what was found is kept beside it', async () => {
    await old('whole', 20)
    const manifest = await known(place('whole-run'))
    expect(manifest.samples.size).toBe(6)
    expect(existsSync(place('whole-run', 'training-manifest.json'))).toBe(true)
    rmSync(place('whole'), { recursive: true })
    expect(await known(place('whole-run'))).toEqual(manifest)
    // Not of other data that the configuration names by now.
    const file = place('whole-run', 'step-00000004', 'trainer-state.json')
    const state = JSON.parse(readFileSync(file, 'utf8'))
    state.configuration.data.path = place('elsewhere')
    writeFileSync(file, JSON.stringify(state))
    const others = videosIn(place('elsewhere')).map(digestOf)
    expect([...(await known(place('whole-run'))).samples]).toEqual(others.sort())
  })

  it('is known with files beside the weights that are none, as for weightsDigest', async () => {
    await old('beside', 28)
    const step = place('beside-run', 'step-00000004')
    const digest = await weightsDigest(step)
    writeFileSync(path.join(step, 'features.safetensors'), readFileSync(path.join(step, 'model.safetensors')))
    expect(await weightsDigest(step)).toBe(digest)
    expect((await known(step)).samples.size).toBe(6)
    // The head of a classifier is weights: one that training did not write leaves them unknown.
    cpSync(path.join(step, 'model.safetensors'), path.join(step, 'head.safetensors'))
    expect(await trainingManifestOf(step)).toMatchObject({ known: false })
  })

  it('is unknown where its weights were replaced', async () => {
    cpSync(place('run'), place('swapped'), { recursive: true })
    withoutManifests(place('swapped'))
    const checkpoint = place('swapped', 'step-00000004')
    // One of a later version says more than what is found here, and stays.
    const later = '{"schema":"videomae.training-manifest/9"}'
    writeFileSync(place('swapped', 'training-manifest.json'), later)
    expect((await known(checkpoint)).samples.size).toBe(6)
    expect(readFileSync(place('swapped', 'training-manifest.json'), 'utf8')).toBe(later)
    cpSync(place('run', 'step-00000002', 'model.safetensors'), path.join(checkpoint, 'model.safetensors'))
    expect(await trainingManifestOf(checkpoint)).toMatchObject({ known: false })
  })

  it('is unknown for weights that the state beside them does not name, and nothing is promised of these', async () => {
    await old('bound', 25)
    const [run, step] = [place('bound-run'), place('bound-run', 'step-00000004')]
    const foreign = place('foreign-weights')
    cpSync(step, foreign, { recursive: true })
    expect((await known(run)).samples.size).toBe(6)
    expect(existsSync(path.join(run, 'training-manifest.json'))).toBe(true)
    // Weights that were trained on the videos that are to be protected, in the place of those of the run.
    const others = place('run', 'step-00000004', 'model.safetensors')
    cpSync(others, path.join(step, 'model.safetensors'))
    const refused = async (checkpoint: string) => {
      const outcome = await trainingManifestOf(checkpoint)
      expect(outcome).toMatchObject({ known: false, atLeast: { samples: { size: 6 } } })
      expect(outcome).toMatchObject({ why: expect.stringContaining('nothing shows that the weights') })
      const notes: string[] = []
      const onNote = (note: string) => notes.push(note)
      const plan = await planCertification(options(checkpoint, place('elsewhere'), { onNote }))
      expect(plan.encoder).toMatchObject({ trust: 'public', trainedOn: null })
      expect(notes.join('\n')).toContain('nothing shows that the weights')
    }
    await refused(step)
    // Where the state was exchanged along with the weights, what was found of the run is not about them.
    const file = path.join(step, 'trainer-state.json')
    const state = JSON.parse(readFileSync(file, 'utf8'))
    writeFileSync(
      file,
      JSON.stringify({ ...state, digests: { ...state.digests, 'model.safetensors': digestOf(others) } }),
    )
    rmSync(place('bound'), { recursive: true })
    expect(await trainingManifestOf(step)).toMatchObject({ known: false, why: expect.stringContaining('not where') })
    // So are weights beside a state that names none, as an earlier program wrote it.
    cpSync(foreign, step, { recursive: true })
    expect((await known(step)).samples.size).toBe(6)
    writeFileSync(file, JSON.stringify({ ...state, digests: {} }))
    expect(await trainingManifestOf(step)).toMatchObject({ known: false })
  })

  it('is unknown once its list of videos is another one', async () => {
    await old('longer', 21)
    cpSync(videosIn(place('elsewhere'))[0], place('longer', 'one-more.mp4'))
    const outcome = await trainingManifestOf(place('longer-run'))
    expect(outcome).toMatchObject({ known: false, why: expect.stringContaining('others by now') })
    const plan = await planCertification(options(place('longer-run'), place('elsewhere')))
    expect(plan.encoder).toMatchObject({ trust: 'public', trainedOn: null, labelsUsed: false })
    const insisting = await planCertification(options(place('longer-run'), place('elsewhere'), { trust: 'external' }))
    expect(() => checkPlan(insisting, 'content', ['dpa'], 'general')).toThrow(/needs the training manifest/)
  })

  it('is unknown once a video cannot be read, or was overwritten under its name', async () => {
    const files = await dataset('taken', 22)
    const list = listOf('taken.csv', files)
    await pretrainOn(list, place('taken-run'))
    withoutManifests(place('taken-run'))
    mkdirSync(place('safe'))
    const moved = files.slice(1).map((file, i) => {
      renameSync(file, place('safe', `${i}.mp4`))
      return place('safe', `${i}.mp4`)
    })
    expect(await trainingManifestOf(place('taken-run'))).toMatchObject({
      known: false,
      why: expect.stringContaining('5 of its training files cannot be read now'),
    })
    const plan = await planCertification(options(place('taken-run'), listOf('safe.csv', moved)))
    expect(plan.encoder).toMatchObject({ trust: 'public', trainedOn: null })
    // The one that is still there is known to have taken part.
    const left = await planCertification(options(place('taken-run'), listOf('left.csv', [files[0], ...moved])))
    expect(left.encoder.trust).toBe('protected_set')

    const [first] = await old('overwritten', 23)
    cpSync(videosIn(place('elsewhere'))[0], first)
    utimesSync(first, 1e9, 1e9) // as `cp -p` leaves it
    expect(await trainingManifestOf(place('overwritten-run'))).toMatchObject({
      known: false,
      why: expect.stringContaining('has changed since'),
    })
  })

  it('with labels is compared with its split, and taken to have seen those of the protected set where it is unknown', async () => {
    const files = await dataset('split', 24)
    await finetuneOn(listOf('split.csv', files), place('split-run'), 'scratch')
    withoutManifests(place('split-run'))
    // The chosen classifier has no state beside it that would name its weights.
    expect(await trainingManifestOf(place('split-run'))).toMatchObject({
      known: false,
      why: expect.stringContaining('nothing shows that the weights'),
      atLeast: { labeled: true, samples: { size: 6 } },
    })
    listOf('split.csv', videosIn(place('elsewhere')))
    expect(await trainingManifestOf(place('split-run'))).toMatchObject({
      known: false,
      why: expect.stringContaining('others by now'),
    })
    const notes: string[] = []
    const onNote = (note: string) => notes.push(note)
    const plan = await planCertification(options(place('split-run'), listOf('split-safe.csv', files), { onNote }))
    expect(plan.encoder).toMatchObject({ trust: 'public', labelsUsed: true })
    expect(notes.join()).toContain('Labels took part')
    expect(() => checkPlan(plan, 'content', ['dpa'], 'label_flip')).toThrow(/labels of the protected set/)
    // Who names the data says which labels they were.
    const named = (trainedOn: string) =>
      planCertification(options(place('split-run'), place('split-safe.csv'), { trainedOn }))
    expect((await named(place('elsewhere'))).encoder).toMatchObject({ trust: 'external', labelsUsed: false })
    expect((await named(place('split'))).encoder).toMatchObject({ trust: 'protected_set', labelsUsed: true })
  })
})

describe('a classifier', () => {
  it.each(['full', 'ridge'] as const)(
    '(%s) without a manifest is taken to have seen the labels of the protected set',
    async (mode) => {
      const files = await dataset(`bare-${mode}`, 25)
      const list = listOf(`bare-${mode}.csv`, files)
      await finetuneOn(list, place(`bare-run-${mode}`), 'scratch', mode)
      const bare = place(`bare-classifier-${mode}`)
      cpSync(place(`bare-run-${mode}`, 'best'), bare, { recursive: true })
      rmSync(path.join(bare, 'training-manifest.json'))
      const refuse = async (from: string) => {
        const plan = await planCertification(options(from, list))
        expect(plan.encoder.labelsUsed).toBe(true)
        for (const threat of ['label_flip', 'general'] as const)
          expect(() => checkPlan(plan, 'content', ['dpa'], threat)).toThrow(/labels of the protected set/)
      }
      await refuse(bare)
      // Who says where the weights come from does not say that they have seen no labels.
      const public_ = await planCertification(options(bare, list, { trust: 'public' }))
      expect(public_.encoder.labelsUsed).toBe(true)
      // An encoder that transformers took out of a classifier keeps the names of its classes.
      const config = JSON.parse(readFileSync(path.join(bare, 'config.json'), 'utf8'))
      const stripped = place(`bare-encoder-${mode}`)
      cpSync(place('run', 'step-00000004'), stripped, { recursive: true })
      for (const file of ['training-manifest.json', 'trainer-state.json']) rmSync(path.join(stripped, file))
      const plain = await planCertification(options(stripped, list))
      expect(plain.encoder).toMatchObject({ trust: 'public', labelsUsed: false })
      const own = JSON.parse(readFileSync(path.join(stripped, 'config.json'), 'utf8'))
      writeFileSync(path.join(stripped, 'config.json'), JSON.stringify({ ...own, id2label: config.id2label }))
      await refuse(stripped)
    },
  )

  it.each(['full', 'ridge'] as const)(
    '(%s) of other videos, whose pretraining alone saw the protected ones, allows a claim about labels only',
    async (mode) => {
      const files = await dataset(`seen-${mode}`, 27)
      const others = await dataset(`tuned-${mode}`, 28)
      const list = listOf(`seen-${mode}.csv`, files)
      await pretrainOn(place(`seen-${mode}`), place(`seen-run-${mode}`))
      const start = place(`seen-run-${mode}`)
      await finetuneOn(listOf(`apart-${mode}.csv`, others), place(`apart-${mode}`), start, mode)
      const plan = await planCertification(options(place(`apart-${mode}`), list))
      expect(plan.encoder).toMatchObject({ trust: 'protected_set', labelsUsed: false })
      checkPlan(plan, 'content', ['dpa'], 'label_flip')
      expect(() => checkPlan(plan, 'content', ['dpa'], 'general')).toThrow(/inserted or deleted video may change/)
      // One protected video among those with labels, whatever part it had: its label helped to draw the split.
      const [seen] = files
      for (const part of mode === 'full' ? (['train'] as const) : splitNames) {
        const run = place(`mixed-${mode}-${part}`)
        const mixed = listOf(`mixed-${mode}-${part}.csv`, [...others, seen])
        await finetuneOn(mixed, run, start, mode, await seedFor(part, seen, mixed))
        const rows = readFileSync(path.join(run, 'split.csv'), 'utf8').split('\n')
        expect(rows.find((row) => row.startsWith(seen))).toMatch(new RegExp(`,${part}$`))
        const { encoder } = await planCertification(options(run, list))
        expect(encoder).toMatchObject({ trust: 'protected_set', labelsUsed: true })
      }
      // A manifest of an earlier version does not say whose labels were read: they may be those of any of its videos.
      const folder = place(`apart-${mode}`, 'best')
      const manifest = JSON.parse(readFileSync(path.join(folder, 'training-manifest.json'), 'utf8'))
      expect(new Set(manifest.labelsRead)).toEqual(new Set(others.map(digestOf)))
      delete manifest.labelsRead
      writeFileSync(path.join(folder, 'training-manifest.json'), JSON.stringify(manifest))
      const earlier = await planCertification(options(folder, list))
      expect(earlier.encoder).toMatchObject({ trust: 'protected_set', labelsUsed: true })
    },
  )

  it.each(['full', 'ridge'] as const)('(%s) keeps its manifest when it is exported', async (mode) => {
    const files = await dataset(`exported-${mode}`, 26)
    const run = place(`exported-run-${mode}`)
    await finetuneOn(listOf(`exported-${mode}.csv`, files), run, 'scratch', mode)
    const directory = place(`exported-classifier-${mode}`)
    for (const time of ['first', 'second']) {
      await exportClassifierDirectory(path.join(run, 'best'), directory)
      expect(await known(directory), time).toEqual(await known(path.join(run, 'best')))
    }
    expect(await trainingUse(directory)).toEqual(await trainingUse(path.join(run, 'best')))
    expect((await known(directory)).samples).toEqual(new Set(files.map(digestOf)))
    // What is written is about the weights that are written.
    cpSync(path.join(place('run'), 'step-00000004', 'model.safetensors'), path.join(directory, 'model.safetensors'))
    await expect(trainingManifestOf(directory)).rejects.toMatchObject({ code: 'TRAINING_MANIFEST_FOREIGN' })
  })
})

describe('data that a user names', () => {
  it('has to be readable', async () => {
    const [file] = videosIn(place('elsewhere'))
    const refused = { code: 'TRAINED_ON_UNREADABLE', exit: 'data', hint: expect.any(String) }
    await expect(manifestOfData(listOf('lost.csv', [file, place('nowhere.mp4')]))).rejects.toMatchObject(refused)
    const earlier = { schema: 'videomae.training-manifest/1', list: null, labeled: false }
    for (const [content, valid] of [
      [{ ...earlier, samples: [['a', digestOf(file)]] }, true],
      [
        {
          ...earlier,
          samples: [
            ['a', digestOf(file)],
            ['b', null],
          ],
        },
        false,
      ],
      [{ schema: 'another' }, false],
    ] as const) {
      writeFileSync(place('named.json'), JSON.stringify(content))
      const outcome = manifestOfData(place('named.json'))
      if (valid) expect([...(await outcome).samples]).toEqual([digestOf(file)])
      else await expect(outcome).rejects.toMatchObject(refused)
    }
  })
})
