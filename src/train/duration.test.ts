import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { durationSchema, durationSteps, formatDuration, parseDuration } from './duration.ts'

const rate = { clipsPerStep: 32, stepsPerEpoch: 7.5 }

describe('durations', () => {
  test.each([
    ['800 epochs', { unit: 'epochs', amount: 800 }],
    ['20_000 clips', { unit: 'clips', amount: 20_000 }],
    ['1 step', { unit: 'steps', amount: 1 }],
    ['  2.5 epochs ', { unit: 'epochs', amount: 2.5 }],
    ['1e5clips', { unit: 'clips', amount: 100_000 }],
  ])('reads %s', (text, expected) => {
    expect(parseDuration(text)).toEqual(expected)
    expect(durationSchema.parse(text)).toEqual(expected)
  })

  test.each(['800', 'epochs', '-1 epochs', '5 days', ''])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(/800 epochs/)
    expect(durationSchema.safeParse(text).success).toBe(false)
  })

  test('reads the object form, one unit only', () => {
    expect(durationSchema.parse({ clips: 64 })).toEqual({ unit: 'clips', amount: 64 })
    expect(durationSchema.safeParse({ clips: 64, steps: 2 }).success).toBe(false)
    expect(durationSchema.safeParse({}).success).toBe(false)
  })

  test('turns every unit into steps, rounding down, but never a positive duration into none', () => {
    expect(durationSteps({ unit: 'steps', amount: 12 }, rate)).toBe(12)
    expect(durationSteps({ unit: 'clips', amount: 100 }, rate)).toBe(3)
    expect(durationSteps({ unit: 'clips', amount: 1 }, rate)).toBe(1)
    expect(durationSteps({ unit: 'epochs', amount: 3 }, rate)).toBe(22)
    expect(durationSteps({ unit: 'epochs', amount: 0 }, rate)).toBe(0)
    expect(durationSteps({ unit: 'epochs', amount: 3 }, { clipsPerStep: 1, stepsPerEpoch: 1 / 3 })).toBe(1)
  })

  test('says that epochs need the number of videos', () => {
    expect(() => durationSteps({ unit: 'epochs', amount: 3 }, { clipsPerStep: 1, stepsPerEpoch: null })).toThrow(
      expect.objectContaining({ code: 'DURATION_UNKNOWN' }),
    )
  })

  test('survives writing and reading', () => {
    fc.assert(
      fc.property(fc.constantFrom('steps', 'epochs', 'clips'), fc.integer({ min: 0, max: 1e6 }), (unit, amount) => {
        expect(parseDuration(formatDuration({ unit, amount } as never))).toEqual({ unit, amount })
      }),
      { seed: 7 },
    )
  })
})
