/**
 * Exported files run with nothing but the description next to them: a program of examples/ makes the clip, ONNX Runtime runs the file.
 * Oracle: what `predict`, `features` and the certificate say of the same video.
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import * as ort from 'onnxruntime-node'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { clipPositions, clipTensor, countPositions, cutFrame } from '../../examples/onnx/clip.mjs'
import { certifyBallots } from '../../src/certify/rules/certify-ballots.ts'
import { certifyVideos } from '../../src/certify/videos/certify-videos.ts'
import { exportEnsemble } from '../../src/certify/videos/ensemble/export-ensemble.ts'
import type { Resize } from '../../src/core/frame-size.ts'
import { RandomStream } from '../../src/core/random.ts'
import { type ClassifierExportOptions, exportClassifier } from '../../src/export/classifier.ts'
import { exportEncoder } from '../../src/export/encoder.ts'
import type { OnnxSidecar } from '../../src/export/sidecar.ts'
import { type Classifier, classifierShapes, saveClassifier } from '../../src/inference/classifier.ts'
import { readEncoder } from '../../src/inference/encoder-source.ts'
import { computeFeatures } from '../../src/inference/features.ts'
import { predict } from '../../src/inference/predict.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import { encodeFrameBytes } from '../../src/synthetic/encode.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { renderMotionClip } from '../../src/synthetic/motion.ts'
import { createDecoder } from '../../src/video/decoder.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { randomClips, shakenState, tinyConfiguration } from '../support/tiny-model.ts'
import { withoutChecksums } from '../support/without-checksums.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-sidecar-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const video = inFolder('video.mp4')
const sides = { width: 48, height: 32 }
beforeAll(async () => {
  const pixels = renderMotionClip('right', new RandomStream(3, 'sidecar'), { ...sides, frames: 23 })
  await encodeFrameBytes(video, pixels, { ...sides, framesPerSecond: 10 })
})

const readSidecar = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as OnnxSidecar

/** All pictures of a video as they are shown, and their times. */
async function picturesOf(file: string) {
  const opened = await (await createDecoder('node-av')).open(file)
  try {
    const { times } = await opened.frameTimes()
    const { width, height } = opened.info
    const whole = { crop: { x: 0, y: 0, width, height }, scale: { width, height }, flip: false }
    const out = new Uint8Array(times.length * width * height * 3)
    await opened.decode([...times.keys()], [whole], { width, height }, out)
    const pictures = [...times.keys()].map((t) => out.subarray(t * width * height * 3, (t + 1) * width * height * 3))
    return { times, pictures, width, height }
  } finally {
    opened.close()
  }
}

/** The middle clip of a video, by the description alone; as a control with other colors or from other frames. */
async function clipOf(sidecar: OnnxSidecar, file: string, wrong?: 'colors' | 'frames') {
  const { times, pictures, width, height } = await picturesOf(file)
  const fps = sidecar.clip?.sampling?.fps ?? null
  const count = countPositions(sidecar, times.length, times[times.length - 1] + times[1])
  const frames = clipPositions(sidecar, count).map((position) => {
    const shown = fps === null ? position : times.findLastIndex((time) => time <= position / fps + 1e-3)
    const frame = cutFrame(sidecar, pictures[wrong === 'frames' ? 0 : shown], width, height, 3)
    return wrong === 'colors' ? frame.map((_, i) => frame[i - (i % 3) + 2 - (i % 3)]) : frame
  })
  return clipTensor(sidecar, frames)
}

/** Runs the file that a description belongs to. */
async function run(description: string, file: string, wrong?: 'colors' | 'frames') {
  const sidecar = readSidecar(description)
  const [model] = sidecar.files
  const { type, data, shape } = await clipOf(sidecar, file, wrong)
  const session = await ort.InferenceSession.create(path.join(path.dirname(description), model.name))
  try {
    const [input] = sidecar.inputs
    const outputs = await session.run({ [input.name]: new ort.Tensor(type as 'uint8', data as Uint8Array, shape) })
    for (const output of sidecar.outputs) {
      expect(outputs[output.name].type).toBe(output.type)
      expect(outputs[output.name].dims).toEqual(output.shape.map((size) => (size === 'batch' ? 1 : size)))
      expect(output.axes).toHaveLength(output.shape.length)
    }
    return { sidecar, outputs }
  } finally {
    await session.release()
  }
}

/** Runs the file with the right clip, and with two wrong ones, which shows what the comparison would not see. */
async function runAll(description: string, output: string, expected: ArrayLike<number>) {
  const differences: number[] = []
  for (const wrong of [undefined, 'colors', 'frames'] as const) {
    const { outputs } = await run(description, video, wrong)
    differences.push(largest(outputs[output].data as Float32Array, expected))
  }
  const [right, ...others] = differences
  return { right, wrong: Math.min(...others) }
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])))

function requireFiles(description: string): void {
  for (const { name, bytes, sha256 } of readSidecar(description).files) {
    const content = readFileSync(path.join(path.dirname(description), name))
    expect([content.length, createHash('sha256').update(content).digest('hex')]).toEqual([bytes, sha256])
  }
}

