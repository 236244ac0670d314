import { expect, test } from 'vitest'
import { gaussians } from '../../../../test/support/gaussians.ts'
import { ensemblesOf } from '../../certify-plan.ts'
import { ensembleFacts } from '../../ensemble/ensemble-facts.ts'
import { headLearners } from '../../ensemble/heads/family.ts'
import { layOut } from '../../ensemble/layout.ts'
import { bucketsOfLearner, learnersOn } from '../../rules/spread.ts'
import { plannedEnsemble } from './ensembles.ts'
import { measureHeads } from './measure.ts'

const set = gaussians({ rows: 12, seed: 1 })
const encoder = { digest: '0'.repeat(64), trust: 'fixed', labelsUsed: false, trainedOn: null } as const

/** The only ensemble of K = 512 and d = 64, and how often a number of its spread is read. */
function counted() {
  const [ensemble] = ensemblesOf({
    ...{ by: 'content', partitions: 512, rules: ['fa'], spread: 64 },
    threat: { threat: 'label_flip', encoder },
  })
  let reads = 0
  const offsets = new Proxy([...(ensemble.plan.offsets ?? [])], {
    get(target, key) {
      reads++
      return Reflect.get(target, key)
    },
  })
  return { ensemble: { ...ensemble, plan: { ...ensemble.plan, offsets } }, reads: () => reads }
}

test('the work of a plan grows with the samples, and not with the base classifiers times the spread', async () => {
  const { ensemble, reads } = counted()
  const planned = plannedEnsemble(set, ensemble)
  expect(planned.forecast).toMatchObject({ learners: 32_768, samples: { fewest: 0, median: 0 } })
  expect(planned.forecast.emptyLearners).toBeGreaterThan(32_768 - 12 * 64 - 1)
  await measureHeads(headLearners({ kind: 'nearest_mean' }), set, planned, { width: 2, clips: 1, inputs: 1 })
  layOut(set, ensemble.plan)
  // Once for each base classifier would be 32,768 x 64 = 2,097,152 reads.
  expect(reads()).toBeLessThan(32_768 * 8)
})

test('base classifiers of a bucket and buckets of a base classifier say the same, also where numbers of them differ', () => {
  for (const [buckets, learners, offsets] of [
    [12, 12, [0, 3, 7]],
    [9, 7, [0, 8, 7]],
    [5, 12, [0, 4]],
  ] as const)
    for (let learner = 0; learner < learners; learner++)
      expect(
        Array.from({ length: buckets }, (_, b) => b).filter((b) =>
          learnersOn(b, buckets, learners, offsets).includes(learner),
        ),
      ).toEqual(bucketsOfLearner(learner, buckets, offsets))
})

test('samples and classes of base classifiers are those of their buckets', () => {
  const rows = gaussians({ rows: 30, seed: 2 })
  const [{ plan }] = ensemblesOf({
    ...{ by: 'content', partitions: 10, rules: ['fa'], spread: 3 },
    threat: { threat: 'label_flip', encoder },
  })
  const { assignment, offsets, learners, knows } = layOut(rows, plan)
  const mine = Array.from({ length: learners }, (_, learner) =>
    bucketsOfLearner(learner, assignment.buckets, offsets).flatMap((bucket) =>
      [...assignment.bucketOf.keys()].filter((row) => assignment.bucketOf[row] === bucket),
    ),
  )
  const sizes = mine.map((all) => all.length).sort((a, b) => a - b)
  const classes = mine.map((all) => new Set(all.map((row) => rows.labels[row])))
  expect(ensembleFacts(rows, { assignment, offsets, learners })).toEqual({
    emptyLearners: sizes.filter((size) => size === 0).length,
    singleClassLearners: classes.filter(({ size }) => size === 1).length,
    samples: { fewest: sizes[0], median: sizes[14], most: sizes[29] },
  })
  const count = rows.classNames.length
  expect([...knows]).toEqual(classes.flatMap((of) => Array.from({ length: count }, (_, c) => (of.has(c) ? 1 : 0))))
})
