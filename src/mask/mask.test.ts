import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { VideoMaeError } from '../core/errors.ts'
import { RandomStream } from '../core/random.ts'
import { type TokenGrid, tokenCount } from './grid.ts'
import {
  booleanMask,
  createDecoderMask,
  createMask,
  decodedCount,
  type MaskKind,
  maskCounts,
  maskKinds,
  splitMask,
} from './mask.ts'
import { runningCellMask } from './running-cell.ts'

const base: TokenGrid = { t: 8, h: 14, w: 14 }
const seed = 20261122
const grids = fc.record({
  t: fc.integer({ min: 2, max: 9 }),
  h: fc.integer({ min: 2, max: 9 }),
  w: fc.integer({ min: 2, max: 9 }),
})
const ratios = fc.double({ min: 0.5, max: 0.98, noNaN: true })
const kinds = fc.constantFrom(...maskKinds)

function errorOf(action: () => unknown): VideoMaeError {
  try {
    action()
  } catch (error) {
    if (error instanceof VideoMaeError) return error
    throw error
  }
  throw new Error('expected an error')
}

describe('counts', () => {
  // Table of VideoMAE's generator: trunc(ratio * positions of a frame), 8 token-frames.
  test.each([
    [0.5, 784, 1024],
    [0.75, 392, 512],
    [0.9, 160, 208],
    [0.95, 80, 104],
  ])('tube at %f leaves %i of 1568 and %i of 2048 tokens', (ratio, small, giant) => {
    expect(maskCounts('tube', base, ratio).visible).toBe(small)
    expect(maskCounts('tube', { t: 8, h: 16, w: 16 }, ratio).visible).toBe(giant)
  })

  test('rounds random masks over the clip and frame masks over frames', () => {
    expect(maskCounts('random', base, 0.9)).toEqual({ visible: 157, masked: 1411 })
    expect(maskCounts('frame', base, 0.875)).toEqual({ visible: 196, masked: 7 * 196 })
    expect(maskCounts('frame', base, 0.9)).toEqual({ visible: 196, masked: 7 * 196 })
  })

  test('are those of every mask drawn, which splits the tokens in raster order', () => {
    fc.assert(
      fc.property(kinds, grids, ratios, fc.nat(), (kind, grid, ratio, key) => {
        const counts = maskCounts(kind, grid, ratio)
        const mask = createMask(kind, grid, ratio, new RandomStream(key))
        expect(mask.visible.length).toBe(counts.visible)
        expect(mask.masked.length).toBe(counts.masked)
        expect(counts.visible).toBeGreaterThan(0)
        const all = [...mask.visible, ...mask.masked].sort((a, b) => a - b)
        expect(all).toEqual(Array.from({ length: tokenCount(grid) }, (_, n) => n))
        expect([...mask.visible]).toEqual([...mask.visible].sort((a, b) => a - b))
        expect([...mask.masked]).toEqual([...mask.masked].sort((a, b) => a - b))
        expect(splitMask(booleanMask(mask))).toEqual(mask)
      }),
      { seed, numRuns: 300 },
    )
  })

  test('are one pair per (kind, grid, ratio) over many samples', () => {
    for (const kind of maskKinds) {
      const lengths = new Set<number>()
      for (let sample = 0; sample < 50; sample++) {
        lengths.add(createMask(kind, base, 0.9, new RandomStream(1, 0, sample, 'mask')).visible.length)
      }
      expect(lengths.size).toBe(1)
    }
  })
})

