import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fileDigest } from '../../src/format/file-digest.ts'
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from '../../src/format/safetensors.ts'
import { meanPredictionLoss } from '../../src/model/mean-loss.ts'
import { stateNames } from '../../src/model/training-programs.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runConfiguration } from '../../src/train/configuration-file.ts'
import { lossWarnings, planPretraining, pretrain } from '../../src/train/pretrain.ts'
import { openPretrainData } from '../../src/train/pretrain-data.ts'
import { listVideos } from '../../src/video/source.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-mean-loss-'))
  await generateMotionDataset(path.join(folder, 'videos'), { clips: 8, size: 32, frames: 12 })
}, 120_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

const input = (decoder: boolean) => ({
  data: { path: path.join(folder, 'videos'), samplesPerClip: 2, workers: 1 },
  clip: { stride: 1 },
  model: {
    width: 16,
    depth: 1,
    heads: 2,
    frames: 4,
    resolution: 16,
    patch: 8,
    decoder: { width: 8, depth: 1, heads: 1 },
  },
  mask: decoder
    ? { kind: 'tube' as const, ratio: 0.5, decoder: { kind: 'running-cell' as const, ratio: 0.5 } }
    : { ratio: 0.5 },
  batch: { size: 4, perRun: 2 },
  schedule: { duration: '3 steps', warmup: '1 step' },
  log: { every: '1 step' },
  engine: { name: 'reference' },
})

test.each([false, true])(
  'gives one batch of every step the mean loss of its first clip (dual masking %s)',
  async (dual) => {
    const run = await planPretraining(runConfiguration(input(dual)))
    const data = openPretrainData({
      entries: listVideos([path.join(folder, 'videos')]),
      run,
      done: 0,
      knownBad: [],
      onBadFile: () => {},
    })
    try {
      for (let k = 0; k < 4; k++) {
        const { inputs, meanLoss, release } = await data.next()
        const [frames, masked, weight] = [inputs.frames as Uint8Array, inputs.masked as Int32Array, inputs.weight]
        const clip = frames.slice(0, frames.length / 2)
        const counted = masked.subarray(0, masked.length / 2).filter((_, m) => weight === undefined || weight[m] !== 0)
        if (k % 2 === 0) expect(meanLoss).toBe(meanPredictionLoss(run.model, clip, counted))
        else expect(meanLoss).toBeUndefined()
        release?.()
      }
    } finally {
      await data.loader.close()
    }
  },
  120_000,
)

test('writes it next to the loss, and says so where a run is still there', async () => {
  const result = await pretrain(input(false), { out: path.join(folder, 'run') })
  const lines = (await readFile(path.join(result.run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n')
  const values = lines.map((line) => (JSON.parse(line) as { meanLoss: number }).meanLoss)
  expect(values).toHaveLength(3)
  for (const value of values) expect(value > 0 && value < 1).toBe(true)
  expect(result.meanLoss).toBeCloseTo(values.reduce((a, b) => a + b) / 3, 12)
  // Three steps teach nothing.
  expect(result.warnings).toEqual([expect.stringContaining('predicting the mean')])
}, 120_000)

test('warns of a loss within 2 % of predicting the mean, or above', () => {
  expect(lossWarnings({ loss: 0.979, meanLoss: 1 })).toEqual([])
  expect(lossWarnings({ loss: 0.981, meanLoss: 1 })[0]).toContain('is less than 2 % below the loss')
  expect(lossWarnings({ loss: 1.4, meanLoss: 1 })[0]).toContain('is not below the loss')
  expect(lossWarnings({ loss: 1.4, meanLoss: null })).toEqual([])
  expect(lossWarnings({ loss: null, meanLoss: 1 })).toEqual([])
})

test.each(['first', 'second', 'ema'] as const)(
  'does not continue from a checkpoint with a NaN among its %s moments, and names it',
  async (kind) => {
    const out = path.join(folder, `not-finite-${kind}`)
    const finished = { ...input(false), optimizer: { ema: 0.9 }, log: { every: '1 step', tensorboard: false } }
    const { checkpoint } = await pretrain(finished, { out })
    const file = path.join(checkpoint, 'optimizer.safetensors')
    const read = await readSafetensors(file)
    const tensors = new Map<string, SafetensorsTensor>()
    const nameOf = { first: stateNames.firstMoment, second: stateNames.secondMoment, ema: stateNames.ema }[kind]
    const poisoned = nameOf('decoder.head.bias')
    for (const name of read.names) {
      const data = await read.readFloat32(name)
      if (name === poisoned) data[3] = Number.NaN
      tensors.set(name, { shape: read.info(name).shape, data })
    }
    await read.close()
    expect([...tensors.keys()]).toContain(poisoned)
    await writeSafetensors(file, tensors)
    // Written like that by the run itself, as far as the digests can tell.
    const stateFile = path.join(checkpoint, 'trainer-state.json')
    const { digest: _, ...state } = JSON.parse(await readFile(stateFile, 'utf8'))
    state.digests['optimizer.safetensors'] = await fileDigest(file)
    await writeFile(stateFile, JSON.stringify(state))
    await expect(pretrain(finished, { out, resume: true })).rejects.toMatchObject({
      code: 'WEIGHTS_NOT_FINITE',
      exit: 'data',
      message: expect.stringMatching(new RegExp(`tensor ${poisoned} of .*optimizer\\.safetensors`)),
    })
  },
)
