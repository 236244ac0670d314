/** Arguments that fit nothing are refused by name in the library: a radius from them would be a promise about nothing. */
import { expect, test } from 'vitest'
import { assignBuckets, type BucketKey } from './ensemble/buckets.ts'
import { checkFeatureSet, type FeatureSet, selectRows } from './ensemble/feature-set.ts'
import { baggingRadius } from './rules/bagging.ts'
import { ballotsFromScores } from './rules/ballot.ts'
import { certifyTally } from './rules/dpa.ts'
import { applyScale, measureScale } from './videos/scale.ts'

const { NaN: none, POSITIVE_INFINITY: infinite } = Number

test.each([
  ['counts', 'no number', () => certifyTally([none, 1])],
  ['counts', 'infinite', () => certifyTally([infinite, 1])],
  ['counts', 'below 0', () => certifyTally([-3, 1])],
  ['counts', 'half a vote', () => certifyTally([3.5, 1])],
  ['samples', 'half a sample', () => baggingRadius(100.5, 10, 0.9, 0.05)],
  ['draws', 'no number', () => baggingRadius(100, none, 0.9, 0.05)],
  ['lower', 'above 1', () => baggingRadius(100, 10, 90, 0.05)],
  ['upper', 'below 0', () => baggingRadius(100, 10, 0.9, -5)],
  ['inputs', 'half an input', () => ballotsFromScores([1, 2, 3, 4], 0.5, 4, 2)],
  ['seeds', 'none', () => ballotsFromScores([], 1, 2, 2, { seeds: 0 })],
  ['places', 'none', () => ballotsFromScores([1, 2, 3, 4], 1, 2, 2, { places: 0 })],
  ['places', 'more than classes', () => ballotsFromScores([1, 2, 3, 4], 1, 2, 2, { places: 3 })],
  ['knows', 'of one learner', () => ballotsFromScores([1, 2, 3, 4], 1, 2, 2, { knows: Uint8Array.of(1, 1) })],
] as const)('%s: %s', (name, _, call) => {
  expect(call).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) }))
})

const set: FeatureSet = {
  ...{ rows: 2, width: 2, features: Float32Array.of(1, 2, 3, 4), labels: Int32Array.of(0, 1) },
  ...{ classNames: ['a', 'b'], ids: ['x', 'y'], digests: ['1', '2'] },
}

test.each([
  ['features', { features: [1, 2, 3, 4] as unknown as Float32Array }],
  ['features', { features: Float64Array.of(1, 2, 3, 4) as unknown as Float32Array }],
  ['labels', { labels: [0, 0.5] as unknown as Int32Array }],
  ['classNames', { classNames: ['a', 'a'] }],
])('%s of a feature set: %j', (name, odd) => {
  expect(() => checkFeatureSet(set)).not.toThrow()
  const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) })
  expect(() => checkFeatureSet({ ...set, ...odd })).toThrow(refused)
})

test.each([
  ['rows that are not there', () => selectRows(set, [0, 2])],
  ['buckets by nothing', () => assignBuckets(set, { by: 'nothing' as BucketKey, buckets: 2 })],
  ['a scale of no rows', () => measureScale({ features: new Float32Array(0), rows: 0, width: 2 })],
  ['a scale of other rows', () => measureScale({ ...set, rows: 3 })],
  ['a scale of no numbers', () => measureScale({ ...set, features: Float32Array.of(1, none, 3, 4) })],
  ['a scale of another width', () => applyScale({ ...set, rows: 1, width: 4 }, measureScale(set))],
])('%s', (_, call) => {
  expect(call).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})
