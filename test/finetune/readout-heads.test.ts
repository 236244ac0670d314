/**
 * Heads on another readout than the mean, from training to export. Oracle: the float64 reference engine on the program that the
 * definition of the head says.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import { exportClassifier, exportClassifierDirectory } from '../../src/export/classifier.ts'
import { clipsForCheck } from '../../src/export/clips.ts'
import { type FinetuneInput, finetuneConfiguration } from '../../src/finetune/configuration.ts'
import { finetune as finetuneAlone } from '../../src/finetune/finetune.ts'
import { sumsFile } from '../../src/format/folder-sums.ts'
import { Graph } from '../../src/graph/graph.ts'
import { softmax } from '../../src/graph/operations/losses.ts'
import { openClassifier } from '../../src/inference/classifier.ts'
import { predict } from '../../src/inference/predict.ts'
import { tokenGrid } from '../../src/model/configuration.ts'
import { encode } from '../../src/model/encoder.ts'
import { linearHead } from '../../src/model/heads.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { readTokens } from '../../src/model/readout.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import { encodeFrameBytes } from '../../src/synthetic/encode.ts'
import { renderMotionClip } from '../../src/synthetic/motion.ts'
import { loadClips } from '../../src/video/load-clips.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { runHere } from '../support/run-here.ts'
import { runOnce, shakenState, tinyConfiguration } from '../support/tiny-model.ts'
import { withoutChecksums } from '../support/without-checksums.ts'

const finetune: typeof finetuneAlone = (configuration, options) =>
  finetuneAlone(configuration, { processes: decoding, ...options })

const folder = folderForTests('videomae-readout-heads-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

const configuration = tinyConfiguration({ imageSize: [8, 16] })
const labels = ['left', 'still']
const videos: string[] = []

beforeAll(async () => {
  const state = shakenState(parameterShapes(configuration, 'pretrain'))
  await saveCheckpointDirectory(inFolder('encoder'), { configuration, kind: 'pretrain', state })
  for (const label of labels) {
    mkdirSync(inFolder('data', label), { recursive: true })
    for (let i = 0; i < 8; i++) {
      const size = { width: 32, height: 16 }
      const moving = renderMotionClip('left', new RandomStream(i, label), { ...size, frames: 8 })
      // The first frame again and again: only motion tells the classes apart.
      const frame = size.width * size.height * 3
      const clip = label === 'left' ? moving : moving.map((_, at) => moving[at % frame])
      const file = inFolder('data', label, `${i}.mp4`)
      await encodeFrameBytes(file, clip, { ...size, framesPerSecond: 8 })
      videos.push(file)
    }
  }
})

const run = (mode: 'ridge' | 'linear', readout: string, more: FinetuneInput['probe'] = {}) =>
  finetune(
    finetuneConfiguration({
      mode,
      data: { path: inFolder('data'), workers: 1, validation: 0.25, test: 0.25 },
      clip: { sampling: 'dense', stride: 1 },
      model: { from: inFolder('encoder') },
      evaluation: { clips: 1, crops: 1 },
      probe: { readout, cache: inFolder('cache'), ...more },
      engine: { name: 'onnx', threads: 1 },
    }),
    { out: inFolder(`${mode}-${readout.replace(':', '-')}`) },
  )

/** [videos][classes] of the middle clip, straight from the definition: encoder, its norm, readout, one layer. */
async function expected(from: string, readout: string): Promise<Float32Array[]> {
  const { state } = await openClassifier(from)
  const graph = new Graph('oracle')
  const frames = graph.input('frames', [1, 4, 8, 16, 3], 'uint8')
  const tokens = encode(configuration, frames, { finalNorm: true })
  const logits = linearHead(readTokens(tokens, tokenGrid(configuration), readout), labels.length)
  const program = graph.build({ probabilities: softmax(logits) })
  const found: Float32Array[] = []
  const entries = videos.map((file) => ({ path: file, id: file }))
  const samplings = [{ kind: 'dense-view', frames: 4, stride: 1, view: 0, views: 1 } as const]
  for await (const loaded of loadClips({ entries, samplings, size: { height: 8, width: 16 }, workers: 1 })) {
    if (!loaded.ok) throw new Error(loaded.reason)
    found.push((await runOnce(program, new Map(state), { frames: loaded.clips })).probabilities)
  }
  return found
}

async function predicted(from: string): Promise<number[][]> {
  return (await predict(videos, { from, workers: 1 })).map((prediction) => {
    if (!prediction.ok) throw new Error(prediction.reason)
    return labels.map((label) => prediction.classes.find((found) => found.label === label)!.probability)
  })
}

