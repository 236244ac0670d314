import { describe, expect, test } from 'vitest'
import { presetConfiguration } from '../model/presets.ts'
import { loadRunConfiguration, parseOverride } from './configuration-file.ts'
import { formatRun, plainRun, type ResolvedRun, type ResolveFacts, resolveRun } from './resolve.ts'

async function resolved(overrides: readonly string[], facts: ResolveFacts = {}): Promise<ResolvedRun> {
  return resolveRun(await loadRunConfiguration({ overrides: overrides.map(parseOverride) }), facts)
}

describe('a resolved run', () => {
  test('has the numbers of the K400 ViT-B run', async () => {
    const run = await resolved(
      [
        'model.preset=base',
        'data.samplesPerClip=1',
        'batch.size=2048',
        'schedule.duration=800 epochs',
        'schedule.warmup=40 epochs',
      ],
      { videos: 240_436 },
    )
    expect(run.learningRate).toBeCloseTo(1.2e-3, 15)
    expect(run.minimumLearningRate).toBeCloseTo(8e-5, 15)
    expect([run.visible, run.predicted]).toEqual([160, 1408])
    expect(run.steps).toBe(Math.floor((800 * Math.floor(240_436 / 8)) / 256))
    expect(run.clipsPerRun * run.runsPerStep).toBe(2048)
  })

  test('counts repeats in an epoch, and in the learning rate only when asked', async () => {
    const sizes = ['batch.size=256', 'schedule.duration=2 epochs', 'schedule.warmup=0 steps']
    const run = await resolved([...sizes, 'data.samplesPerClip=4'], { videos: 640 })
    expect(run.steps).toBe(20)
    expect(run.learningRate).toBeCloseTo(1.5e-4 / 4, 15)
    expect((await resolved([...sizes, 'optimizer.countRepeats=true'])).learningRate).toBeCloseTo(1.5e-4, 15)
  })

  test('leaves steps open while the data is not known', async () => {
    const run = await resolved(['checkpoint.every=7 steps'])
    expect([run.steps, run.warmupSteps, run.checkpointSteps]).toEqual([null, null, 7])
    expect(formatRun(run)).toContain('duration: 100 epochs')
  })

  test('prints a configuration that reads back as the same run', async () => {
    const run = await resolved(['model.preset=tiny', 'mask.decoder={ratio: 0.5}'], { videos: 100 })
    const { derived, ...rest } = plainRun(run)
    const again = resolveRun(await loadRunConfiguration({ text: JSON.stringify(rest) }), { videos: 100 })
    expect(again).toEqual(run)
    expect(derived).toMatchObject({ parameters: expect.any(Number), videos: 100 })
  })

  test('refuses what does not fit', async () => {
    await expect(resolved(['batch.size=10', 'batch.perRun=4'])).rejects.toThrow(/batch\.perRun/)
    await expect(resolved(['batch.size=12', 'batch.perRun=6'])).rejects.toThrow(/batch\.perRun/)
    await expect(resolved(['batch.size=6'])).rejects.toThrow(/batch\.perRun/)
    await expect(resolved(['schedule.duration=200 steps', 'schedule.warmup=500 steps'])).rejects.toMatchObject({
      message: expect.stringMatching(/schedule\.warmup/),
      hint: expect.stringContaining('--set schedule.warmup="20 steps"'),
    })
    await expect(resolved(['model.resolution=100'])).rejects.toThrow(/multiple of the patch size/)
    await expect(resolved(['mask.decoder={}', 'model.resolution=112'])).rejects.toThrow(/even/)
  })
})

describe('the model section', () => {
  test('takes a preset as it is', async () => {
    const { model } = await resolved(['model.preset=large'])
    expect(model).toEqual(presetConfiguration('large'))
  })

  test('keeps the width of a head and halves the decoder when the width changes', async () => {
    const { model } = await resolved(['model.preset=small', 'model.width=192', 'model.depth=6'])
    expect(model.encoder).toEqual({ width: 192, depth: 6, heads: 3, mlpWidth: 768 })
    expect(model.decoder).toMatchObject({ width: 96, depth: 4 })
    const own = await resolved(['model.width=192', 'model.decoder={width: 128, heads: 4, depth: 2}'])
    expect(own.model.decoder).toEqual({ width: 128, depth: 2, heads: 4, mlpWidth: 512 })
  })

  test('continues from a checkpoint with its sizes and interpolates positions for another grid', async () => {
    const source = presetConfiguration('tiny', { imageSize: 112, layerNormEpsilon: 1e-12 })
    const same = await resolved(['model.from=somewhere'], { source })
    expect(same.model).toEqual(source)
    const larger = await resolved(['model.from=somewhere', 'model.resolution=224'], { source })
    expect(larger.model).toMatchObject({
      imageSize: [224, 224],
      layerNormEpsilon: 1e-12,
      positionGrid: { t: 8, h: 7, w: 7 },
    })
    await expect(resolved(['model.from=somewhere', 'model.depth=3'], { source })).rejects.toThrow(/model\.depth/)
  })
})
