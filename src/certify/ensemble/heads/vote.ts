/** Ballots of trained heads. */
import { invalidArgument } from '../../../core/errors.ts'
import { type Ballots, emptyBallots } from '../../rules/ballot.ts'
import { type TestSet, unitRows } from '../feature-set.ts'
import type { VoteOptions } from '../learners.ts'
import { splitRange } from '../queue.ts'
import { type TrainedHeads, weightsLength } from './head.ts'
import { runWriting } from './pool.ts'
import { shared } from './shared.ts'

/**
 * Ballots of all learners on all inputs.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` when the widths differ
 */
export async function voteLearners(trained: TrainedHeads, test: TestSet, options: VoteOptions = {}): Promise<Ballots> {
  const { classes, width, learners } = trained
  if (test.width !== width) throw invalidArgument('test.width', `${width}, as in training`, test.width)
  const ballots = emptyBallots(test.rows, learners, classes, options.keep === 'votes' ? 1 : classes)
  const scaled = trained.head.scaling === 'unit' ? unitRows(test.features, test.rows, width) : test.features
  const threads = options.threads ?? 16
  await runWriting(
    {
      kind: 'vote',
      classes,
      width,
      weights: trained.weights,
      knows: trained.knows,
      features: shared(Float32Array, scaled),
      ballots,
    },
    // Each range packs the inputs again, so a thread gets few of them.
    splitRange(0, learners, Math.max(32, Math.ceil(learners / (2 * threads)))),
    options,
  )
  return ballots
}

/**
 * Ballots where each group of learners sees the inputs through its own encoder.
 *
 * @param tests [groups] the same inputs, as each group's encoder sees them; learners are split evenly, in order
 */
export async function voteInGroups(
  trained: TrainedHeads,
  tests: readonly TestSet[],
  options: VoteOptions = {},
): Promise<Ballots> {
  const { learners, classes, width } = trained
  const size = learners / tests.length
  if (!Number.isInteger(size)) throw invalidArgument('tests', `a number that divides ${learners}`, tests.length)
  const rows = tests[0].rows
  const ballots = emptyBallots(rows, learners, classes, options.keep === 'votes' ? 1 : classes)
  const length = weightsLength(classes, width)
  for (const [g, test] of tests.entries()) {
    const first = g * size
    const mine = await voteLearners(
      {
        ...trained,
        learners: size,
        weights: trained.weights.subarray(first * length, (first + size) * length),
        knows: trained.knows.subarray(first * classes, (first + size) * classes),
      },
      test,
      options,
    )
    const row = size * ballots.places
    for (let t = 0; t < rows; t++)
      ballots.ranks.set(mine.ranks.subarray(t * row, (t + 1) * row), (t * learners + first) * ballots.places)
  }
  return ballots
}

/** Ballots of all learners on inputs `from`..`to` - 1, each group through its own encoder where there are several. */
export function voteOnTests(
  trained: TrainedHeads,
  test: TestSet,
  { from, to }: { readonly from: number; readonly to: number },
  options: VoteOptions,
): Promise<Ballots> {
  if (test.perGroup === undefined) return voteLearners(trained, rowsOf(test, from, to), options)
  return voteInGroups(
    trained,
    test.perGroup.map((part) => rowsOf(part, from, to)),
    options,
  )
}

function rowsOf({ features, width, labels }: TestSet, from: number, to: number): TestSet {
  return {
    features: features.subarray(from * width, to * width),
    rows: to - from,
    width,
    labels: labels.subarray(from, to),
  }
}
