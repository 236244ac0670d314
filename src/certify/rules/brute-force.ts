/**
 * An adversary that tries everything: the oracle of the tests, the vectors check and the tightness report.
 *
 * It knows nothing of leads or powers. It captures every set of t buckets, gives every captured learner every ballot there
 * is, and asks the rule itself who wins. Exponential; for ensembles of about a dozen learners.
 */
export interface Adversary {
  /** Ballots before the attack: what each learner casts, an index into `choices`. */
  readonly cast: readonly number[]
  /** Number of different things a learner could cast instead. */
  readonly choices: number
  /** Learners that each bucket reaches. */
  readonly reach: readonly (readonly number[])[]
  /** The rule: cast of every learner -> predicted class. */
  predict(cast: readonly number[]): number
}

/**
 * Largest t for which no capture of t buckets changes the prediction.
 *
 * @param limit stop here: an answer equal to `limit` means "at least"
 */
export function trueRadius(adversary: Adversary, limit = adversary.reach.length): number {
  const before = adversary.predict(adversary.cast)
  for (let t = 1; t <= limit; t++) {
    for (const buckets of combinations(adversary.reach.length, t)) {
      const captured = new Set<number>()
      for (const bucket of buckets) for (const learner of adversary.reach[bucket]) captured.add(learner)
      if (canChange(adversary, [...captured], before)) return t - 1
    }
  }
  return limit
}

/**
 * Fewest captured buckets with which the rule may answer `target`; infinite where all of them are not enough.
 */
export function trueTargetCost(adversary: Adversary, target: number): number {
  const buckets = adversary.reach.length
  for (let t = 0; t <= buckets; t++)
    for (const some of combinations(buckets, t)) {
      const captured = new Set(some.flatMap((bucket) => adversary.reach[bucket]))
      if (canReach(adversary, [...captured], (answer) => answer === target)) return t
    }
  return Number.POSITIVE_INFINITY
}

/** Whether some casts of the captured learners make the rule answer something else than `before`. */
export function canChange(adversary: Adversary, captured: readonly number[], before: number): boolean {
  return canReach(adversary, captured, (answer) => answer !== before)
}

/** Whether some casts of the captured learners bring about an answer that is wanted. */
export function canReach(
  adversary: Adversary,
  captured: readonly number[],
  wanted: (answer: number) => boolean,
): boolean {
  const cast = [...adversary.cast]
  const assign = (depth: number): boolean => {
    if (depth === captured.length) return wanted(adversary.predict(cast))
    for (let choice = 0; choice < adversary.choices; choice++) {
      cast[captured[depth]] = choice
      if (assign(depth + 1)) return true
    }
    return false
  }
  return assign(0)
}

/** All subsets of {0..n-1} with t members. */
export function* combinations(n: number, t: number, from = 0): Generator<number[]> {
  if (t === 0) {
    yield []
    return
  }
  for (let first = from; first <= n - t; first++)
    for (const rest of combinations(n, t - 1, first + 1)) yield [first, ...rest]
}

/** All orders of `classes` classes, best first. */
export function allRankings(classes: number): number[][] {
  if (classes === 0) return [[]]
  return allRankings(classes - 1).flatMap((order) =>
    Array.from({ length: classes }, (_, position) => order.toSpliced(position, 0, classes - 1)),
  )
}

/** Reach of disjoint partitions: bucket i is learner i. */
export function disjointReach(learners: number): number[][] {
  return Array.from({ length: learners }, (_, i) => [i])
}

/** Reach of a spread: bucket j is in learners (j + offset) mod learners. */
export function spreadReach(learners: number, offsets: readonly number[]): number[][] {
  return Array.from({ length: learners }, (_, j) => offsets.map((offset) => (j + offset) % learners))
}