describe('structure', () => {
  test('tube masks the same positions in every token-frame', () => {
    fc.assert(
      fc.property(grids, ratios, fc.nat(), (grid, ratio, key) => {
        const mask = booleanMask(createMask('tube', grid, ratio, new RandomStream(key)))
        const perFrame = grid.h * grid.w
        for (let n = perFrame; n < mask.length; n++) expect(mask[n]).toBe(mask[n - perFrame])
      }),
      { seed, numRuns: 100 },
    )
  })

  test('frame masks whole token-frames', () => {
    fc.assert(
      fc.property(grids, ratios, fc.nat(), (grid, ratio, key) => {
        const mask = booleanMask(createMask('frame', grid, ratio, new RandomStream(key)))
        const perFrame = grid.h * grid.w
        for (let n = 0; n < mask.length; n++) expect(mask[n]).toBe(mask[n - (n % perFrame)])
      }),
      { seed, numRuns: 100 },
    )
  })

  test('random does not repeat a frame', () => {
    const mask = booleanMask(createMask('random', base, 0.5, new RandomStream('differs')))
    expect(mask.slice(0, 196)).not.toEqual(mask.slice(196, 392))
  })

  test('depends on the key of the stream alone', () => {
    for (const kind of maskKinds) {
      const draw = (sample: number) => createMask(kind, base, 0.75, new RandomStream(7, 3, sample, 'mask'))
      expect(draw(5)).toEqual(draw(5))
      const different = new Set(Array.from({ length: 16 }, (_, sample) => draw(sample).visible.join()))
      expect(different.size).toBeGreaterThan(kind === 'frame' ? 5 : 15)
    }
  })
})

describe('uniformity', () => {
  /**
   * Sum over cells of (observed - expected)^2 / expected, divided by the share of a cell that stays open, is chi-square
   * with (cells - 1) degrees of freedom for draws without replacement of a fixed number per mask.
   */
  function chiSquare(hits: Uint32Array, draws: number, share: number): number {
    const expected = draws * share
    let sum = 0
    for (const hit of hits) sum += (hit - expected) ** 2 / (expected * (1 - share))
    return sum * ((hits.length - 1) / hits.length)
  }

  const cases: readonly [MaskKind, TokenGrid, number, number][] = [
    ['tube', { t: 2, h: 5, w: 10 }, 0.9, 100],
    ['random', { t: 2, h: 5, w: 5 }, 0.75, 50],
    ['frame', { t: 8, h: 1, w: 2 }, 0.875, 16],
  ]
  test.each(cases)('%s masks every position equally often', (kind, grid, ratio, tokens) => {
    const draws = 20_000
    const hits = new Uint32Array(tokens)
    for (let sample = 0; sample < draws; sample++) {
      for (const n of createMask(kind, grid, ratio, new RandomStream(11, 0, sample, kind)).masked) hits[n]++
    }
    // One representative per independent unit: tube repeats frames, frame repeats positions.
    const units = kind === 'tube' ? hits.slice(0, 50) : kind === 'frame' ? hits.filter((_, n) => n % 2 === 0) : hits
    const share = maskCounts(kind, grid, ratio).masked / tokens
    const freedom = units.length - 1
    const statistic = chiSquare(units, draws, share)
    // Wilson-Hilferty bounds at four standard normal deviations, both sides: too even is as wrong as too uneven.
    const bound = (z: number) => freedom * (1 - 2 / (9 * freedom) + z * Math.sqrt(2 / (9 * freedom))) ** 3
    expect(statistic).toBeGreaterThan(Math.max(0, bound(-3.5)))
    expect(statistic).toBeLessThan(bound(4))
  })

  test('tube positions are masked independently of their neighbors beyond the fixed count', () => {
    // Pairs: P(both masked) = m(m-1) / (n(n-1)).
    const grid = { t: 1, h: 4, w: 4 }
    const draws = 20_000
    let both = 0
    for (let sample = 0; sample < draws; sample++) {
      const mask = booleanMask(createMask('tube', grid, 0.5, new RandomStream('pair', sample)))
      both += mask[0] & mask[1]
    }
    const p = (8 * 7) / (16 * 15)
    expect(Math.abs(both / draws - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / draws))
  })
})

