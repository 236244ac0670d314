/**
 * Numbers that are computed on videos a model was trained on, in every command that prints an accuracy. Oracle: the lists here say
 * which videos trained what; the files that are tested are copies under other names.
 */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { lethalDoseTable } from '../../src/certify/dose/lethal-dose-report.ts'
import { planCertification } from '../../src/certify/videos/plan.ts'
import { seenRemarks } from '../../src/certify/videos/seen-inputs.ts'
import { evaluate as evaluateDefinition } from '../../src/cli/commands/evaluate.ts'
import { lethalDose } from '../../src/cli/commands/lethal-dose.ts'
import { evaluateCommand } from '../../src/cli/evaluate.ts'
import { exportClassifierCommand } from '../../src/cli/export-classifier.ts'
import { lethalDoseCommand } from '../../src/cli/lethal-dose.ts'
import { type FinetuneInput, finetuneConfiguration } from '../../src/finetune/configuration.ts'
import { finetune as finetuneAlone } from '../../src/finetune/finetune.ts'
import type { Evaluation } from '../../src/inference/evaluate.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runConfiguration } from '../../src/train/configuration-file.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { optionsWith } from '../support/options-with.ts'

const finetune: typeof finetuneAlone = (configuration, options) =>
  finetuneAlone(configuration, { processes: decoding, ...options })

const folder = folderForTests('videomae-trained-on-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
/** [video] */
let copies: readonly string[] = []
let labels: readonly string[] = []
const size = { width: 16, depth: 1, heads: 2, patch: 8, frames: 4, resolution: 32 }

/** A list of the copies, each with the part that `partOf` says, or none. */
function list(name: string, partOf?: (k: number) => string, only = (_: number): boolean => true): string {
  const rows = copies.map((file, k) => `${file},${labels[k]}${partOf === undefined ? '' : `,${partOf(k)}`}`)
  const header = partOf === undefined ? 'path,label' : 'path,label,split'
  writeFileSync(inFolder(name), `${header}\n${rows.filter((_, k) => only(k)).join('\n')}\n`)
  return inFolder(name)
}

const input = (data: string, mode: FinetuneInput['mode'], from = 'scratch'): FinetuneInput => ({
  mode,
  data: { path: data, workers: 1 },
  model: from === 'scratch' ? { from, ...size } : { from },
  clip: { stride: 1 },
  batch: { size: 4, perRun: 4 },
  schedule: { duration: '2 steps', warmup: '0 steps' },
  evaluation: { clips: 1, crops: 1, batch: 1 },
  log: { tensorboard: false },
  engine: { name: 'onnx', threads: 1 },
})
const tune = (data: string, mode: FinetuneInput['mode'], out: string, from?: string) =>
  finetune(finetuneConfiguration(input(data, mode, from)), { out: inFolder(out) })

/** Of 18 videos 8 are for training, 4 for validation, 6 for the test. */
const parts = (k: number): string => (k < 8 ? 'train' : k < 12 ? 'val' : 'test')

beforeAll(async () => {
  const { files, labels: found } = await generateMotionDataset(inFolder('data'), {
    ...{ clips: 18, size: 32, frames: 8, seed: 5 },
    classes: ['left', 'up'],
  })
  labels = found
  mkdirSync(inFolder('copies'))
  copies = files.map((file, k) => {
    copyFileSync(file, inFolder('copies', `${k}.mp4`))
    return inFolder('copies', `${k}.mp4`)
  })
  const original = files.map((file, k) => `${file},${labels[k]},${parts(k)}`)
  writeFileSync(inFolder('original.csv'), `path,label,split\n${original.join('\n')}\n`)
  await tune(inFolder('original.csv'), 'ridge', 'head')
})
afterEach(() => vi.restoreAllMocks())

/** What a command writes to stdout. */
async function shown(command: () => Promise<void>): Promise<string> {
  let stdout = ''
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += String(text)
    return true
  })
  await command()
  vi.restoreAllMocks()
  return stdout
}
const options = optionsWith(evaluateDefinition, {
  ...{ from: inFolder('head'), split: 'all', clips: 1, crops: 1, engine: 'onnx', threads: 1, workers: 1 },
})
async function evaluate(data: string, from: string): Promise<Evaluation> {
  return JSON.parse(await shown(() => evaluateCommand([data], { ...options, from, json: true }))) as Evaluation
}
const numbers = (ids: readonly string[]): number[] => ids.map((id) => Number(path.parse(id).name)).sort((a, b) => a - b)

