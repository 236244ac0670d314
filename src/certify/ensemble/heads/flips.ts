/** What it takes to turn the vote of each ridge head on each input, for threads. */

import { ridgeScoreError } from '../../../numeric/ridge.ts'
import { Matmul } from '../../../numeric/wasm/matmul.ts'
import { headCosts } from '../../rules/label-flip.ts'
import { RidgeInfluence } from './influence.ts'
import { gatherSamples, type TrainJob } from './job.ts'

export interface FlipJob
  extends Pick<TrainJob, 'classes' | 'width' | 'features' | 'labels' | 'order' | 'starts' | 'offsets'> {
  readonly kind: 'flips'
  readonly lambda: number
  readonly learners: number
  /** [inputs, width + 1] scaled features, bias last. */
  readonly inputs: Float64Array
  /** [inputs, learners] */
  readonly votes: Uint8Array | Uint16Array | Uint32Array
  /** [inputs, learners, classes + 1] flips to each class, then to any other than the vote; written. */
  readonly costs: Float32Array
}

/** Influences held at once. */
const influenceNumbers = 2 ** 22

/** Writes the costs of learners from..to-1. Whole numbers below 2^24, so float32 holds them. */
export function flipRange(job: FlipJob, from: number, to: number): void {
  const { classes, width, lambda, learners, votes, costs } = job
  const depth = width + 1
  const count = job.inputs.length / depth
  const matmul = new Matmul('f64')
  for (let learner = from; learner < to; learner++) {
    const samples = gatherSamples(job, learner)
    const write = (t: number, leave: number, become: ArrayLike<number>) => {
      const at = (t * learners + learner) * (classes + 1)
      costs.set(become, at)
      costs[at + classes] = leave
    }
    if (samples.count === 0) {
      const never = new Float32Array(classes).fill(Number.POSITIVE_INFINITY)
      for (let t = 0; t < count; t++) write(t, Number.POSITIVE_INFINITY, never)
      continue
    }
    const influence = new RidgeInfluence(samples, lambda, matmul)
    const slack = 2 * ridgeScoreError(samples, lambda, job.inputs)
    const turn = Math.max(1, Math.min(256, Math.floor(influenceNumbers / samples.count)))
    for (let first = 0; first < count; first += turn) {
      const end = Math.min(count, first + turn)
      const alphas = influence.of(job.inputs.subarray(first * depth, end * depth))
      for (let t = first; t < end; t++) {
        const mine = alphas.subarray((t - first) * samples.count, (t - first + 1) * samples.count)
        const vote = votes[t * learners + learner]
        const { leave, become } = headCosts({ alphas: mine, labels: samples.labels }, classes, vote, slack)
        write(t, leave, become)
      }
    }
  }
}
