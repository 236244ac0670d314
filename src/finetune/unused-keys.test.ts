import { expect, test } from 'vitest'
import { recipeFile } from '../train/recipes.ts'
import { type FinetuneInput, finetuneConfiguration, finetuneModes, loadFinetuneConfiguration } from './configuration.ts'
import { unusedFinetuneNote } from './unused-keys.ts'

const noteOf = (input: FinetuneInput) => unusedFinetuneNote(finetuneConfiguration(input))

test('defaults, and values of the own mode, need no note', () => {
  for (const mode of finetuneModes) expect(noteOf({ mode, data: { shots: 5 }, evaluation: { clips: 2 } })).toBeNull()
  expect(noteOf({ mode: 'full', augment: { flip: true }, schedule: { duration: '3 epochs' } })).toBeNull()
  expect(noteOf({ mode: 'linear', probe: { epochs: 3, weightDecay: 0.1 } })).toBeNull()
  expect(noteOf({ mode: 'attentive', probe: { heads: 2 } })).toBeNull()
  expect(noteOf({ mode: 'ridge', probe: { clips: 2 } })).toBeNull()
  for (const mode of ['linear', 'ridge'] as const) expect(noteOf({ mode, probe: { readout: 'motion' } })).toBeNull()
})

test('values of another mode are named', () => {
  expect(noteOf({ mode: 'full', probe: { clips: 2 } })).toMatch(/: probe\.clips \(mode full does not use it\)$/)
  expect(noteOf({ mode: 'ridge', probe: { epochs: 3 }, augment: { mixup: null } })).toMatch(
    /: augment\.mixup, probe\.epochs \(mode ridge/,
  )
  expect(noteOf({ mode: 'linear', schedule: { duration: '3 epochs' } })).toMatch(/: schedule\.duration \(/)
  for (const mode of ['full', 'attentive'] as const)
    expect(noteOf({ mode, probe: { readout: 'motion' } })).toContain(`: probe.readout (mode ${mode} does not use it)`)
  expect(noteOf({ mode: 'full', model: { decoder: { depth: 1 } } })).toMatch(/model\.decoder\.depth \(only pretraining/)
})

test('a recipe for several modes names what the chosen one leaves', async () => {
  const load = (mode: string) =>
    loadFinetuneConfiguration({
      file: recipeFile('finetune-laptop', 'finetune'),
      overrides: [{ path: ['mode'], value: mode, origin: '--mode' }],
    })
  expect(unusedFinetuneNote(await load('ridge'))).toMatch(/augment\.area, .*optimizer\.ema.*\(mode ridge/)
  expect(unusedFinetuneNote(await load('full'))).toMatch(/: probe\.clips \(mode full/)
})

test('options that the engine does not use, and a share of batches where none is mixed, are named', () => {
  const engine = { name: 'reference', threads: 2 }
  expect(noteOf({ mode: 'ridge', engine })).toContain('engine.threads (the engine reference does not use it)')
  expect(noteOf({ mode: 'ridge', engine: { ...engine, name: 'native' } })).toBeNull()
  const unmixed = { mixup: null, cutmix: null, mixProbability: 0.5 }
  expect(noteOf({ mode: 'full', augment: unmixed })).toContain('augment.mixProbability')
  expect(noteOf({ mode: 'full', augment: { ...unmixed, mixup: 1 } })).toBeNull()
})
