import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  finetuneConfiguration,
  finetuneJsonSchema,
  loadFinetuneConfiguration,
} from '../../src/finetune/configuration.ts'
import { parseOverride } from '../../src/train/configuration-file.ts'
import { recipeFile, recipeFolder, recipeNames } from '../../src/train/recipes.ts'
import { resolveLength } from '../../src/train/resolve.ts'

const load = (name: string) => loadFinetuneConfiguration({ file: recipeFile(name, 'finetune') })

/** Oracle: the published scripts and the paper. */
const published = [
  { name: 'finetune-k400-b', learningRate: 7.5e-4, epochs: 75, layerDecay: 0.75, dropPath: 0.1, dropout: 0, clips: 5 },
  { name: 'finetune-ssv2-b', learningRate: 7.5e-4, epochs: 30, layerDecay: 0.75, dropPath: 0.1, dropout: 0, clips: 2 },
  {
    name: 'finetune-ucf101-b',
    learningRate: 2.5e-4,
    epochs: 100,
    layerDecay: 0.7,
    dropPath: 0.2,
    dropout: 0.5,
    clips: 5,
  },
  {
    name: 'finetune-hmdb51-b',
    learningRate: 5e-4,
    epochs: 50,
    layerDecay: 0.7,
    dropPath: 0.2,
    dropout: 0.5,
    clips: 10,
  },
]

describe('recipes of fine-tuning', () => {
  test.each(published)('$name has the published values', async ({ name, learningRate, epochs, ...rest }) => {
    const configuration = await load(name)
    const { regularization, evaluation, data, schedule, augment } = configuration
    const length = resolveLength(configuration, data.samplesPerClip, 10_000)
    expect(length.learningRate).toBeCloseTo(learningRate, 9)
    expect(schedule.duration).toEqual({ unit: 'epochs', amount: epochs })
    const { layerDecay, dropPath, dropout } = regularization
    expect({ layerDecay, dropPath, dropout, clips: evaluation.clips }).toEqual(rest)
    expect(evaluation.crops).toBe(3)
    expect(data.samplesPerClip).toBe(2)
    expect(augment).toMatchObject({ mixup: 0.8, cutmix: 1, smoothing: 0.1, erasing: 0.25 })
    expect(augment.flip).toBe(name !== 'finetune-ssv2-b')
  })

  test.each(recipeNames('finetune'))('%s loads and says what it is', async (name) => {
    await load(name)
    const text = readFileSync(recipeFile(name, 'finetune'), 'utf8')
    for (const field of ['Command', 'Data', 'Hardware', 'Duration', 'Score']) {
      expect(text).toMatch(new RegExp(`^# ${field}: `, 'm'))
    }
    expect(text).toContain(`--recipe ${name}`)
    expect(text).toContain('# yaml-language-server: $schema=./finetune-schema.json')
  })

  test('are told apart from those of pretraining', () => {
    expect(recipeNames()).not.toContain('finetune-laptop')
    expect(recipeNames('finetune')).toContain('finetune-laptop')
    expect(() => recipeFile('k400-b', 'finetune')).toThrow(expect.objectContaining({ code: 'RECIPE_UNKNOWN' }))
  })

  test('names unknown keys with the nearest one there is', async () => {
    const overrides = [parseOverride('augment.mixupp=1')]
    await expect(loadFinetuneConfiguration({ overrides })).rejects.toThrow(/did you mean "mixup"/)
  })
})

describe('models/finetune-schema.json', () => {
  test('is current; if not, run `npx tsx scripts/config-schema.ts`', () => {
    const written: unknown = JSON.parse(readFileSync(path.join(recipeFolder(), 'finetune-schema.json'), 'utf8'))
    expect(written).toEqual(JSON.parse(JSON.stringify(finetuneJsonSchema())))
  })

  test('name the nearest key for one that does not exist, also where a program wrote it', () => {
    const wrong = { probe: { epoch: 3 } } as Parameters<typeof finetuneConfiguration>[0]
    expect(() => finetuneConfiguration(wrong)).toThrow(
      expect.objectContaining({
        code: 'CONFIGURATION_INVALID',
        message: expect.stringContaining('did you mean "epochs"'),
      }),
    )
  })
})
