import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parameterCount, parameterShapes } from '../model/parameters.ts'
import { runJsonSchema } from './configuration.ts'
import { loadRunConfiguration } from './configuration-file.ts'
import { recipeFile, recipeFolder, recipeNames } from './recipes.ts'
import { type ResolvedRun, resolveRun } from './resolve.ts'

async function resolved(name: string, videos: number): Promise<ResolvedRun> {
  return resolveRun(await loadRunConfiguration({ file: recipeFile(name) }), { videos })
}

/** Oracle: the published scripts and the paper. Epochs count clips shown per video. */
const published = [
  {
    name: 'k400-s',
    videos: 240_436,
    epochs: 1600,
    batch: 1024,
    rate: 6e-4,
    stride: 4,
    ratio: 0.9,
    width: 384,
    decoderDepth: 4,
    millions: 24.03,
  },
  {
    name: 'k400-b',
    videos: 240_436,
    epochs: 800,
    batch: 2048,
    rate: 1.2e-3,
    stride: 4,
    ratio: 0.9,
    width: 768,
    decoderDepth: 4,
    millions: 94.21,
  },
  {
    name: 'k400-l',
    videos: 240_436,
    epochs: 1600,
    batch: 512,
    rate: 3e-4,
    stride: 4,
    ratio: 0.9,
    width: 1024,
    decoderDepth: 12,
    millions: 343,
  },
  {
    name: 'k400-h',
    videos: 240_436,
    epochs: 1600,
    batch: 1024,
    rate: 6e-4,
    stride: 4,
    ratio: 0.9,
    width: 1280,
    decoderDepth: 12,
    millions: 692.5,
  },
  {
    name: 'ssv2-s',
    videos: 168_913,
    epochs: 2400,
    batch: 1024,
    rate: 6e-4,
    stride: 2,
    ratio: 0.9,
    width: 384,
    decoderDepth: 4,
    millions: 24.03,
  },
  {
    name: 'ssv2-b',
    videos: 168_913,
    epochs: 2400,
    batch: 2048,
    rate: 1.2e-3,
    stride: 2,
    ratio: 0.9,
    width: 768,
    decoderDepth: 4,
    millions: 94.21,
  },
  {
    name: 'ucf101-b',
    videos: 9537,
    epochs: 3200,
    batch: 192,
    rate: 2.25e-4,
    stride: 4,
    ratio: 0.75,
    width: 768,
    decoderDepth: 4,
    millions: 94.21,
  },
  {
    name: 'hmdb51-b',
    videos: 3570,
    epochs: 4800,
    batch: 192,
    rate: 2.25e-4,
    stride: 2,
    ratio: 0.75,
    width: 768,
    decoderDepth: 4,
    millions: 94.21,
  },
]

describe('recipes of the paper', () => {
  test.each(published)('$name has the published values', async (expected) => {
    const run = await resolved(expected.name, expected.videos)
    const { configuration, model } = run
    const { optimizer, data, batch } = configuration
    expect(batch.size).toBe(expected.batch)
    expect(run.learningRate).toBeCloseTo(expected.rate, 12)
    expect(run.minimumLearningRate).toBeCloseTo((1e-5 * expected.batch) / 256, 12)
    expect([optimizer.weightDecay, optimizer.betas, optimizer.clipNorm]).toEqual([0.05, [0.9, 0.95], null])
    expect([configuration.clip.stride, configuration.clip.crop, configuration.clip.flip]).toEqual([
      expected.stride,
      'multi-scale',
      false,
    ])
    expect([configuration.mask.kind, configuration.mask.ratio]).toEqual(['tube', expected.ratio])
    expect(run.visible).toBe(expected.ratio === 0.9 ? 160 : 392)
    expect([model.frames, model.imageSize, model.encoder.width, model.decoder.depth]).toEqual([
      16,
      [224, 224],
      expected.width,
      expected.decoderDepth,
    ])
    expect(parameterCount(parameterShapes(model, 'pretrain')) / 1e6).toBeCloseTo(expected.millions, 1)
    // Passes over the videos times samples of each: the clips that the published epochs show.
    const { duration, warmup } = configuration.schedule
    expect(duration).toEqual({ unit: 'epochs', amount: expected.epochs / data.samplesPerClip })
    expect(warmup).toEqual({ unit: 'epochs', amount: 40 / data.samplesPerClip })
    const clips = expected.epochs * expected.videos
    expect(run.steps! * batch.size).toBeGreaterThan(clips * 0.995)
    expect(run.steps! * batch.size).toBeLessThanOrEqual(clips)
  })
})

describe('every recipe', () => {
  test.each(recipeNames())('%s loads, resolves and says what it is', async (name) => {
    const run = await resolved(name, 1000)
    expect(run.steps).toBeGreaterThan(0)
    expect(run.configuration.data.samplesPerClip).toBeGreaterThan(1)
    const text = readFileSync(recipeFile(name), 'utf8')
    for (const field of ['Command', 'Hardware', 'Duration', 'Score'])
      expect(text).toMatch(new RegExp(`^# ${field}: `, 'm'))
    expect(text).toContain(`videomae ${name === 'demo' ? 'demo' : 'pretrain'}`)
    expect(text).toContain('# yaml-language-server: $schema=./schema.json')
  })

  test('is found by name, and a typing error is recognized', () => {
    expect(recipeNames()).toEqual(
      expect.arrayContaining(['demo', 'laptop-pretrain', ...published.map(({ name }) => name)]),
    )
    expect(() => recipeFile('k400-bb')).toThrow(expect.objectContaining({ hint: expect.stringContaining('k400-b') }))
    expect(recipeFile(path.join(recipeFolder(), 'demo.yaml'))).toMatch(/demo\.yaml$/)
  })
})

describe('models/schema.json', () => {
  test('is current; if not, run `npx tsx scripts/config-schema.ts`', () => {
    const written: unknown = JSON.parse(readFileSync(path.join(recipeFolder(), 'schema.json'), 'utf8'))
    expect(written).toEqual(JSON.parse(JSON.stringify(runJsonSchema())))
  })
})
