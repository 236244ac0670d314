import { expect, test } from 'vitest'
import { erf, erfc, normalDensity, normalDistribution } from './special-functions.ts'

/** x, erf(x), erfc(x) from the C library, correctly rounded to about one unit in the last place. */
const table: readonly (readonly [number, number, number])[] = [
  [1e-10, 1.1283791670955126e-10, 0.999999999887162],
  [0.1, 0.1124629160182849, 0.8875370839817152],
  [0.5, 0.5204998778130465, 0.4795001221869535],
  [1, 0.8427007929497149, 0.15729920705028513],
  [1.5, 0.9661051464753108, 0.033894853524689274],
  [1.9999, 0.9953201979070294, 0.004679802092970608],
  [2.0001, 0.9953243313041966, 0.0046756686958033394],
  [2.5, 0.999593047982555, 0.0004069520174449589],
  [3, 0.9999779095030014, 2.2090496998585438e-5],
  [5.5, 0.9999999999999927, 7.357847917974398e-15],
]

test.each(table)('erf and erfc of %f', (x, expected, complement) => {
  expect(Math.abs(erf(x) / expected - 1)).toBeLessThan(5e-16)
  expect(erf(-x)).toBe(-erf(x))
  expect(Math.abs(erfc(x) - complement)).toBeLessThan(3e-16)
  if (x > 2) expect(Math.abs(erfc(x) / complement - 1)).toBeLessThan(2e-15)
  expect(Math.abs(erfc(-x) - (2 - complement))).toBeLessThan(5e-16)
})

test('limits', () => {
  expect([erf(0), erf(Infinity), erf(-Infinity), erfc(Infinity), erfc(-Infinity)]).toEqual([0, 1, -1, 0, 2])
  expect([erf(Number.NaN), erfc(Number.NaN), normalDistribution(Number.NaN)]).toEqual([NaN, NaN, NaN])
  expect([normalDistribution(0), normalDistribution(40), normalDistribution(-40)]).toEqual([0.5, 1, 0])
  expect(normalDensity(0)).toBeCloseTo(0.3989422804014327, 15)
})

test('the density is the slope of the distribution', () => {
  for (let x = -6; x <= 6; x += 0.37) {
    const slope = (normalDistribution(x + 1e-4) - normalDistribution(x - 1e-4)) / 2e-4
    expect(Math.abs(slope - normalDensity(x))).toBeLessThan(1e-9)
  }
})