function expectClose(actual: readonly (readonly number[])[], wanted: readonly Float32Array[]): void {
  expect(actual).toHaveLength(wanted.length)
  for (const [i, row] of wanted.entries())
    for (const [c, value] of row.entries()) expect(actual[i][c], `video ${i}, class ${c}`).toBeCloseTo(value, 4)
}

describe.each([
  ['ridge', 'motion:2'],
  ['linear', 'grid:2'],
  ['ridge', 'motion-rms:1'],
] as const)('a %s head on %s', (mode, readout) => {
  test('is trained, kept, opened and exported as one classifier', async () => {
    const { classifier, test } = await run(mode, readout)
    expect((await openClassifier(classifier)).head).toEqual({ kind: 'readout', readout })
    const wanted = await expected(classifier, readout)
    expectClose(await predicted(classifier), wanted)
    const byId = new Map(videos.map((file, i) => [path.relative(inFolder('data'), file), wanted[i]]))
    for (const { id, probabilities } of test!.predictions)
      for (const [c, value] of probabilities.entries()) expect(value).toBeCloseTo(byId.get(id)![c], 4)

    const out = inFolder(`${mode}.onnx`)
    const clips = await clipsForCheck(classifier, undefined, new RandomStream('check'))
    await exportClassifier(classifier, { out, clips })
    expectClose(await predicted(out), wanted)

    const { warnings } = await exportClassifierDirectory(classifier, inFolder(`${mode}-directory`))
    expect(warnings.join()).toContain(`transformers has no readout ${readout}`)
    expectClose(await predicted(inFolder(`${mode}-directory`)), wanted)
  })
})

describe('the readout auto', () => {
  test('is one that sees motion where only motion tells the classes apart, and the run says what it was chosen by', async () => {
    const { classifier, readouts, chosen } = await run('ridge', 'auto')
    expect(readouts!.map(({ readout }) => readout)).toEqual(['mean', 'grid:2', 'motion:2', 'motion-rms:2'])
    const [mean, grid, ...motion] = readouts!.map(({ accuracy }) => accuracy)
    expect(Math.min(...motion)).toBeGreaterThan(Math.max(mean, grid))
    const { head } = await openClassifier(classifier)
    expect(head).toEqual({ kind: 'readout', readout: expect.stringMatching(/^motion/) })
    const { readout } = head as { readout: string }
    expect(chosen).toContain(`readout ${readout}, `)
    // As if it had been asked for by its name.
    const named = await run('ridge', readout)
    expect((await openClassifier(named.classifier)).state).toEqual((await openClassifier(classifier)).state)
    expect(named.readouts).toBeNull()
  })
})

describe('the mean', () => {
  test('makes the same classifier in the standard layout, named or not', async () => {
    const { classifier } = await run('ridge', 'mean')
    expect((await openClassifier(classifier)).head).toEqual({ kind: 'linear' })
    expect(() => readFileSync(path.join(classifier, 'classifier.json'))).toThrow('ENOENT')
  })
})

describe('a classifier whose readout', () => {
  const opened = async (readout: unknown) => {
    const { classifier } = await run('ridge', 'motion:2')
    const file = path.join(classifier, 'classifier.json')
    const before = readFileSync(file, 'utf8')
    if (existsSync(path.join(classifier, sumsFile))) withoutChecksums(classifier)
    writeFileSync(file, JSON.stringify({ ...JSON.parse(before), head: { kind: 'readout', readout } }))
    try {
      return await openClassifier(classifier)
    } finally {
      writeFileSync(file, before)
    }
  }

  test.each([
    ['is unknown', 'sparkle', '"sparkle"'],
    ['has more cells than the clip has tokens', 'motion:9', 'motion:9'],
    ['is no text', 3, 'readout'],
  ])('%s is refused by name', async (_, readout, named) => {
    await expect(opened(readout)).rejects.toThrow(
      expect.objectContaining({ code: 'CHECKPOINT_INVALID', message: expect.stringContaining(named) }),
    )
  })

  test('has another width than the head is refused', async () => {
    await expect(opened('motion:1')).rejects.toMatchObject({ code: 'TENSOR_SHAPE' })
  })
})

test.each(['full', 'attentive'] as const)('--readout is refused in mode %s', async (mode) => {
  const line = `finetune ${inFolder('data')} --from ${inFolder('encoder')} --mode ${mode} --readout motion --out ${inFolder('no')}`
  const { code, document } = await runHere(line)
  expect([code, document.error?.code]).toEqual([2, 'CONFIGURATION_INVALID'])
  expect(document.error?.message).toContain('--readout')
})

test('a readout that no clip of the encoder has is refused before any video is decoded', async () => {
  await expect(run('ridge', 'motion:3')).rejects.toMatchObject({ code: 'READOUT_UNFIT' })
})
