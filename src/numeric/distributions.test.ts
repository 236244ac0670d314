import { expect, test } from 'vitest'
import { betaProbability, betaQuantile, logGamma, tQuantile } from './distributions.ts'

test('the gamma function is that of factorials and of halves', () => {
  expect(logGamma(11)).toBeCloseTo(Math.log(3_628_800), 12)
  expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 12)
  expect(logGamma(0.25)).toBeCloseTo(Math.log(3.625609908221908), 12)
})

test('a beta variable is a sum of binomial probabilities where its parameters are whole', () => {
  // At least 3 of 10 with 0.2 each.
  const less = [1, 10, 45].reduce((sum, choices, hits) => sum + choices * 0.2 ** hits * 0.8 ** (10 - hits), 0)
  expect(betaProbability(0.2, 3, 8)).toBeCloseTo(1 - less, 12)
  expect([betaProbability(0, 3, 8), betaProbability(1, 3, 8)]).toEqual([0, 1])
  // Ten of thirty by Clopper and Pearson.
  expect(betaQuantile(0.025, 10, 21)).toBeCloseTo(0.172874, 6)
  expect(betaQuantile(0.975, 11, 20)).toBeCloseTo(0.528118, 5)
  for (const [a, b] of [
    [0.3, 0.7],
    [2.5, 400],
    [9000, 4000.5],
  ])
    expect(betaProbability(betaQuantile(0.3, a, b), a, b)).toBeCloseTo(0.3, 9)
})

test('quantiles of t are those of the tables', () => {
  const table = new Map([
    [1, 12.7062],
    [2, 4.3027],
    [9, 2.2622],
    [120, 1.9799],
  ])
  for (const [freedom, value] of table) expect(tQuantile(0.975, freedom)).toBeCloseTo(value, 4)
})
