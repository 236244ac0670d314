import { mkdtempSync } from 'node:fs'
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import { openDataset } from '../../src/dataset/dataset.ts'
import { exportClassifier } from '../../src/export/classifier.ts'
import { exportPrecisions } from '../../src/export/classifier-precision.ts'
import { type FinetuneInput, finetuneConfiguration } from '../../src/finetune/configuration.ts'
import { type FinetuneResult, finetune as finetuneAlone } from '../../src/finetune/finetune.ts'
import { openClassifier } from '../../src/inference/classifier.ts'
import { evaluateVideos } from '../../src/inference/evaluate.ts'
import { openAnyClassifier, predict } from '../../src/inference/predict.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import type { GeneratedDataset } from '../../src/synthetic/generate.ts'
import { renderMotionClip } from '../../src/synthetic/motion.ts'
import { openCheckpoint } from '../../src/train/open-checkpoint.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { shownSteps } from '../support/read-events.ts'
import { indicesOf, writeLabeledClips } from './labeled-clips.ts'

const finetune: typeof finetuneAlone = (configuration, options) =>
  finetuneAlone(configuration, { processes: decoding, ...options })

const folder = folderForTests('videomae-finetune-')
const data = path.join(folder, 'data')
const size = { width: 24, depth: 2, heads: 2, patch: 8, frames: 4, resolution: 32 }

let generated: GeneratedDataset
beforeAll(async () => {
  generated = await writeLabeledClips(data)
})

const input = (more: Partial<FinetuneInput> = {}): FinetuneInput => ({
  data: { path: path.join(data, 'split.csv'), workers: 1 },
  model: { from: 'scratch', ...size },
  clip: { stride: 1 },
  batch: { size: 8, perRun: 4 },
  schedule: { duration: '6 steps', warmup: '2 steps' },
  optimizer: { ema: 0.5, baseLearningRate: 0.05 },
  evaluation: { clips: 2, crops: 1, every: '2 steps' },
  probe: { readout: 'mean', epochs: 3, cache: path.join(folder, 'cache') },
  checkpoint: { every: '2 steps' },
  log: { tensorboard: false, every: '1 steps' },
  engine: { name: 'onnx', threads: 1 },
  ...more,
})
const out = (name: string) => path.join(folder, name)

describe.each(['ridge', 'linear', 'attentive'] as const)('%s', (mode) => {
  test('tests on cached features what the saved classifier does on videos, and names what it could not read', async () => {
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
  test.each(['features', 'training'] as const)(
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
      expect(notes.join()).toMatch(/Features computed earlier/)
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

  test('notes every step, and in best/ the step that it is of', async () => {
    expect(whole.failures).toEqual([])
    const losses = (await readFile(path.join(out('whole'), 'metrics.jsonl'), 'utf8')).trim().split('\n')
    expect(losses).toHaveLength(6)
    const chosen = await readFile(path.join(out('whole'), 'best', 'chosen.json'), 'utf8')
    expect(JSON.parse(chosen)).toEqual(whole.validation)
  })

  // Behind steps 2 and 6 the validation videos are looked at: the signal breaks that off.
  test.each([3, 2, 6])(
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

  test('does not resume what was sampled by another meaning of the same rate', async () => {
    const byTime = finetuneConfiguration(
      input({ mode: 'full', clip: { stride: null, fps: 8 }, schedule: { duration: '2 steps', warmup: '0 steps' } }),
    )
    const run = out('rate')
    await finetune(byTime, { out: run })
    await finetune(byTime, { out: run, resume: true })
    // As an earlier version left it, which took every fourth of the positions that the rate counts.
    const file = path.join(run, 'step-00000002', 'trainer-state.json')
    const {
      configuration: kept,
      digest: _,
      ...state
    } = JSON.parse(await readFile(file, 'utf8')) as {
      configuration: Record<string, unknown>
      digest: string
    }
    const { sampling, ...rest } = kept
    expect(sampling).toEqual({ kind: 'dense', stride: 1, fps: 8 })
    await writeFile(file, JSON.stringify({ ...state, configuration: rest }))
    await expect(finetune(byTime, { out: run, resume: true })).rejects.toMatchObject({
      code: 'RESUME_MISMATCH',
      message: expect.stringContaining('sampling.fps'),
    })
  })

  test('does not resume with other labels, which would give trained outputs other names', async () => {
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

  test('learns nine clips by heart', async () => {
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

  test('leaves a Hugging Face classifier with its labels', async () => {
    const opened = await openCheckpoint(path.join(out('whole'), 'best'))
    expect(opened.kind).toBe('classify')
    expect(opened.labels).toEqual(['left', 'right', 'up'])
    expect((await openClassifier(out('whole'))).sampling).toEqual({ kind: 'dense', stride: 1, fps: null })
  })
})

describe('export', () => {
  test.each(['whole', 'attentive'])(
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
      // The ONNX file is where nothing else does.
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

  test('says what is no classifier', async () => {
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
