/**
 * The work of rules on large ensembles. CPU time is compared with that of a rule that reads every vote once for each rival, on the same
 * votes: what else the machine does cancels out.
 */
import { expect, test } from 'vitest'
import { RandomStream } from '../../core/random.ts'
import { certifyFiniteAggregationExact } from './coverage.ts'
import { certifyFiniteAggregation } from './finite-aggregation.ts'
import { certifyRunOffFinite } from './run-off-finite.ts'

const [partitions, d] = [250, 16]
const offsets = [...new RandomStream('speed of rules', 1).permutation(partitions * d).subarray(0, d)]

/** Milliseconds of this process, the least of two calls. */
function cpuTime(work: () => void): number {
  const times = [1, 2].map(() => {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  })
  return Math.min(...times)
}

test('a run-off with 400 classes does not evaluate every pair of rivals', () => {
  const classes = 400
  const stream = new RandomStream('speed of rules', 2)
  const base = stream.permutation(classes)
  const ballots = Array.from({ length: partitions * d }, () => {
    const turn = stream.uniform() < 0.3 ? 0 : stream.integer(classes)
    return Array.from(base, (_, i) => base[(i + turn) % classes])
  }).flat()
  const votes = ballots.filter((_, i) => i % classes === 0)
  const each = cpuTime(() => certifyFiniteAggregation(votes, classes, offsets))
  const runOff = cpuTime(() => certifyRunOffFinite(ballots, classes, offsets))
  // About 25; there are 200 times as many pairs as rivals, and one of them takes longer than a rival.
  expect(runOff / each).toBeLessThan(120)
})

test('the exact rule gives up within its work, and says so', () => {
  const stream = new RandomStream('speed of rules', 3)
  const votes = Array.from({ length: partitions * d }, () => (stream.uniform() < 0.4 ? 1 : stream.integer(10)))
  const least = certifyFiniteAggregation(votes, 10, offsets).radius
  const few = cpuTime(() => certifyFiniteAggregationExact(votes, 10, offsets, { work: 2 ** 24 }))
  const found = certifyFiniteAggregationExact(votes, 10, offsets)
  const all = cpuTime(() => certifyFiniteAggregationExact(votes, 10, offsets))
  expect(found.exact).toBe(false)
  expect(found.radius).toBeGreaterThanOrEqual(least)
  // By default it may do four times the work.
  expect(all / few).toBeLessThan(20)
})
