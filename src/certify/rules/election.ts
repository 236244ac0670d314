/** The two rounds of Run-Off Election (Rezaei, Banihashem, Chegini & Feizi, ICML 2023), counted. */
import { invalidArgument } from '../../core/errors.ts'
import { firstOddRank } from './ballot.ts'
import { checkClasses, plurality } from './plurality.ts'

export interface Election {
  readonly classes: number
  readonly learners: number
  /** [learners] first choices, `classes` for an abstention. */
  readonly votes: readonly number[]
  readonly counts: Int32Array
  readonly prediction: number
  readonly finalist: number
}

/**
 * Counts both rounds.
 *
 * @param ballots [learners, classes] class indices best first, row-major
 * @throws VideoMaeError `INVALID_ARGUMENT` for a ballot that is no strict order
 */
export function elect(ballots: ArrayLike<number>, classes: number): Election {
  checkClasses(classes)
  const learners = ballots.length / classes
  if (!Number.isInteger(learners))
    throw invalidArgument('ballots', `a multiple of ${classes} ranks`, `${ballots.length} ranks`)
  const odd = firstOddRank(ballots, learners, classes, classes)
  if (odd !== null)
    throw invalidArgument(
      `ballots[${odd.ballot}]`,
      `each of ${classes} classes once, or ${classes} in every place to abstain`,
      `${ballots[odd.ballot * classes + odd.place]} at place ${odd.place}`,
    )
  const votes = Array.from({ length: learners }, (_, i) => ballots[i * classes])
  const counts = new Int32Array(classes)
  for (const vote of votes) if (vote < classes) counts[vote]++
  const a = plurality(counts)
  let b = -1
  for (let c = 0; c < classes; c++) if (c !== a && (b < 0 || counts[c] > counts[b])) b = c
  let margin = b > a ? 1 : 0
  for (const [i, vote] of votes.entries()) {
    if (vote < classes) margin += isFirstOfTwo(ballots, i * classes, a, b) ? 1 : -1
  }
  const [prediction, finalist] = margin > 0 ? [a, b] : [b, a]
  return { classes, learners, votes, counts, prediction, finalist }
}

/** Whether the ballot that starts at `row` has class `a` before class `b`. */
export function isFirstOfTwo(ballots: ArrayLike<number>, row: number, a: number, b: number): boolean {
  for (let p = row; ; p++) {
    if (ballots[p] === a) return true
    if (ballots[p] === b) return false
  }
}

/** The winner alone, without a certificate. */
export function runOffWinner(ballots: ArrayLike<number>, classes: number): number {
  return elect(ballots, classes).prediction
}

/** [classes] by how much class `y` leads each class in a final of the two: what an attack has to bring down to 0. */
export function finalLeads(
  ballots: ArrayLike<number>,
  { classes, votes, prediction }: Election,
  y = prediction,
): Int32Array {
  const leads = new Int32Array(classes)
  let cast = 0
  for (const [i, vote] of votes.entries()) {
    if (vote === classes) continue
    cast++
    for (let p = i * classes; ballots[p] !== y; p++) leads[ballots[p]] -= 2
  }
  for (let c = 0; c < classes; c++) leads[c] += cast + (c > y ? 1 : 0)
  return leads
}