describe('evaluate', () => {
  test('counts by content the videos that trained or chose the classifier, and scores the others apart', async () => {
    const all = await evaluate(list('all.csv'), inFolder('head'))
    expect(all.scores.videos).toBe(18)
    expect(all.trainedOn).toMatchObject({ known: true, why: null, withoutLabels: [] })
    expect(numbers(all.trainedOn.withLabels)).toEqual(Array.from({ length: 12 }, (_, k) => k))
    const others = await evaluate(
      list('others.csv', undefined, (k) => k >= 12),
      inFolder('head'),
    )
    expect(others.trainedOn).toEqual({ known: true, why: null, withLabels: [], withoutLabels: [], others: null })
    expect(all.trainedOn.others).toEqual(others.scores)
    expect(all.warnings.at(-1)).toMatch(
      /^12 of the 18 videos were used to train .*; top-1 on the other 6: [\d.]+ % \(95/,
    )
    const text = await shown(() => evaluateCommand([inFolder('all.csv')], { ...options, from: inFolder('head') }))
    expect(text).toMatch(/^trained on 12 of these videos$/m)
    expect(text).toMatch(/^warning: 12 of the 18 videos/m)
  })

  test('says it where all of them were, and where nothing is known', async () => {
    const seen = await evaluate(
      list('seen.csv', undefined, (k) => k < 12),
      inFolder('head'),
    )
    expect(seen.trainedOn.others).toBeNull()
    expect(seen.warnings.at(-1)).toMatch(/^12 of the 12 videos .* say nothing about new videos/)
    await shown(() =>
      exportClassifierCommand(inFolder('head'), { format: 'huggingface', out: inFolder('foreign'), json: true }),
    )
    const kept = await evaluate(inFolder('all.csv'), inFolder('foreign'))
    expect(kept.trainedOn).toMatchObject({ known: true })
    rmSync(inFolder('foreign', 'training-manifest.json'))
    const unknown = await evaluate(inFolder('all.csv'), inFolder('foreign'))
    expect(unknown.trainedOn).toMatchObject({ known: false, withLabels: [], others: null })
    const from = inFolder('foreign')
    const text = await shown(() => evaluateCommand([inFolder('all.csv')], { ...options, from }))
    expect(text).toMatch(/^trained on unknown: there is no training-manifest\.json/m)
  })
})

describe('fine-tuning', () => {
  test.each(['full', 'linear'] as const)('in mode %s tests on videos that its training knows as new', async (mode) => {
    const { test, warnings } = await tune(list('parts.csv', parts), mode, `new-${mode}`)
    expect(test!.trainedOn).toEqual({ known: true, why: null, withLabels: [], withoutLabels: [], others: null })
    expect(warnings.join()).not.toMatch(/used, with their labels/)
    const { trainedOn } = await evaluate(inFolder('all.csv'), inFolder(`new-${mode}`))
    expect(numbers(trainedOn.withLabels)).toEqual(Array.from({ length: 12 }, (_, k) => k))
  })

  test('says which test videos its encoder has seen with their labels', async () => {
    const turned = list('turned.csv', (k) => (k >= 10 ? 'train' : k < 3 ? 'val' : 'test'))
    const { test, warnings } = await tune(turned, 'ridge', 'turned', inFolder('head'))
    expect(warnings.join('\n')).toMatch(
      /3 of the 3 validation videos and 7 of the 7 test videos were used, with their labels/,
    )
    expect(numbers(test!.trainedOn.withLabels)).toEqual([3, 4, 5, 6, 7, 8, 9])
    expect(test!.trainedOn.others).toBeNull()
    // Videos that the first run was only tested on have trained nothing of it, but this one.
    const { trainedOn } = await evaluate(inFolder('all.csv'), inFolder('turned'))
    expect(trainedOn.withLabels).toHaveLength(18)
  })

  test('tells what its encoder has seen without labels from what it has learned the labels of', async () => {
    const { decoder, ...encoder } = { ...size, decoder: { width: 16, depth: 1, heads: 2 } }
    await pretrain(
      runConfiguration({
        data: { path: list('early.csv', undefined, (k) => k >= 6 && k < 15), samplesPerClip: 1, workers: 1 },
        ...{ clip: { stride: 1 }, mask: { ratio: 0.5 }, model: { ...encoder, decoder }, batch: { size: 4 } },
        ...{ schedule: { duration: '1 step', warmup: '0 steps' }, log: { tensorboard: false } },
        engine: { name: 'onnx', threads: 1 },
      }),
      { out: inFolder('encoder'), processes: decoding },
    )
    const { test } = await tune(list('parts.csv', parts), 'ridge', 'tuned', inFolder('encoder'))
    expect(test!.trainedOn).toMatchObject({ known: true, withLabels: [], others: null })
    expect(numbers(test!.trainedOn.withoutLabels)).toEqual([12, 13, 14])
  })
})

describe('export --evaluate', () => {
  test('says what the checkpoint was trained on, and which videos the integers were calibrated on', async () => {
    const data = list('all.csv')
    const result = await shown(() =>
      exportClassifierCommand(inFolder('head'), {
        ...{ out: inFolder('head.onnx'), int8: true, calibrate: data, calibrationClips: 4, evaluate: data },
        ...{ engine: 'onnx', json: true },
      }),
    )
    const { accuracy } = JSON.parse(result)
    expect(numbers(accuracy.trainedOn.withLabels)).toEqual(Array.from({ length: 12 }, (_, k) => k))
    expect(accuracy.trainedOn.others.videos).toBe(6)
    expect(accuracy.calibratedOn).toHaveLength(4)
    expect(accuracy.warnings.join('\n')).toMatch(/12 of the 18 videos were used to train/)
    expect(accuracy.warnings.join('\n')).toMatch(/4 of the 18 test videos were also used for calibration/)
    // The file alone does not say it.
    expect((await evaluate(data, inFolder('head.onnx'))).trainedOn).toMatchObject({ known: false, withLabels: [] })
  })
})

describe('certification', () => {
  test('counts the inputs that are protected videos, and those whose labels the encoder has seen', async () => {
    const data = list('certify.csv', (k) => (k < 9 ? 'train' : 'test'))
    const again = inFolder('again.csv')
    writeFileSync(again, `path,label\n${[0, 1, 10, 13].map((k) => `${copies[k]},${labels[k]}`).join('\n')}\n`)
    const notes: string[] = []
    const plan = await planCertification({
      ...{
        data,
        test: again,
        from: inFolder('head'),
        cache: inFolder('store'),
        threads: 1,
        workers: 1,
        processes: decoding,
      },
      onNote: (note) => notes.push(note),
    })
    expect(plan.seen).toEqual({
      ...{ predicted: 4, protected: 2, encoderWithLabels: 3, encoderWithoutLabels: 0, open: null },
    })
    expect(notes.join('\n')).toMatch(/warning: 2 of the 4 videos to predict have the content of a protected video/)
    expect(seenRemarks(plan.seen)[1]).toMatch(/^3 of the 4 videos to predict were used, with labels, to train/)
  })

  test('of a lethal dose says it above its numbers', async () => {
    const data = list('certify.csv', (k) => (k < 9 ? 'train' : 'test'))
    const result = await shown(() =>
      lethalDoseCommand(
        data,
        optionsWith(lethalDose, {
          ...{ from: ['pixels'], test: list('all.csv'), partitions: '3', subsets: 10, threat: 'general' },
          ...{ out: inFolder('dose'), json: true, quiet: true, seed: 0 },
        }),
      ),
    )
    const { learners, ...rest } = JSON.parse(result)
    const remark = expect.stringMatching(/^9 of the 18 videos to predict have the content of a protected video/)
    expect(learners[0].remarks).toEqual([remark])
    expect(lethalDoseTable({ learners, ...rest })).toMatch(/^Warnings:\n\n\* pixels, ridge: 9 of the 18/m)
  })
})
