/**
 * Frames that are not square, from files to answers. Oracle: the float64 reference engine on clips whose bytes are checked against the
 * whole decoded picture.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import { exportClassifier } from '../../src/export/classifier.ts'
import { clipsForCheck } from '../../src/export/clips.ts'
import { exportEncoder } from '../../src/export/encoder.ts'
import { finetuneConfiguration } from '../../src/finetune/configuration.ts'
import { finetune as finetuneAlone } from '../../src/finetune/finetune.ts'
import { readModel } from '../../src/format/onnx.ts'
import { saveClassifier } from '../../src/inference/classifier.ts'
import { patchSource, readEncoder } from '../../src/inference/encoder-source.ts'
import { evaluateVideos } from '../../src/inference/evaluate.ts'
import { writeFeatureFiles } from '../../src/inference/feature-files.ts'
import { computeFeatures, type FeatureOptions } from '../../src/inference/features.ts'
import { openAnyClassifier, predict } from '../../src/inference/predict.ts'
import { buildClassifyProgram } from '../../src/model/classify.ts'
import { buildEncodeProgram, buildPatchProgram } from '../../src/model/encode-program.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { readoutWidth } from '../../src/model/readout.ts'
import { reconstruct } from '../../src/report/reconstruct.ts'
import { encodeFrameBytes } from '../../src/synthetic/encode.ts'
import { renderMotionClip } from '../../src/synthetic/motion.ts'
import { openCheckpoint } from '../../src/train/open-checkpoint.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import { loadClips } from '../../src/video/load-clips.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { runOnce, shakenState, tinyConfiguration } from '../support/tiny-model.ts'

const finetune: typeof finetuneAlone = (configuration, options) =>
  finetuneAlone(configuration, { processes: decoding, ...options })

const folder = folderForTests('videomae-non-square-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

const configuration = tinyConfiguration({ imageSize: [8, 16] })
const labels = ['left', 'up', 'still']
const state = shakenState(parameterShapes(configuration, 'classify', 3))
const sampling = { kind: 'dense', stride: 1, fps: null } as const
const videos: string[] = []

beforeAll(async () => {
  await saveClassifier(inFolder('checkpoint'), { configuration, head: { kind: 'linear' }, state, labels, sampling })
  // As large as the frames, wider than they are, and narrower.
  for (const [width, height] of [
    [16, 8],
    [96, 24],
    [32, 48],
  ]) {
    for (const kind of ['left', 'up'] as const) {
      const clip = renderMotionClip(kind, new RandomStream(width, kind), { width, height, frames: 8 })
      mkdirSync(inFolder('data', kind), { recursive: true })
      const file = inFolder('data', kind, `${width}x${height}.mp4`)
      await encodeFrameBytes(file, clip, { width, height, framesPerSecond: 8 })
      videos.push(file)
    }
  }
})

/** The middle clip of each video, [4, 8, 16, 3], one after the other. */
async function clips(): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  const entries = videos.map((file) => ({ path: file, id: file }))
  const samplings = [{ kind: 'dense-view', frames: 4, stride: 1, view: 0, views: 1 } as const]
  for await (const loaded of loadClips({
    entries,
    samplings,
    size: { height: 8, width: 16 },
    workers: 1,
    processes: decoding,
  })) {
    if (!loaded.ok) throw new Error(loaded.reason)
    expect(loaded.clips.length).toBe(4 * 8 * 16 * 3)
    found.push(loaded.clips)
  }
  return found
}

async function expected(): Promise<Float32Array[]> {
  const program = buildClassifyProgram({ configuration, batch: 1, classes: 3 })
  const probabilities: Float32Array[] = []
  for (const frames of await clips()) probabilities.push((await runOnce(program, state, { frames })).probabilities)
  return probabilities
}

const classesOf = (predictions: Awaited<ReturnType<typeof predict>>) =>
  predictions.map((prediction) => {
    if (!prediction.ok) throw new Error(prediction.reason)
    return labels.map((label) => prediction.classes.find((found) => found.label === label)!.probability)
  })

