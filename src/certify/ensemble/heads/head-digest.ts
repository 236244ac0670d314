import { digestOfLearner } from '../digest.ts'
import { classesOfLearner } from '../layout.ts'
import type { LearnerRecord } from '../learners.ts'
import type { TrainedHeads } from './head.ts'
import { headKind } from './list.ts'

type Head = Pick<TrainedHeads, 'head' | 'classes' | 'width' | 'knows'> & { readonly classNames: readonly string[] }

/**
 * SHA-256 of one head. Of the classes that it has samples of, by name: a longer list of classes leaves the learner what it is.
 *
 * @param weights [classes, width + 1]
 * @returns an empty text for weights that no training gives: the rows of the other classes are in no digest, but votes depend on them
 */
export function digestOfHead(
  job: Head,
  { learner, samples }: Pick<LearnerRecord, 'learner' | 'samples'>,
  weights: Float32Array,
): string {
  const { head, classes, classNames, width, knows } = job
  const own = classesOfLearner(knows, classes, learner)
  if (!restIsUntrained(job, own, weights)) return ''
  const depth = width + 1
  // Copies: hashing may not read shared memory.
  const numbers = own.map((c) => new Uint8Array(weights.slice(c * depth, (c + 1) * depth).buffer))
  return digestOfLearner({ description: head, samples, classNames: own.map((c) => classNames[c]) }, numbers)
}

/** Whether the rows of classes without samples are as training leaves them. A learner without any sample is all zeros. */
function restIsUntrained({ head, classes, width }: Head, own: readonly number[], weights: Float32Array): boolean {
  const bias = own.length === 0 ? 0 : headKind(head.kind).biasWithoutSamples
  const known = new Set(own)
  for (let c = 0; c < classes; c++) {
    if (known.has(c)) continue
    const at = c * (width + 1)
    for (let k = 0; k < width; k++) if (weights[at + k] !== 0) return false
    if (weights[at + width] !== bias) return false
  }
  return true
}
