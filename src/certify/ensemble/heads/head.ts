/** What trained heads are. */
import type { ResolvedHead } from './list.ts'

/** Numbers of one trained learner: [classes, width + 1], bias last. */
export function weightsLength(classes: number, width: number): number {
  return classes * (width + 1)
}

/** Trained heads: everything that voting needs. */
export interface TrainedHeads {
  readonly head: ResolvedHead
  readonly classes: number
  readonly width: number
  readonly learners: number
  /** [learners, classes, width + 1] float32, bias last. */
  readonly weights: Float32Array
  /** [learners, classes] 1 where a learner has samples of a class; one without any abstains. */
  readonly knows: Uint8Array
}
