import { describe, expect, test } from 'vitest'
import { estimateMemory } from '../engine/memory-estimate.ts'
import { loadRunConfiguration, parseOverride } from './configuration-file.ts'
import { memoryNeed, requireMemory, trainingAdvice } from './memory-need.ts'
import { buildPretraining } from './pretrain-session.ts'
import { recipeFile } from './recipes.ts'
import { resolveRun } from './resolve.ts'
import { smallerRuns } from './run-start.ts'

async function programs(recipe: string, ...sets: string[]) {
  const run = resolveRun(await loadRunConfiguration({ file: recipeFile(recipe), overrides: sets.map(parseOverride) }))
  return { run, training: buildPretraining(run) }
}

describe('estimateMemory', () => {
  // Growth of the resident memory over two steps, Linux, onnxruntime-node 1.30; the library itself takes 50 MB of it.
  test.each([
    ['laptop-pretrain', [], 221e6],
    ['laptop-pretrain', ['batch.size=128', 'batch.perRun=128'], 682e6],
    ['k400-s', ['batch.size=4', 'batch.perRun=4'], 1899e6],
  ])('is within 25 %% of what the onnx engine took: %s %j', async (recipe, sets, measured) => {
    const { training } = await programs(recipe, ...sets)
    const { state, gradients, workspace } = estimateMemory('onnx', training.programs)
    const ratio = (state + gradients + workspace + 50e6) / measured
    expect(ratio).toBeGreaterThan(0.75)
    expect(ratio).toBeLessThan(1.25)
  })
})

/** Sizes of the model that was measured, over those of its recipe. */
const measuredSizes = [
  ...['model.width=128', 'model.heads=4', 'model.resolution=48', 'model.decoder.heads=4', 'mask.kind=tube'],
  ...['mask.ratio=0.75', 'clip.stride=1', 'batch.size=16', 'batch.perRun=16'],
]

describe('estimateMemory of other engines', () => {
  // Peaks of the training process over two steps with a checkpoint, Linux: scripts/bench/memory-estimate.ts.
  test.each([
    ['demo', measuredSizes, 'native', 'float32', 211e6],
    ['k400-s', ['batch.size=2', 'batch.perRun=2', 'data.samplesPerClip=1'], 'native', 'float32', 1.3e9],
    ['k400-b', ['batch.size=1', 'batch.perRun=1', 'data.samplesPerClip=1'], 'native', 'float32', 3.5e9],
    ['demo', measuredSizes, 'native', 'bfloat16', 183e6],
    ['k400-b', ['batch.size=1', 'batch.perRun=1', 'data.samplesPerClip=1'], 'native', 'bfloat16', 3.5e9],
    ['demo', measuredSizes, 'onnx', 'float32', 276e6],
    ['k400-s', ['batch.size=2', 'batch.perRun=2', 'data.samplesPerClip=1'], 'onnx', 'float32', 1.7e9],
    [
      'demo',
      [...measuredSizes, 'batch.size=1', 'batch.perRun=1', 'data.samplesPerClip=1'],
      'reference',
      'float32',
      177e6,
    ],
  ] as const)(
    'is at most a tenth below and a quarter above: %s %j, %s in %s',
    async (recipe, sets, engine, precision, measured) => {
      const { training } = await programs(recipe, ...sets)
      const ratio = memoryNeed({ engine, options: { precision }, training, workers: 0 }).total / measured
      expect(ratio).toBeGreaterThan(0.9)
      expect(ratio).toBeLessThan(1.25)
    },
  )
})

describe('requireMemory', () => {
  test('refuses k400-b on a machine with 20 GB and names a run that fits', async () => {
    const { run, training } = await programs('k400-b')
    const question = { engine: 'onnx', workers: 2, available: 20e9 }
    const need = memoryNeed({ ...question, training })
    const smaller = () =>
      smallerRuns(run.clipsPerRun, 2048, 4).map((perRun) => ({
        perRun,
        need: memoryNeed({ ...question, training: buildPretraining(run, perRun) }),
      }))
    let refusal: unknown
    try {
      requireMemory(need, () => trainingAdvice(need.available, smaller()))
    } catch (error) {
      refusal = error
    }
    expect(refusal).toMatchObject({
      code: 'OUT_OF_MEMORY',
      exit: 'environment',
      message: expect.stringMatching(/available memory \(20\.0 GB\), but it needs about 2\d\.\d GB \(/),
      hint: expect.stringMatching(/^Set batch\.perRun=16 \(1\d\.\d GB; .*--force/),
    })
    requireMemory({ ...need, available: need.total }, () => expect.unreachable())
    expect(() => requireMemory({ ...need, available: 1e9 }, () => '')).toThrow(/the available memory \(1\.0 GB\)/)
    expect(trainingAdvice(1e9, [])).toMatch(/^No number of clips fits/)
  })
})

test('smallerRuns divide the batch and hold whole videos', () => {
  expect(smallerRuns(32, 2048, 4)).toEqual([16, 8, 4])
  expect(smallerRuns(6, 12, 1)).toEqual([4, 3, 2, 1])
})
