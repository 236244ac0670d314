/** What trained heads are. */
import type { ResolvedHead } from './list.ts'

/** Numbers of one trained learner: [classes, width + 1], bias last. */
export function weightsLength(classes: number, width: number): number {
  return classes * (width + 1)
}

/** Trained heads: everything that voting needs. */
export interface TrainedHeads {
  /** Kind of the heads, with every option. */
  readonly head: ResolvedHead
  /** Number of classes. */
  readonly classes: number
  /** Values of a row of features. */
  readonly width: number
  /** Number of heads. */
  readonly learners: number
  /** [learners, classes, width + 1] float32, bias last. */
  readonly weights: Float32Array
  /** [learners, classes] 1 where a learner has samples of a class; one without any abstains. */
  readonly knows: Uint8Array
}
