import { expect, test } from 'vitest'
import { RandomStream } from '../../core/random.ts'
import { meanInterval, sizeForAccuracy, sizeInterval } from './dose-intervals.ts'

test('reads a size off a curve between two points', () => {
  expect(sizeForAccuracy([10, 1000], [0.2, 0.6], 0.4)).toBeCloseTo(100)
  expect(sizeForAccuracy([10, 1000], [0.2, 0.6], 0.7)).toBeNull()
  expect(sizeForAccuracy([10, 1000], [0.2, 0.6], 0.1)).toBe(10)
})

test('the interval of a mean is that of the t distribution, within the shares there are', () => {
  const values = [0.4, 0.42, 0.44, 0.46, 0.48, 0.52, 0.54, 0.56, 0.58, 0.6]
  // Standard deviation 0.0699206; the table of t has 1.8331 for 9 degrees of freedom and 95 %.
  const [low, high] = meanInterval(values)
  expect(low).toBeCloseTo(0.5 - (1.8331 * 0.0699206) / Math.sqrt(10), 5)
  expect(high).toBeCloseTo(0.5 + (1.8331 * 0.0699206) / Math.sqrt(10), 5)
  expect(meanInterval([0, 0.01, 1, 1])[0]).toBe(0)
  expect(meanInterval([0.5, 0.5, 0.5])).toEqual([0.5, 0.5])
})

test('the interval of a size is as wide as that of the curve, and open where the curve may not reach the accuracy', () => {
  const around = (middle: number) => Array.from({ length: 10 }, (_, i) => middle + 0.02 * (i - 4.5))
  const of = (curve: readonly number[]) => sizeInterval([10, 100, 1000], curve.map(around), 0.5, new RandomStream(1))
  // Between 100 and 1000 a tenth of accuracy is a factor of 10; the error of either mean is 0.019.
  const [low, high] = of([0.2, 0.45, 0.55]) ?? []
  expect(low).toBeGreaterThan(150)
  expect(low).toBeLessThan(260)
  expect(high).toBeGreaterThan(390)
  expect(high).toBeLessThan(700)
  // One curve in four stays below.
  expect(of([0.2, 0.3, 0.513])?.[1]).toBeNull()
  expect(of([0.2, 0.3, 0.4])).toBeNull()
})
