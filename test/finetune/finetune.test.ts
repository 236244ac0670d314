import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { appendFile, copyFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import { openDataset } from '../../src/dataset/dataset.ts'
import { exportClassifier } from '../../src/export/classifier.ts'
import { exportPrecisions } from '../../src/export/classifier-precision.ts'
import { type FinetuneInput, finetuneConfiguration } from '../../src/finetune/configuration.ts'
import { type FinetuneResult, finetune as finetuneAlone } from '../../src/finetune/finetune.ts'
import { readNpy } from '../../src/format/npy.ts'
import { readSafetensors } from '../../src/format/safetensors.ts'
import { openClassifier } from '../../src/inference/classifier.ts'
import { freshEncoder } from '../../src/inference/encoder-source.ts'
import { evaluateVideos } from '../../src/inference/evaluate.ts'
import { writeFeatureFiles } from '../../src/inference/feature-files.ts'
import { computeFeatures, type FeatureOptions } from '../../src/inference/features.ts'
import { openAnyClassifier, predict } from '../../src/inference/predict.ts'
import { type ModelConfiguration, resolveConfiguration } from '../../src/model/configuration.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import { type GeneratedDataset, generateMotionDataset } from '../../src/synthetic/generate.ts'
import { renderMotionClip } from '../../src/synthetic/motion.ts'
import { openCheckpoint } from '../../src/train/open-checkpoint.ts'
import { inspectVideos } from '../../src/video/inspect.ts'
import { shownSteps } from '../format/read-events.ts'
import { decoding } from '../support/decoding.ts'

const finetune: typeof finetuneAlone = (configuration, options) =>
  finetuneAlone(configuration, { processes: decoding, ...options })

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-finetune-'))
const data = path.join(folder, 'data')
const size = { width: 24, depth: 2, heads: 2, patch: 8, frames: 4, resolution: 32 }
let generated: GeneratedDataset

beforeAll(async () => {
  generated = await generateMotionDataset(data, {
    clips: 48,
    size: 32,
    frames: 8,
    classes: ['left', 'right', 'up'],
    seed: 3,
  })
  // One file that is no video, in the part that is tested.
  const broken = path.join(data, 'left', 'broken.mp4')
  writeFileSync(broken, 'this is no video')
  const rows = generated.files.map(
    (file, k) => `${file},${generated.labels[k]},${k < 27 ? 'train' : k < 36 ? 'val' : 'test'}`,
  )
  writeFileSync(path.join(data, 'split.csv'), `path,label,split\n${rows.join('\n')}\n${broken},left,test\n`)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const input = (more: Partial<FinetuneInput> = {}): FinetuneInput => ({
  data: { path: path.join(data, 'split.csv'), workers: 1 },
  model: { from: 'scratch', ...size },
  clip: { stride: 1 },
  batch: { size: 8, perRun: 4 },
  schedule: { duration: '6 steps', warmup: '2 steps' },
  optimizer: { average: 0.5, baseLearningRate: 0.05 },
  evaluation: { clips: 2, crops: 1, every: '2 steps' },
  probe: { readout: 'mean', epochs: 3, cache: path.join(folder, 'cache') },
  checkpoint: { every: '2 steps' },
  log: { tensorboard: false, every: '1 steps' },
  engine: { name: 'onnx', threads: 1 },
  ...more,
})
const out = (name: string) => path.join(folder, name)

/** The indices in the folder of a feature store: one for each time that it was opened and filled. */
async function indicesOf(store: string): Promise<string[]> {
  return (await readdir(store)).filter((name) => name.endsWith('.jsonl')).map((name) => path.join(store, name))
}

describe.each(['ridge', 'linear', 'attentive'] as const)('%s', (mode) => {
  it('tests on cached features what the saved classifier does on videos, and names what it could not read', async () => {
    const { test, videos } = await finetune(finetuneConfiguration(input({ mode })), { out: out(mode) })
    expect(videos).toEqual({ train: 27, validation: 9, test: 13 })
    expect(test!.failures.map(({ id }) => path.basename(id))).toEqual(['broken.mp4'])
    expect(test!.scores.videos).toBe(12)
    const classifier = await openAnyClassifier(out(mode), { engine: 'onnx', threads: 1 })
    try {
      const dataset = await openDataset(path.join(data, 'split.csv'), { classes: classifier.labels })
      const tested = dataset.videos.filter((video) => video.split === 'test')
      const again = await evaluateVideos(classifier, tested, { clips: 2, crops: 1, workers: 1, processes: decoding })
      expect(again.failures).toHaveLength(1)
      for (const [i, prediction] of again.predictions.entries()) {
        expect(prediction.id).toBe(test!.predictions[i].id)
        prediction.probabilities.forEach((value, c) => {
          expect(Math.abs(value - test!.predictions[i].probabilities[c])).toBeLessThan(1e-4)
        })
      }
    } finally {
      await classifier.close()
    }
  })
})

describe('interruption of a head', () => {
  it.each(['features', 'training'] as const)(
    'in its %s keeps the features, and another run gives the same',
    async (when) => {
      const cache = out(`cache-${when}`)
      const configuration = finetuneConfiguration(input({ mode: 'attentive', probe: { epochs: 30, cache } }))
      const stop = new AbortController()
      let most = 0
      const stopped = finetune(configuration, {
        out: out(`head-${when}`),
        signal: stop.signal,
        onFeatures(done, total) {
          most = Math.max(most, done)
          if (when === 'features' ? done === 20 : done === total)
            setTimeout(() => stop.abort(), when === 'features' ? 0 : 50)
        },
      })
      await expect(stopped).rejects.toMatchObject({
        code: 'INTERRUPTED',
        hint: expect.stringContaining('same command'),
      })
      expect(most).toBeGreaterThanOrEqual(20)
      let kept = 0
      for (const store of await readdir(cache)) {
        for (const index of await indicesOf(path.join(cache, store)))
          kept += (await readFile(index, 'utf8')).trim().split('\n').length
      }
      expect(kept).toBeGreaterThanOrEqual(16)
      const notes: string[] = []
      const again = await finetune(configuration, {
        out: out(`head-${when}`),
        resume: true,
        onNote: (note) => notes.push(note),
      })
      expect(notes.join()).toMatch(/Features that were computed before/)
      const whole = await finetune(configuration, { out: out(`head-${when}-whole`) })
      expect(again.test!.predictions).toEqual(whole.test!.predictions)
    },
  )
})

describe('full', () => {
  const configuration = finetuneConfiguration(
    input({ mode: 'full', regularization: { dropout: 0.1 }, log: { tensorboard: true, every: '1 steps' } }),
  )
  let whole: FinetuneResult
  beforeAll(async () => {
    whole = await finetune(configuration, { out: out('whole') })
  })

  it('notes every step, and in best/ the step that it is of', async () => {
    expect(whole.failures).toEqual([])
    const losses = (await readFile(path.join(out('whole'), 'metrics.jsonl'), 'utf8')).trim().split('\n')
    expect(losses).toHaveLength(6)
    const chosen = await readFile(path.join(out('whole'), 'best', 'chosen.json'), 'utf8')
    expect(JSON.parse(chosen)).toEqual(whole.validation)
  })

  // Behind steps 2 and 6 the validation videos are looked at: the signal breaks that off.
  it.each([3, 2, 6])(
    'resumes behind step %d to the same weights and the same best checkpoint as a run that was not stopped',
    async (at) => {
      const run = out(`stopped-${at}`)
      const stop = new AbortController()
      const stopped = finetune(configuration, {
        out: run,
        signal: stop.signal,
        onProgress: ({ step }) => step === at && stop.abort(),
      })
      await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED', hint: expect.stringContaining('--resume') })
      const looks = (await readFile(path.join(run, 'validation.jsonl'), 'utf8')).split('\n').length - 1
      expect(looks).toBe(Math.ceil(at / 2) - 1)
      const resumed = await finetune(configuration, { out: run, resume: true })
      expect(resumed.validation).toEqual(whole.validation)
      expect(resumed.test!.predictions).toEqual(whole.test!.predictions)
      for (const file of [
        'best/model.safetensors',
        'step-00000006/model.safetensors',
        'step-00000006/ema/model.safetensors',
        'validation.jsonl',
      ]) {
        expect(await readFile(path.join(run, file))).toEqual(await readFile(path.join(out('whole'), file)))
      }
      expect((await readdir(run)).filter((name) => name.startsWith('best'))).toEqual(['best'])
      // TensorBoard shows every look once, and nothing else.
      const lines = (await readFile(path.join(run, 'validation.jsonl'), 'utf8')).trimEnd().split('\n')
      const noted = lines.map((line) => JSON.parse(line) as { step: number; accuracy: number; loss: number })
      for (const key of ['accuracy', 'loss'] as const) {
        const shown = await shownSteps(path.join(run, 'tensorboard'), `validation/${key}`)
        expect(shown).toEqual(noted.map((look) => [look.step, Math.fround(look[key])]))
      }
    },
  )

  it('does not resume what was sampled by another meaning of the same rate', async () => {
    const byTime = finetuneConfiguration(
      input({ mode: 'full', clip: { stride: null, fps: 8 }, schedule: { duration: '2 steps', warmup: '0 steps' } }),
    )
    const run = out('rate')
    await finetune(byTime, { out: run })
    await finetune(byTime, { out: run, resume: true })
    // As an earlier version left it, which took every fourth of the positions that the rate counts.
    const file = path.join(run, 'step-00000002', 'trainer-state.json')
    const { configuration: kept, ...state } = JSON.parse(await readFile(file, 'utf8')) as {
      configuration: Record<string, unknown>
    }
    const { sampling, ...rest } = kept
    expect(sampling).toEqual({ kind: 'dense', stride: 1, fps: 8 })
    await writeFile(file, JSON.stringify({ ...state, configuration: rest }))
    await expect(finetune(byTime, { out: run, resume: true })).rejects.toMatchObject({
      code: 'RESUME_MISMATCH',
      message: expect.stringContaining('sampling.fps'),
    })
  })

  it('does not resume with other labels, which would give trained outputs other names', async () => {
    const list = path.join(data, 'labels.csv')
    const rows = (await readFile(path.join(data, 'split.csv'), 'utf8')).split('\n')
    const first = (part: string): number => rows.findIndex((row) => row.endsWith(`,${part}`))
    const relabeled = (at: number): string => {
      const [file, label, part] = rows[at].split(',')
      return rows.with(at, [file, label === 'left' ? 'right' : 'left', part].join(',')).join('\n')
    }
    const run = out('labels')
    const last = (length: string) =>
      finetuneConfiguration(
        input({ mode: 'full', data: { path: list, workers: 1 }, schedule: { duration: length, warmup: '1 steps' } }),
      )
    await writeFile(list, rows.join('\n'))
    await finetune(last('2 steps'), { out: run })
    const kept = await readFile(path.join(run, 'config.json'), 'utf8')
    for (const [text, expected] of [
      [rows.join('\n').replaceAll(',left,', ',zleft,'), 'the classes: [left, right, up] -> [right, up, zleft]'],
      [relabeled(first('train')), 'the labels: training or validation videos'],
      [relabeled(first('val')), 'the labels: training or validation videos'],
    ]) {
      await writeFile(list, text)
      await expect(finetune(last('3 steps'), { out: run, resume: true, newLength: true })).rejects.toMatchObject({
        code: 'RESUME_MISMATCH',
        message: expect.stringContaining(expected),
      })
      expect(await readFile(path.join(run, 'config.json'), 'utf8')).toBe(kept)
    }
    // Nothing was learned or chosen from test videos: they are tested again with the labels that they have now.
    await writeFile(list, relabeled(first('test')))
    const { test } = await finetune(last('3 steps'), { out: run, resume: true, newLength: true })
    expect(test!.scores.videos).toBe(12)
  })

  it('learns nine clips by heart', async () => {
    const plain = {
      randAugment: null,
      area: [1, 1],
      aspect: [1, 1],
      erasing: 0,
      mixup: null,
      cutmix: null,
      smoothing: 0,
    }
    await finetune(
      finetuneConfiguration({
        ...input({ mode: 'full' }),
        data: { path: data, workers: 1, shots: 3, validation: 0, test: 0 },
        augment: plain as FinetuneInput['augment'],
        regularization: { dropPath: 0, layerDecay: 1 },
        batch: { size: 8, perRun: 8 },
        optimizer: { baseLearningRate: 0.2 },
        schedule: { duration: '100 steps', warmup: '6 steps' },
        checkpoint: { every: '100 steps' },
        log: { tensorboard: false, every: '10 steps' },
      }),
      { out: out('by-heart') },
    )
    const lines = (await readFile(path.join(out('by-heart'), 'metrics.jsonl'), 'utf8')).trim().split('\n')
    const losses = lines.map((line) => (JSON.parse(line) as { loss: number }).loss)
    expect(losses[0]).toBeGreaterThan(0.9)
    expect(losses).toHaveLength(10)
    expect(losses[9]).toBeLessThan(0.2)
  })

  it('leaves a Hugging Face classifier with its labels', async () => {
    const opened = await openCheckpoint(path.join(out('whole'), 'best'))
    expect(opened.kind).toBe('classify')
    expect(opened.labels).toEqual(['left', 'right', 'up'])
    expect((await openClassifier(out('whole'))).sampling).toEqual({ kind: 'dense', stride: 1, fps: null })
  })
})

describe('export', () => {
  it.each(['whole', 'attentive'])(
    'of %s: float32 agrees within 1e-4, the file alone predicts the same',
    async (run) => {
      const clips = new Uint8Array(
        Buffer.concat(
          (['left', 'up'] as const).map((kind, i) =>
            renderMotionClip(kind, new RandomStream(i), { width: 32, height: 32, frames: 4 }),
          ),
        ),
      )
      const bytes: number[] = []
      for (const precision of exportPrecisions) {
        const file = path.join(folder, `${run}-${precision}.onnx`)
        const progress: string[] = []
        const result = await exportClassifier(out(run), {
          out: file,
          clips,
          calibration: clips,
          precision,
          compareWith: 'onnx',
          onProgress: (done, total) => progress.push(`${done}/${total}`),
        })
        expect(progress).toEqual(precision === 'int8-static' ? ['1/4', '2/4', '3/4', '4/4'] : ['1/2', '2/2'])
        bytes.push(result.bytes)
        expect(result.check.logits).toBeLessThan(precision === 'float32' ? 1e-4 : 0.1)
      }
      expect(bytes[1]).toBeLessThan(bytes[0])
      expect(bytes[2]).toBeLessThan(bytes[1])
      // The ONNX file lies where nothing else does.
      const alone = path.join(mkdtempSync(path.join(folder, 'alone-')), 'classifier.onnx')
      await copyFile(path.join(folder, `${run}-float32.onnx`), alone)
      const videos = [generated.files[0], path.join(data, 'left', 'broken.mp4')]
      const fromFile = await predict(videos, { from: alone, workers: 1, processes: decoding })
      const fromRun = await predict(videos, {
        from: out(run),
        engine: 'onnx',
        threads: 1,
        workers: 1,
        processes: decoding,
      })
      expect(fromFile[1]).toMatchObject({ ok: false })
      const [a, b] = [fromFile[0], fromRun[0]]
      if (!a.ok || !b.ok) throw new Error('expected predictions')
      expect(a.classes.map(({ label }) => label)).toEqual(b.classes.map(({ label }) => label))
      a.classes.forEach(({ probability }, i) => {
        expect(Math.abs(probability - b.classes[i].probability)).toBeLessThan(1e-5)
      })
    },
  )

  it('says what is no classifier', async () => {
    await expect(openClassifier(out('nothing'))).rejects.toMatchObject({ code: 'CHECKPOINT_NOT_FOUND' })
    const { configuration, state } = await openCheckpoint(path.join(out('whole'), 'best'))
    const withoutNorm = { ...configuration, encoderNorm: false }
    await saveCheckpointDirectory(out('encoder'), { configuration: withoutNorm, kind: 'encoder', state })
    await expect(openClassifier(out('encoder'))).rejects.toMatchObject({
      code: 'NOT_A_CLASSIFIER',
      message: expect.stringContaining('an encoder'),
    })
  })
})

describe('features', () => {
  const configuration = resolveConfiguration({
    imageSize: 32,
    frames: 4,
    patch: 8,
    encoder: { width: 24, depth: 1, heads: 2 },
  })
  const source = freshEncoder(configuration, { kind: 'dense', stride: 1, fps: null }, 1)
  const options = { engine: 'onnx', threads: 1, workers: 1, batch: 4, processes: decoding } as const

  it('are computed once per content, also after a kill in the middle of a write', async () => {
    const cache = out('store')
    const { videos } = await openDataset(path.join(data, 'split.csv'))
    const first = await computeFeatures(source, videos, { ...options, cache, clips: 2 })
    expect(first.failures.map(({ id }) => path.basename(id))).toEqual(['broken.mp4'])
    expect(first.videos).toHaveLength(48)
    expect(first.computed).toBe(48)
    const again = await computeFeatures(source, videos.slice(0, 48), { ...options, cache, clips: 2 })
    expect(again.computed).toBe(0)
    const last = await first.store.read(first.videos[47].digest)
    // The last video was cut off: half its row, half its line.
    const [file, ...others] = await indicesOf(first.store.folder)
    expect(others).toEqual([])
    const name = file.slice(0, -'.jsonl'.length)
    const index = await readFile(`${name}.jsonl`)
    await truncate(`${name}.jsonl`, index.length - 10)
    await appendFile(`${name}.f32`, new Uint8Array(13))
    const repaired = await computeFeatures(source, videos.slice(0, 48), { ...options, cache, clips: 2 })
    expect(repaired.computed).toBe(1)
    expect(await repaired.store.read(first.videos[47].digest)).toEqual(last)
  })

  it('name every copy of a file that cannot be read', async () => {
    const { videos } = await openDataset(path.join(data, 'split.csv'))
    const broken = videos.find(({ id }) => path.basename(id) === 'broken.mp4')!
    const copies = ['one', 'two'].map((id) => ({ ...broken, id }))
    const { failures, videos: read } = await computeFeatures(source, copies, { ...options, cache: out('copies') })
    expect(failures.map(({ id }) => id)).toEqual(['one', 'two'])
    expect(read).toEqual([])
  })

  it('come in shards that make up the whole, as .npy and safetensors', async () => {
    const { videos, classes } = await openDataset(path.join(data, 'split.csv'))
    const readable = videos.slice(0, 12)
    const whole = await computeFeatures(source, readable, { ...options, cache: out('one') })
    for (let index = 0; index < 3; index++) {
      await computeFeatures(source, readable, { ...options, cache: out('three'), shard: { index, count: 3 } })
    }
    const sharded = await computeFeatures(source, readable, { ...options, cache: out('three') })
    expect(sharded.computed).toBe(0)
    // Where nothing is missing no engine runs: the one that made the features need not be on this machine.
    expect(await computeFeatures(source, [], { ...options, cache: out('three'), engine: 'cuda' })).toMatchObject({
      computed: 0,
    })
    const a = await writeFeatureFiles(out('files-one'), whole, classes)
    await writeFeatureFiles(out('files-three'), sharded, classes)
    expect(a.shape).toEqual([12, 24])
    const one = await readNpy(path.join(out('files-one'), 'features.npy'))
    const three = await readNpy(path.join(out('files-three'), 'features.npy'))
    for (let i = 0; i < one.data.length; i++)
      expect(Math.abs(Number(one.data[i]) - Number(three.data[i]))).toBeLessThan(1e-5)
    const file = await readSafetensors(path.join(out('files-one'), 'features.safetensors'))
    expect(file.info('labels').shape).toEqual([12])
    await file.close()
    const index = JSON.parse(await readFile(path.join(out('files-one'), 'index.json'), 'utf8')) as {
      rows: { label: string }[]
    }
    expect(index.rows.map(({ label }) => label)).toEqual(readable.map(({ label }) => label))
  })

  it('are kept apart by everything that changes them', async () => {
    const keyOf = async (changes: Partial<ModelConfiguration> = {}, more: Partial<FeatureOptions> = {}) => {
      const other = { ...source, configuration: { ...configuration, ...changes } }
      return (await computeFeatures(other, [], { ...options, cache: out('keys'), ...more })).store.id
    }
    const all = [
      await keyOf(),
      await keyOf({ encoder: { ...configuration.encoder, heads: 1 } }),
      await keyOf({ layerNormEpsilon: 1e-3 }),
      await keyOf({ positions: 'factored' }),
      await keyOf({}, { precision: 'bfloat16' }),
      await keyOf({}, { engine: 'reference' }),
      await keyOf({}, { decoder: 'ffmpeg' }),
      await keyOf({}, { batch: 1 }),
      await keyOf({}, { readout: 'motion:2' }),
      await keyOf({}, { readout: 'grid:2' }),
    ]
    expect(new Set(all).size).toBe(all.length)
    // A store of an earlier version has no readout in its key.
    const same = { precision: 'float32', decoder: 'node-av', batch: 8, threads: 2, readout: 'mean' } as const
    expect(await keyOf({}, same)).toBe(all[0])
  })

  it('of sliding windows by time have frames 1 / fps seconds apart', async () => {
    const { videos } = await openDataset(path.join(data, 'split.csv'))
    const [{ info }] = (await inspectVideos(videos[0].path)).videos
    const bySeconds = { ...source, sampling: { kind: 'dense', stride: 1, fps: info!.fps / 2 } as const }
    const windows = await computeFeatures(bySeconds, videos.slice(0, 1), {
      ...options,
      cache: out('windows'),
      windowStep: 1,
    })
    const [first] = windows.store.views(windows.videos[0].digest)
    expect([first.firstFrame, first.lastFrame]).toEqual([0, 6])
  })

  it('of sliding windows cover the video', async () => {
    const { videos } = await openDataset(path.join(data, 'split.csv'))
    const windows = await computeFeatures(source, videos.slice(0, 3), {
      ...options,
      cache: out('windows'),
      windowStep: 2,
    })
    // 8 frames, windows of 4: starts 0, 2, 4
    const mixed = computeFeatures(source, videos, { ...options, cache: out('windows'), windowStep: 2, clips: 3 })
    await expect(mixed).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    const views = windows.store.views(windows.videos[0].digest)
    expect(views.map(({ firstFrame, lastFrame }) => [firstFrame, lastFrame])).toEqual([
      [0, 3],
      [2, 5],
      [4, 7],
    ])
  })
})

describe('openDataset', () => {
  it('finds equal contents under several names', async () => {
    await copyFile(generated.files[0], path.join(data, 'right', 'copy.mp4'))
    const { duplicates, videos } = await openDataset(data)
    expect(duplicates).toEqual([[path.relative(data, generated.files[0]), 'right/copy.mp4']])
    expect(videos).toHaveLength(50)
  })

  it('says what is wrong with labels', async () => {
    const list = path.join(folder, 'list.csv')
    writeFileSync(list, `path,label\n${generated.files[0]},a\n${generated.files[1]},a\n`)
    await expect(openDataset(list)).rejects.toMatchObject({ code: 'CLASSES_TOO_FEW' })
    await expect(openDataset(list, { classes: ['b', 'c'] })).rejects.toMatchObject({ code: 'LABEL_UNKNOWN' })
    writeFileSync(list, `path,label\n${generated.files[0]},a\n${generated.files[1]},\n`)
    await expect(openDataset(list)).rejects.toThrow(/1 have none/)
  })
})
