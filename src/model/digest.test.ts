import { expect, test } from 'vitest'
import { type ModelConfiguration, resolveConfiguration } from './configuration.ts'
import { encoderDigest, stateDigest } from './digest.ts'
import { initialize } from './initialize.ts'
import { parameterShapes } from './parameters.ts'

const configuration = resolveConfiguration({
  imageSize: 16,
  frames: 4,
  patch: 8,
  encoder: { width: 24, depth: 1, heads: 3 },
})
const state = initialize(parameterShapes(configuration, 'encoder'), 1)
const digest = (changes: Partial<ModelConfiguration> = {}, kind: 'encoder' | 'classify' = 'encoder') =>
  encoderDigest({ ...configuration, ...changes }, kind, state)

test('an encoder is its weights and what is made of them', () => {
  const all = [
    digest(),
    digest({ encoder: { ...configuration.encoder, heads: 1 } }),
    digest({ layerNormEpsilon: 1e-3 }),
    digest({ headNormEpsilon: 1e-3 }),
    digest({ positions: 'factored' }),
    digest({ positionGrid: { t: 1, h: 2, w: 2 } }),
    digest({ mean: [0.5, 0.5, 0.5] }),
    digest({ encoderNorm: false }),
    digest({}, 'classify'),
    encoderDigest(configuration, 'encoder', initialize(parameterShapes(configuration, 'encoder'), 2)),
    stateDigest(state),
  ]
  expect(new Set(all).size).toBe(all.length)
})

test('the decoder and the targets of pretraining are no part of it', () => {
  expect(digest({ decoder: { width: 8, depth: 2, heads: 1, mlpWidth: 32 }, normalizeTargets: false })).toBe(digest())
  expect(encoderDigest({ ...configuration }, 'encoder', new Map([...state].reverse()))).toBe(digest())
})