function expectClose(actual: readonly (readonly number[])[], wanted: readonly Float32Array[]): void {
  expect(actual).toHaveLength(wanted.length)
  for (const [i, row] of wanted.entries()) {
    for (const [c, value] of row.entries()) expect(actual[i][c], `video ${i}, class ${c}`).toBeCloseTo(value, 5)
    expect(actual[i].reduce((a, b) => a + b)).toBeCloseTo(1, 6)
  }
}

describe('a classifier of 8 x 16 frames', () => {
  test('predicts what the reference computes of whole frames, from the checkpoint and from its exports', async () => {
    const wanted = await expected()
    expectClose(
      classesOf(await predict(videos, { from: inFolder('checkpoint'), workers: 1, processes: decoding })),
      wanted,
    )
    for (const input of ['uint8', 'float32'] as const) {
      const out = inFolder(`${input}.onnx`)
      const check = await clipsForCheck(inFolder('checkpoint'), undefined, new RandomStream('check'))
      expect(check.length).toBe(2 * 4 * 8 * 16 * 3)
      await exportClassifier(inFolder('checkpoint'), { out, input, clips: check })
      expect((await readModel(out)).metadata).toMatchObject({ 'videomae.image_size': '[8,16]' })
      expectClose(classesOf(await predict(videos, { from: out, workers: 1, processes: decoding })), wanted)
    }
  })

  test('is evaluated, from several views, alike from checkpoint and export', async () => {
    const entries = videos.map((file, i) => ({
      path: file,
      id: file,
      label: labels[i % 2],
      class: i % 2,
      digest: null,
    }))
    const scores: number[] = []
    for (const from of [inFolder('checkpoint'), inFolder('uint8.onnx')]) {
      const classifier = await openAnyClassifier(from)
      try {
        const { predictions, scores: found } = await evaluateVideos(classifier, entries, {
          clips: 2,
          crops: 3,
          workers: 1,
          processes: decoding,
        })
        for (const { probabilities } of predictions) expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 6)
        scores.push(found.loss)
      } finally {
        await classifier.close()
      }
    }
    expect(scores[1]).toBeCloseTo(scores[0], 5)
  })

  test('gives the features that the reference computes, and exports its encoder', async () => {
    const source = await readEncoder(inFolder('checkpoint'))
    const entries = videos.map((file) => ({ path: file, id: file }))
    const computed = await computeFeatures(source, entries, {
      cache: inFolder('cache'),
      workers: 1,
      processes: decoding,
    })
    const program = buildEncodeProgram({ configuration, kind: 'classify', batch: 1 })
    for (const [i, frames] of (await clips()).entries()) {
      const { pooled } = await runOnce(program, state, { frames })
      const row = await computed.store.read(computed.videos[i].digest)
      for (const [k, value] of pooled.entries()) expect(row[k]).toBeCloseTo(value, 4)
    }
    const windows = await computeFeatures(source, entries.slice(2), {
      cache: inFolder('cache'),
      windowStep: 2,
      workers: 1,
      processes: decoding,
    })
    expect(windows.failures).toEqual([])
    const check = await clipsForCheck(inFolder('checkpoint'), videos[2], new RandomStream('check'))
    const exported = await exportEncoder(inFolder('checkpoint'), { out: inFolder('encoder.onnx'), clips: check })
    expect(exported.check.largestDifference).toBeLessThan(1e-4)
    // A classifier: whoever wanted its labels is told how to get them.
    expect(exported.warnings).toEqual([expect.stringContaining('export --classifier')])
  })

  test.each(['grid:2', 'motion:2', 'motion-rms:1'])(
    'gives the readout %s that the reference computes, of the encoder and of patches alone',
    async (readout) => {
      const entries = videos.map((file) => ({ path: file, id: file }))
      const patches = { ...patchSource(sampling), configuration: { ...configuration } }
      const whole = await readEncoder(inFolder('checkpoint'))
      for (const source of [whole, patches]) {
        const computed = await computeFeatures(source, entries, {
          readout,
          cache: inFolder('cache'),
          workers: 1,
          processes: decoding,
        })
        expect(computed.readout).toBe(readout)
        const program =
          source === patches
            ? buildPatchProgram(configuration, 1, readout)
            : buildEncodeProgram({ configuration, kind: 'classify', batch: 1, readout })
        for (const [i, frames] of (await clips()).entries()) {
          const { pooled, tokens } = await runOnce(program, source === patches ? new Map() : state, { frames })
          const row = await computed.store.read(computed.videos[i].digest)
          expect(row).toHaveLength(readoutWidth(readout, { t: 2, h: 2, w: 4 }, tokens.length / 16))
          for (const [k, value] of pooled.entries()) expect(row[k]).toBeCloseTo(value, 4)
        }
      }
      const written = await writeFeatureFiles(
        inFolder(readout),
        await computeFeatures(whole, entries, { readout, cache: inFolder('cache'), workers: 1, processes: decoding }),
        null,
      )
      expect(written.shape[0]).toBe(videos.length)
      expect(JSON.parse(readFileSync(inFolder(readout, 'index.json'), 'utf8'))).toMatchObject({ readout })
    },
  )

  test('has no readout of tokens that are kept whole, and none of more cells than tokens', async () => {
    const source = await readEncoder(inFolder('checkpoint'))
    const refused = (options: Partial<FeatureOptions>) =>
      computeFeatures(source, [], { cache: inFolder('cache'), ...options })
    await expect(refused({ kind: 'tokens', readout: 'motion' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(refused({ readout: 'motion' })).rejects.toMatchObject({ code: 'READOUT_UNFIT' })
    await expect(refused({ readout: 'moving' })).rejects.toMatchObject({ code: 'READOUT_UNKNOWN' })
  })

  test('is trained further, in that shape', async () => {
    for (const mode of ['full', 'ridge'] as const) {
      const input = finetuneConfiguration({
        mode,
        data: { path: inFolder('data'), workers: 1 },
        model: { from: inFolder('checkpoint') },
        batch: { size: 4, perRun: 4 },
        schedule: { duration: '2 steps', warmup: '0 steps' },
        evaluation: { clips: 1, crops: 1, batch: 1 },
        probe: { cache: inFolder('cache') },
        log: { tensorboard: false },
        engine: { name: 'onnx', threads: 1 },
      })
      const { classifier } = await finetune(input, { out: inFolder(mode) })
      expect((await openCheckpoint(classifier)).configuration.imageSize).toEqual([8, 16])
    }
  })
})

test('pretraining at another height than width learns, resumes its shape and is shown', async () => {
  const input = {
    data: { path: inFolder('data'), workers: 1 },
    model: {
      width: 16,
      depth: 1,
      heads: 2,
      frames: 4,
      resolution: [16, 32] as [number, number],
      patch: 8,
      target: 'raw' as const,
    },
    mask: { ratio: 0.5 },
    clip: { stride: 1 },
    batch: { size: 4 },
    schedule: { duration: '60 steps' as const, warmup: '0 steps' as const },
    optimizer: { baseLearningRate: 0.3 },
    log: { every: '20 steps' as const, tensorboard: false },
    engine: { name: 'onnx' as const, threads: 1 },
  }
  const losses: number[] = []
  const result = await pretrain(input, {
    out: inFolder('run'),
    processes: decoding,
    onProgress: ({ loss }) => void losses.push(loss),
  })
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length
  expect(losses).toHaveLength(60)
  expect(mean(losses.slice(-10))).toBeLessThan(0.95 * mean(losses.slice(0, 10)))
  const { configuration: saved } = await openCheckpoint(result.run)
  expect(saved.imageSize).toEqual([16, 32])
  const shown = await reconstruct(result.run, videos[2], { out: inFolder('picture') })
  expect(shown).toMatchObject({ visible: 8, masked: 8 })
  const { default: sharp } = await import('sharp')
  const { width, height } = await sharp(shown.picture).metadata()
  // Four frames of 32 x 16, each pixel enlarged five times, with gaps of 8; three rows (raw targets) with a label of 20, frame numbers of 20.
  expect([width, height]).toEqual([4 * (160 + 8) - 8, 20 + 3 * (20 + 80 + 8) - 8])
})