describe('an encoder', () => {
  test('gives the features of `features`', async () => {
    const configuration = tinyConfiguration({ imageSize: 16 })
    const state = shakenState(parameterShapes(configuration, 'encoder'))
    await saveCheckpointDirectory(inFolder('encoder'), { configuration, kind: 'encoder', state })
    const options = { out: inFolder('encoder.onnx'), clips: randomClips(configuration, 1) }
    expect((await exportEncoder(inFolder('encoder'), options)).sidecar.clip?.sampling).toBeNull()
    withoutChecksums(inFolder('encoder'))
    writeFileSync(inFolder('encoder', 'clip.json'), '{"kind":"dense","stride":4,"fps":null}')
    const { sidecar, files, warnings } = await exportEncoder(inFolder('encoder'), options)
    expect(warnings).toEqual([])
    expect(files).toEqual([inFolder('encoder.onnx'), inFolder('encoder.json')])
    expect(readSidecar(files[1])).toEqual(sidecar)
    expect(sidecar).toMatchObject({
      format: 'videomae-onnx',
      version: 1,
      task: 'features',
      labels: null,
      readout: 'mean',
    })
    requireFiles(files[1])
    const source = await readEncoder(inFolder('encoder'))
    const { store, videos } = await computeFeatures(source, [{ path: video, id: video }], {
      ...{ cache: inFolder('features'), workers: 1, threads: 1, processes: decoding },
    })
    const found = await runAll(files[1], 'pooled', await store.read(videos[0].digest))
    expect(found.right).toBeLessThan(0.05)
    expect(found.wrong).toBeGreaterThan(0.1)
  })
})

describe('a classifier', () => {
  const labels = ['up, "left"', 'down', '\u00e9t\u00e9']
  const cases: readonly (Pick<ClassifierExportOptions, 'input' | 'precision'> &
    Pick<Classifier, 'head' | 'sampling'> & { name: string; resize: Resize | undefined; tolerance: number })[] = [
    {
      ...{ name: 'linear', head: { kind: 'linear' }, input: 'float32', precision: 'float32' },
      ...{ sampling: { kind: 'dense', stride: 1, fps: 4 }, resize: { shortEdge: 24 }, tolerance: 0.003 },
    },
    {
      ...{ name: 'readout', head: { kind: 'readout', readout: 'motion:2' }, input: 'uint8', precision: 'float16' },
      ...{ sampling: { kind: 'segments', stride: 1, fps: null }, resize: { height: 20, width: 24 }, tolerance: 0.03 },
    },
    {
      ...{ name: 'attentive', head: { kind: 'attentive', heads: 2, mlpWidth: 24 }, input: 'uint8', precision: 'int8' },
      ...{ sampling: { kind: 'dense', stride: 9, fps: null }, resize: undefined, tolerance: 0.004 },
    },
  ]
  test.each(cases)(
    'with a $name head gives the probabilities of `predict`',
    async ({ name, head, sampling, resize, input, precision, tolerance }) => {
      const configuration = { ...tinyConfiguration({ imageSize: 16, useMeanPooling: true }), resize }
      const state = shakenState(classifierShapes({ configuration, head, labels }))
      const classifier: Classifier = { configuration, head, state, labels, sampling }
      await saveClassifier(inFolder(name), classifier)
      const options = { out: inFolder(`${name}.onnx`), input, precision, clips: randomClips(configuration, 2) } as const
      const { files, sidecar } = await exportClassifier(inFolder(name), options)
      expect(sidecar).toMatchObject({ task: 'classify', labels, precision })
      requireFiles(files[1])
      const [predicted] = await predict([video], { from: inFolder(name), workers: 1, threads: 1, processes: decoding })
      if (!predicted.ok) throw new Error(predicted.reason)
      const expected = labels.map(
        (label) => predicted.classes.find((one) => one.label === label)?.probability ?? Number.NaN,
      )
      const found = await runAll(files[1], 'probabilities', expected)
      expect(found.right).toBeLessThan(tolerance)
      expect(found.wrong).toBeGreaterThan(2 * tolerance)
    },
  )
})

describe('a certified ensemble', () => {
  // Videos of the size of a frame: what scaling rounds otherwise would decide votes that are almost ties.
  test.each([
    ['encoder', 'float32', 'motion:2', 16],
    ['pixels', 'pooled', undefined, 16],
    ['pixels', 'uint8', 'motion:2', 48],
  ] as const)('on %s with input %s and readout %s gives the certificate', async (from, input, readout, size) => {
    const name = `${from}-${input}`
    const data = inFolder(`${name} videos`)
    await generateMotionDataset(data, { clips: 12, size, frames: 8, classes: ['left', 'right'] })
    const source = from === 'pixels' ? { from } : { from: inFolder('encoder'), trust: 'public' as const }
    const { certificate, plan } = await certifyVideos({
      ...{ ...source, data, partitions: 3, rules: ['dpa'], testShare: 0.4, stride: 1, readout },
      ...{ out: inFolder(name), cache: inFolder('store'), threads: 1, workers: 1, processes: decoding },
    })
    const { files, sidecar } = await exportEnsemble(inFolder(name), { out: inFolder(`${name}.onnx`), input })
    expect(sidecar).toMatchObject({ task: 'certified-votes', ensemble: { rules: ['dpa'], learners: 3 } })
    expect(sidecar.labels).toEqual(certificate.classNames)
    requireFiles(files[1])
    const ranks: number[] = []
    for (const { path: file } of plan.split.test)
      ranks.push(...Array.from((await run(files[1], file)).outputs.votes.data as BigInt64Array, Number))
    const shape = { inputs: plan.split.test.length, learners: 3, classes: certificate.classNames.length, places: 1 }
    const found = certifyBallots({ ...shape, ranks: Uint8Array.from(ranks) }, { rule: 'dpa' })
    expect(found).toEqual(certificate.runs[0].inputs?.map(({ id: _, label: __, ...rest }) => rest))
    // Else a file that always votes the same would pass.
    expect(new Set(found.map(({ prediction, radius }) => `${prediction} ${radius}`)).size).toBeGreaterThan(1)
  })
})
