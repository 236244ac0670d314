import { describe, expect, test } from 'vitest'
import { resolveConfiguration, tokenGrid, tokensPerClip, valuesPerPatch } from './configuration.ts'
import { parameterCount, parameterShapes } from './parameters.ts'
import { presetConfiguration, presetHeads } from './presets.ts'

describe('presets', () => {
  // Published totals in millions: pretraining, encoder, fine-tuning with 400 classes.
  test.each([
    ['small', 1, 24.03, 21.88, 22.03],
    ['base', 1, 94.21, 86.23, 86.53],
    ['large', 1, 343.0, 303.86, 304.27],
    ['huge', 1, 692.5, 631.61, 632.12],
    ['huge', 2, 645.7, 631.61, 632.12],
    ['giant', 2, 1025.5, 1011.6, 1012.2],
  ] as const)('%s of version %i has %f / %f / %f million parameters', (name, version, pretrain, encoder, classify) => {
    const configuration = presetConfiguration(name, { version })
    const millions = (kind: 'pretrain' | 'encoder' | 'classify') =>
      parameterCount(parameterShapes(configuration, kind, 400)) / 1e6
    expect(Math.abs(millions('pretrain') - pretrain)).toBeLessThan(0.05)
    expect(Math.abs(millions('encoder') - encoder)).toBeLessThan(0.06)
    expect(Math.abs(millions('classify') - classify)).toBeLessThan(0.06)
  })

  test('has the token grids of the papers', () => {
    const base = presetConfiguration('base')
    expect(tokenGrid(base)).toEqual({ t: 8, h: 14, w: 14 })
    expect(tokensPerClip(base)).toBe(1568)
    expect(valuesPerPatch(base)).toBe(1536)
    expect(tokensPerClip(presetConfiguration('giant', { version: 2 }))).toBe(2048)
  })

  test('takes overrides and keeps the rest', () => {
    const c = presetConfiguration('tiny', { imageSize: [112, 96], frames: 8 })
    expect(tokenGrid(c)).toEqual({ t: 4, h: 7, w: 6 })
    expect(c.encoder).toEqual({ width: 192, depth: 12, heads: 3, mlpWidth: 768 })
    expect(c.decoder.width).toBe(96)
  })

  test('knows the heads of a preset by its width', () => {
    expect(presetHeads('encoder', 384)).toBe(6)
    expect(presetHeads('encoder', 1280)).toBe(16)
    expect(presetHeads('decoder', 640)).toBe(8)
    expect(presetHeads('encoder', 100)).toBeNull()
  })
})

describe('resolveConfiguration', () => {
  const encoder = { width: 64, depth: 2, heads: 4 }

  test('derives a decoder that fits', () => {
    expect(resolveConfiguration({ encoder }).decoder).toEqual({ width: 32, depth: 4, heads: 2, mlpWidth: 128 })
    expect(resolveConfiguration({ encoder: { width: 96, depth: 1, heads: 3 } }).decoder.heads).toBe(3)
  })

  test('takes an MLP width or a ratio', () => {
    expect(resolveConfiguration({ encoder: { ...encoder, mlpRatio: 2.5 } }).encoder.mlpWidth).toBe(160)
    expect(resolveConfiguration({ encoder: { ...encoder, mlpWidth: 100 } }).encoder.mlpWidth).toBe(100)
  })

  test.each([
    ['heads', { encoder: { width: 64, depth: 2, heads: 5 } }, /encoder\.heads.*5/],
    ['depth', { encoder: { ...encoder, depth: 0 } }, /encoder\.depth.*0/],
    ['odd width', { encoder: { width: 63, depth: 1, heads: 1 } }, /encoder\.width.*63/],
    ['height', { encoder, imageSize: [100, 96] as const }, /height.*100/],
    ['frames', { encoder, frames: 15 }, /frames.*15/],
    ['patch', { encoder, patch: 0 }, /patch.*0/],
    ['two MLP sizes', { encoder: { ...encoder, mlpRatio: 4, mlpWidth: 8 } }, /mlpRatio/],
    ['mean', { encoder, mean: [0.5] }, /mean.*\[0\.5\]/],
    ['std', { encoder, std: [0.5, 0, 0.5] }, /std/],
    ['a std that overflows', { encoder, std: [0.5, 1e-30, 0.5] }, /numbers from 0\.0001 to 10000.*std/],
    ['a mean that hides pixels', { encoder, mean: [0.5, 1e30, 0.5] }, /numbers from -10000 to 10000.*mean/],
    ['epsilon', { encoder, layerNormEpsilon: 0 }, /layerNormEpsilon/],
    ['position grid', { encoder, positionGrid: { t: 0, h: 1, w: 1 } }, /positionGrid\.t/],
    ['one-pixel patches', { encoder, patch: 1, tubelet: 1, imageSize: 4 }, /several pixels/],
  ])('names the field that does not fit: %s', (_name, options, message) => {
    expect(() => resolveConfiguration(options)).toThrow(message)
    expect(() => resolveConfiguration(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})
