import { invalidArgument } from '../../core/errors.ts'

/**
 * What every rule says about one input.
 *
 * `radius` is the largest number of poisoned samples (in the unit the buckets were made for) after which the prediction provably
 * stays the same; it says nothing about whether the prediction is right.
 */
export interface CertifiedPrediction {
  readonly prediction: number
  readonly radius: number
  /** The class that the cheapest conceivable attack would elect; the smallest index among equals. */
  readonly rival: number
}

/** More than any data set has; what a mistyped number of classes must not reserve memory for. */
export const mostClasses = 2 ** 24

/** Throws unless there are at least two classes: with one there is nothing that an attack could change. */
export function checkClasses(classes: number): void {
  if (!Number.isInteger(classes) || classes < 2 || classes > mostClasses)
    throw invalidArgument('classes', `a whole number from 2 to ${mostClasses}`, classes)
}

/**
 * Votes per class.
 *
 * @param votes [learners] class indices; the value `classes` is an abstention and counts for nobody
 * @returns [classes] counts
 * @throws VideoMaeError `INVALID_ARGUMENT` for a vote outside 0..classes
 */
export function tally(votes: ArrayLike<number>, classes: number): Int32Array {
  checkClasses(classes)
  const counts = new Int32Array(classes + 1)
  for (let i = 0; i < votes.length; i++) {
    const vote = votes[i]
    if (!(vote >= 0 && vote <= classes) || !Number.isInteger(vote))
      throw invalidArgument(`votes[${i}]`, `a class index below ${classes} (or ${classes} to abstain)`, vote)
    counts[vote]++
  }
  return counts.subarray(0, classes)
}

/** The class with most votes; ties go to the smaller index (Levine & Feizi 2021, section 3). */
export function plurality(counts: ArrayLike<number>): number {
  let best = 0
  for (let c = 1; c < counts.length; c++) if (counts[c] > counts[best]) best = c
  return best
}

/** What capturing a learner can take off the lead of class `a` over class `b`: 0 to 2. */
export function worthOfVote(vote: number, a: number, b: number): number {
  return 1 + (vote === a ? 1 : 0) - (vote === b ? 1 : 0)
}

/**
 * The rivals of a prediction that votes tell apart, ascending: every class with votes, and the first `alike` classes without
 * votes on each side of the prediction. All classes without votes on one side have the same lead to close and the same (no)
 * learners, so a rule that counts votes needs no more of them: classes may be many more than votes.
 */
export function distinctRivals(counts: ArrayLike<number>, prediction: number, alike = 1): number[] {
  const rivals: number[] = []
  let [below, above] = [0, 0]
  for (let c = 0; c < counts.length; c++) {
    if (c === prediction) continue
    if (counts[c] > 0) rivals.push(c)
    else if (c < prediction ? below++ < alike : above++ < alike) rivals.push(c)
  }
  return rivals
}

/**
 * The radius over all rivals of a prediction.
 *
 * @param rivals ascending, see `distinctRivals`
 * @param radiusAgainst poisoned samples that this rival alone cannot overcome
 */
export function weakest(
  prediction: number,
  rivals: Iterable<number>,
  radiusAgainst: (rival: number) => number,
): CertifiedPrediction {
  let radius = Number.POSITIVE_INFINITY
  let rival = -1
  for (const c of rivals) {
    const survives = radiusAgainst(c)
    if (survives < radius) {
      radius = survives
      rival = c
    }
  }
  return { prediction, radius, rival }
}

/** The lead of class `a` over class `b` that an attack has to bring down to 0 or less so that `b` comes before `a`. */
export function lead(counts: ArrayLike<number>, a: number, b: number): number {
  return counts[a] - counts[b] + (b > a ? 1 : 0)
}
