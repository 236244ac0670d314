/** What trains one base classifier on an engine. */

import type { ModelState } from '../../../model/model-state.ts'
import type { LearnerDescription } from '../../ensemble/learners.ts'
import type { SessionPool } from './session-pool.ts'
import type { Content } from './video-set.ts'

/** The samples of one learner, in canonical order. */
export interface LearnerSamples {
  /** [contents] what each sample is. */
  readonly contents: readonly Content[]
  /** [contents] */
  readonly labels: readonly number[]
  /** Names of the classes; labels are indices into them. */
  readonly classNames: readonly string[]
}

/** What a trainer works with. */
export interface TrainerContext {
  /** Sessions that learners of the same shapes take over from each other. */
  readonly sessions: SessionPool
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
}

/**
 * Trains learners one by one: batch shapes, statistics and the number of steps follow from a learner's own samples,
 * everything random from its own seed.
 */
export interface LearnerTrainer {
  /** The base classifier, with every value that its training depends on besides the samples. */
  readonly description: LearnerDescription
  /**
   * @param seed of this learner
   * @param folder for what training writes; removed afterwards
   * @returns the weights, by name
   */
  train(samples: LearnerSamples, seed: number, folder: string, context: TrainerContext): Promise<ModelState>
  /** [contents, classes] logarithms of probabilities, each content seen once (the middle of the video). */
  score(
    state: ModelState,
    contents: readonly Content[],
    classNames: readonly string[],
    context: TrainerContext,
  ): Promise<Float32Array>
}