describe('running cell', () => {
  test('has the frame sequence of VideoMAE V2 for phase 0 and two tokens', () => {
    const mask = runningCellMask({ t: 8, h: 2, w: 2 }, 0.5, 0)
    const frames = Array.from({ length: 8 }, (_, f) => [...mask.slice(f * 4, f * 4 + 4)])
    const cycle = [
      [1, 0, 0, 1],
      [0, 0, 1, 1],
      [0, 1, 1, 0],
      [1, 1, 0, 0],
    ]
    expect(frames).toEqual([...cycle, ...cycle])
  })

  test('tiles the cell over the frame', () => {
    const mask = runningCellMask({ t: 1, h: 4, w: 6 }, 0.5, 0)
    expect([...mask].join('')).toBe(['101010', '010101', '101010', '010101'].join(''))
  })

  test.each([
    [0.25, 1176],
    [0.5, 784],
    [0.6, 784],
    [0.75, 392],
    [0.99, 392],
  ])('at %f decodes %i of 1568 tokens', (ratio, expected) => {
    expect(decodedCount('running-cell', base, ratio)).toBe(expected)
    for (let phase = 0; phase < 4; phase++) {
      const kept = runningCellMask(base, ratio, phase).reduce((sum, bit) => sum + 1 - bit, 0)
      expect(kept).toBe(expected)
    }
  })

  test('covers every position within four frames, and every phase is drawn equally often', () => {
    const phases = new Map<string, number>()
    for (let sample = 0; sample < 4000; sample++) {
      const encoder = createMask('tube', { t: 4, h: 2, w: 2 }, 0.5, new RandomStream(3))
      const stream = new RandomStream(sample, 'decoder')
      const { decoded } = createDecoderMask('running-cell', { t: 4, h: 2, w: 2 }, 0.5, encoder, stream)
      const corners = new Set([...decoded].map((n) => n % 4))
      expect(corners.size).toBe(4)
      phases.set(decoded.join(), (phases.get(decoded.join()) ?? 0) + 1)
    }
    expect(phases.size).toBe(4)
    for (const count of phases.values()) expect(Math.abs(count - 1000)).toBeLessThan(4 * Math.sqrt(750))
  })

  test('weighs only tokens that the encoder did not see', () => {
    fc.assert(
      fc.property(kinds, fc.integer({ min: 1, max: 4 }), ratios, fc.nat(), (kind, half, ratio, key) => {
        const grid = { t: 4, h: 2 * half, w: 4 }
        const encoder = createMask(kind, grid, ratio, new RandomStream(key, 'encoder'))
        const decoder = createDecoderMask('running-cell', grid, 0.5, encoder, new RandomStream(key, 'decoder'))
        expect(decoder.decoded.length).toBe(decodedCount('running-cell', grid, 0.5))
        const hidden = new Set(encoder.masked)
        decoder.decoded.forEach((n, i) => {
          expect(decoder.decodedIsHidden[i]).toBe(hidden.has(n) ? 1 : 0)
          if (i > 0) expect(n).toBeGreaterThan(decoder.decoded[i - 1])
        })
      }),
      { seed, numRuns: 100 },
    )
  })

  test('needs an even grid, a ratio with one to three tokens, and the mask of the same grid', () => {
    const odd = errorOf(() => decodedCount('running-cell', { t: 8, h: 14, w: 7 }, 0.5))
    expect(odd.code).toBe('INVALID_ARGUMENT')
    expect(odd.message).toContain('grid.w')
    expect(odd.message).toContain('7')
    for (const ratio of [0, 0.2, 1, Number.NaN]) {
      expect(errorOf(() => decodedCount('running-cell', base, ratio)).message).toContain('decoder mask ratio')
    }
    const other = createMask('tube', { t: 4, h: 14, w: 14 }, 0.9, new RandomStream(1))
    const error = errorOf(() => createDecoderMask('running-cell', base, 0.5, other, new RandomStream(1)))
    expect(error.message).toContain('784 tokens')
  })
})

describe('arguments', () => {
  test.each([0.49, 0.99, 1, 90, -1, Number.NaN])('rejects ratio %f', (ratio) => {
    const error = errorOf(() => maskCounts('tube', base, ratio))
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.message).toContain('0.5 to 0.98')
    expect(error.exit).toBe('usage')
  })

  test('rejects an unknown kind and a bad grid', () => {
    expect(errorOf(() => maskCounts('cube' as MaskKind, base, 0.9)).message).toContain('tube, random, frame')
    expect(errorOf(() => maskCounts('tube', { t: 0, h: 1, w: 1 }, 0.9)).message).toContain('grid.t')
    expect(errorOf(() => maskCounts('tube', { t: 8, h: 1.5, w: 1 }, 0.9)).message).toContain('grid.h')
  })

  test('says when a grid is too small to hide anything', () => {
    expect(errorOf(() => maskCounts('frame', { t: 1, h: 14, w: 14 }, 0.9)).code).toBe('MASK_EMPTY')
    expect(errorOf(() => maskCounts('tube', { t: 8, h: 1, w: 1 }, 0.98)).code).toBe('MASK_EMPTY')
  })
})
