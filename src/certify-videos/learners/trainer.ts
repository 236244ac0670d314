/** What trains one base learner on an engine. */
import type { LearnerDescription } from '../../certify/learners.ts'
import type { ModelState } from '../../model/index.ts'
import type { Content } from './video-set.ts'

/** The samples of one learner, in canonical order. */
export interface LearnerSamples {
  readonly contents: readonly Content[]
  /** [contents] */
  readonly labels: readonly number[]
  readonly classNames: readonly string[]
}

/**
 * Trains learners one by one, each in sessions of its own: batch shapes, statistics and the number of steps follow from its
 * own samples, everything random from its own seed.
 */
export interface LearnerTrainer {
  readonly description: LearnerDescription
  /**
   * @param seed of this learner
   * @param folder for what training writes; removed afterwards
   * @returns the weights, by name
   */
  train(samples: LearnerSamples, seed: number, folder: string, signal?: AbortSignal): Promise<ModelState>
  /** [contents, classes] logarithms of probabilities, each content seen once (the middle of the video). */
  score(
    state: ModelState,
    contents: readonly Content[],
    classNames: readonly string[],
    signal?: AbortSignal,
  ): Promise<Float32Array>
}
