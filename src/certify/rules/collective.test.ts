/** Oracle: every capture of `budget` buckets, counting how many inputs it can turn at once. */
import { expect, test } from 'vitest'
import { RandomStream } from '../../core/random.ts'
import { canChange, combinations, spreadReach } from './brute-force.ts'
import { certifyCollective, loadSolver, verifiedBound } from './collective.ts'
import { plurality, tally } from './plurality.ts'

test('never promises more than the exhaustive adversary leaves, and gains over one input at a time', async () => {
  const solver = await loadSolver()
  let gained = 0
  let optimal = 0
  for (let seed = 0; seed < 12; seed++) {
    const stream = new RandomStream(seed, 'collective')
    const offsets = seed % 2 === 0 ? [0] : [0, 2]
    const learners = 8
    const votes = Array.from({ length: 7 }, () =>
      Array.from({ length: learners }, () => (stream.uniform() < 0.7 ? 0 : stream.integer(3))),
    )
    const predict = (cast: readonly number[]) => plurality(tally(cast, 3))
    const reach = spreadReach(learners, offsets)
    for (const budget of [1, 2]) {
      let most = 0
      for (const buckets of combinations(learners, budget)) {
        const captured = [...new Set(buckets.flatMap((bucket) => reach[bucket]))]
        const turned = votes.filter((cast) => canChange({ cast, choices: 3, reach, predict }, captured, predict(cast)))
        most = Math.max(most, turned.length)
      }
      const relaxed = await certifyCollective(votes, 3, { budget, offsets, batch: 50, solver })
      const integer = await certifyCollective(votes, 3, { budget, offsets, batch: 50, integerSeconds: 600, solver })
      expect(relaxed.arithmetic).toBe('integers')
      expect(relaxed.changedAtMost).toBeGreaterThanOrEqual(most)
      expect(integer.changedAtMost).toBe(most)
      expect(relaxed.changedAtMost).toBeLessThanOrEqual(relaxed.changedAlone)
      if (relaxed.changedAtMost < relaxed.changedAlone) gained++
      if (relaxed.changedAtMost === most) optimal++
    }
  }
  expect(gained).toBeGreaterThan(0)
  expect(optimal).toBeGreaterThan(0)
})

test('any multipliers give a bound that is sound, so a wrong solver cannot overstate the certificate', () => {
  const targets = [{ input: 0, gap: 1, worth: Uint8Array.of(2, 1) }]
  const stream = new RandomStream(1, 'multipliers')
  for (let i = 0; i < 200; i++) {
    const draw = () => stream.integer(2 ** 25)
    expect(verifiedBound(targets, [draw()], [draw(), draw()], 2, [0], 1)).toBe(1)
  }
})

test('is stopped between two programs, by what the event loop brings while it is under way', async () => {
  const solver = await loadSolver()
  const stop = new AbortController()
  const votes = Array.from({ length: 20 }, () => [0, 0, 0, 1, 0, 2])
  const bound = certifyCollective(votes, 3, { budget: 1, batch: 1, solver, signal: stop.signal })
  setImmediate(() => stop.abort(new Error('stopped')))
  await expect(bound).rejects.toThrow('stopped')
})
