/** What a fine-tuning run leaves in its folder, what it refuses to replace there, and what others read from it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { type FinetuneInput, finetuneConfiguration } from '../../src/finetune/configuration.ts'
import { checkFinetuning, finetune as finetuneAlone } from '../../src/finetune/finetune.ts'
import { openClassifier } from '../../src/inference/classifier.ts'
import { readEncoder } from '../../src/inference/encoder-source.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

const finetune: typeof finetuneAlone = (configuration, options) =>
  finetuneAlone(configuration, { processes: decoding, ...options })

const folder = folderForTests('videomae-run-folder-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const input = (mode: FinetuneInput['mode']): FinetuneInput => ({
  mode,
  data: { path: inFolder('data'), workers: 1 },
  model: { from: 'scratch', width: 16, depth: 1, heads: 2, patch: 8, frames: 4, resolution: 32 },
  clip: { stride: 2 },
  batch: { size: 4, perRun: 4 },
  schedule: { duration: '2 steps', warmup: '0 steps' },
  optimizer: { ema: 0.5 },
  evaluation: { clips: 1, crops: 1, batch: 1 },
  // A head on the mean is a model in the standard layout.
  probe: { readout: 'mean', cache: inFolder('cache') },
  log: { tensorboard: false },
  engine: { name: 'onnx', threads: 1 },
})
const run = (mode: FinetuneInput['mode'], out: string) => finetune(finetuneConfiguration(input(mode)), { out })

beforeAll(async () => {
  await generateMotionDataset(inFolder('data'), { clips: 12, size: 32, frames: 8, classes: ['left', 'up'] })
  await run('ridge', inFolder('head'))
  await run('full', inFolder('full'))
})

describe('a fine-tuning run', () => {
  test.each([
    ['ridge', 'config.json'],
    ['ridge', 'split.csv'],
    ['ridge', 'best/mine.txt'],
    ['ridge', 'training-manifest.json'],
    ['full', 'split.csv'],
    ['full', 'best/mine.txt'],
    ['full', 'training-manifest.json'],
    // Other programs write metrics.jsonl next to their configuration, too.
    ['full', 'config.json', 'metrics.jsonl'],
    ['full', 'split.csv', 'metrics.jsonl'],
    ['full', 'best/mine.txt', 'metrics.jsonl'],
  ] as const)('in mode %s replaces no %s that is not its own', async (mode, file, beside?: string) => {
    const out = inFolder(`foreign-${mode}-${file.replace('/', '-')}-${beside ?? ''}`)
    mkdirSync(path.dirname(path.join(out, file)), { recursive: true })
    writeFileSync(path.join(out, file), '{"mine":1}')
    if (beside !== undefined) writeFileSync(path.join(out, beside), '')
    await expect(run(mode, out)).rejects.toMatchObject({ code: 'RUN_FOLDER', exit: 'usage' })
    expect(readFileSync(path.join(out, file), 'utf8')).toBe('{"mine":1}')
  })

  test('that was killed as it began anew can be started again', async () => {
    const out = inFolder('anew')
    mkdirSync(path.join(out, 'earlier-1'), { recursive: true })
    writeFileSync(path.join(out, 'earlier-1', 'config.json'), readFileSync(inFolder('full', 'config.json')))
    writeFileSync(path.join(out, 'split.csv'), readFileSync(inFolder('full', 'split.csv')))
    writeFileSync(path.join(out, 'metrics.jsonl'), '')
    await expect(checkFinetuning(finetuneConfiguration(input('full')), { out })).resolves.toBeDefined()
  })

  test('of a head replaces an earlier one, and none that trained all weights, nor the other way round', async () => {
    await expect(run('linear', inFolder('full'))).rejects.toMatchObject({ code: 'RUN_FOLDER' })
    await expect(run('full', inFolder('head'))).rejects.toMatchObject({ code: 'RUN_FOLDER' })
    const again = await run('linear', inFolder('head'))
    expect(path.isAbsolute(again.classifier) && existsSync(again.classifier)).toBe(true)
  })

  test.each(['full', 'ridge'] as const)(
    'in mode %s refuses a class without a readable training video',
    async (mode) => {
      const { files, labels } = await generateMotionDataset(inFolder(`lost-${mode}`), {
        clips: 16,
        size: 32,
        frames: 8,
        classes: ['left', 'up'],
      })
      const test = new Set(files.filter((_, i) => i >= 12))
      const rows = files.map((file, i) => {
        if (labels[i] === 'up' && !test.has(file)) writeFileSync(file, `junk ${i}`)
        return `${file},${labels[i]},${test.has(file) ? 'test' : 'train'}`
      })
      const list = inFolder(`lost-${mode}.csv`)
      writeFileSync(list, `path,label,split\n${rows.join('\n')}\n`)
      const plain = input(mode)
      const configuration = finetuneConfiguration({
        ...plain,
        data: { ...plain.data, path: list },
        schedule: { duration: '12 steps', warmup: '0 steps' },
      })
      const out = inFolder(`lost-run-${mode}`)
      const refusal = { code: 'VIDEO_UNREADABLE', exit: 'data', message: expect.stringContaining('none of up') }
      await expect(finetune(configuration, { out })).rejects.toMatchObject(refusal)
      if (mode === 'full') await expect(finetune(configuration, { out, resume: true })).rejects.toMatchObject(refusal)
    },
  )

  test.each(['ridge', 'linear', 'attentive', 'full'] as const)(
    'in mode %s keeps the classifier where no test video can be read, and says that it is not tested',
    async (mode) => {
      const { files, labels } = await generateMotionDataset(inFolder(`untested-${mode}`), {
        clips: 16,
        size: 32,
        frames: 8,
        classes: ['left', 'up'],
      })
      const list = inFolder(`untested-${mode}.csv`)
      const rows = files.map((file, i) => `${file},${labels[i]},${i < 10 ? 'train' : i < 13 ? 'validation' : 'test'}`)
      writeFileSync(list, `path,label,split\n${rows.join('\n')}\n`)
      const plain = input(mode)
      const configuration = finetuneConfiguration({ ...plain, data: { ...plain.data, path: list } })
      const out = inFolder(`untested-run-${mode}`)
      if (mode !== 'full') {
        await finetune(configuration, { out })
        expect(existsSync(path.join(out, 'evaluation', 'evaluation.json'))).toBe(true)
      }
      for (const file of files.slice(13)) writeFileSync(file, `junk ${file}`)
      const notes: string[] = []
      const result = await finetune(configuration, { out, onNote: (note) => notes.push(note) })
      expect(result.test).toBeNull()
      expect(result.warnings).toContainEqual(expect.stringMatching(/none of the 3 test videos can be read/))
      expect(notes).toContainEqual(expect.stringMatching(/^warning: none of the 3 test videos/))
      expect((await openClassifier(out)).labels).toEqual(['left', 'up'])
      // What an earlier classifier scored says nothing of this one.
      expect(existsSync(path.join(out, 'evaluation'))).toBe(false)
    },
  )

  test('leaves a configuration that is a recipe of the same run', () => {
    const written = JSON.parse(readFileSync(inFolder('head', 'config.json'), 'utf8')) as FinetuneInput
    expect(finetuneConfiguration(written)).toEqual(finetuneConfiguration(input('linear')))
  })

  test.each(['head', 'full'])('is an encoder with the sampling of its training: %s', async (name) => {
    const { kind, sampling } = await readEncoder(inFolder(name))
    expect(kind).toBe('classify')
    expect(sampling).toEqual({ kind: 'dense', stride: 2, fps: null })
  })

  test('keeps the sampling in every checkpoint and its averages', async () => {
    for (const part of ['step-00000002', 'step-00000002/ema', 'best']) {
      expect((await openClassifier(inFolder('full', part))).sampling.stride).toBe(2)
    }
  })

  test('can be stopped before training and in the test, and says how to continue', async () => {
    const configuration = finetuneConfiguration(input('full'))
    const seen: string[] = []
    const stopAt = (when: 'digests' | 'test', resume = false) => {
      const stop = new AbortController()
      const at = (what: typeof when) => (done: number, total: number) => {
        seen.push(`${what} ${done}/${total}`)
        if (what === when) stop.abort()
      }
      return finetune(configuration, {
        out: inFolder('stopped'),
        resume,
        signal: stop.signal,
        onDigests: at('digests'),
        onTest: at('test'),
      })
    }
    await expect(stopAt('digests')).rejects.toMatchObject({ code: 'INTERRUPTED', hint: 'Run the same command again.' })
    expect(seen).toEqual(['digests 1/12'])
    await expect(stopAt('test')).rejects.toMatchObject({
      code: 'INTERRUPTED',
      hint: expect.stringContaining('--resume'),
    })
    const { test } = await finetune(configuration, { out: inFolder('stopped'), resume: true })
    const whole = await openClassifier(inFolder('full'))
    expect((await openClassifier(inFolder('stopped'))).state).toEqual(whole.state)
    expect(test!.scores.videos).toBe(2)
  })
})
