import { digestOfLearner } from '../digest.ts'
import { classesOfLearner } from '../layout.ts'
import type { LearnerRecord } from '../learners.ts'
import type { TrainedHeads } from './head.ts'

/**
 * SHA-256 of one head. Of the classes that it has samples of, by name: a longer list of classes leaves the learner what it is.
 *
 * @param weights [classes, width + 1]
 */
export function digestOfHead(
  {
    head,
    classes,
    classNames,
    width,
    knows,
  }: Pick<TrainedHeads, 'head' | 'classes' | 'width' | 'knows'> & { readonly classNames: readonly string[] },
  { learner, samples }: Pick<LearnerRecord, 'learner' | 'samples'>,
  weights: Float32Array,
): string {
  const own = classesOfLearner(knows, classes, learner)
  const depth = width + 1
  // Copies: hashing may not read shared memory.
  const numbers = own.map((c) => new Uint8Array(weights.slice(c * depth, (c + 1) * depth).buffer))
  return digestOfLearner({ description: head, samples, classNames: own.map((c) => classNames[c]) }, numbers)
}
