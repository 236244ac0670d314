/** Label-flip certificates that look inside ridge heads, for whole test sets. */
import { invalidArgument } from '../core/errors.ts'
import type { InputCertificate } from './certify-ballots.ts'
import { type FeatureSet, type TestSet, unitRows } from './data/feature-set.ts'
import { gatherSamples } from './heads/job.ts'
import type { TrainedLearners } from './heads/plan.ts'
import { ridgeInfluence, ridgeScoreError } from './heads/ridge.ts'
import { voteLearners } from './heads/train.ts'
import { rowsOfUnits } from './poison.ts'
import { certifyDpa } from './rules/dpa.ts'
import { certifyLabelFlips } from './rules/label-flip.ts'
import { DenseProduct } from './wasm/product.ts'

/** Numbers of influence held at once. */
const influenceNumbers = 2 ** 25

/**
 * Flips are counted in rows inside and in units outside: a unit (video or source) of q rows may flip q of them, so the
 * radius is divided by the largest q. It is never below that of DPA, which certifies the same predictor.
 *
 * @param trained ridge heads on disjoint partitions of `set`
 * @returns [inputs]; the radius counts relabelled units, as the buckets of `trained` define them
 * @throws VideoMaeError `INVALID_ARGUMENT` for other heads or a spread
 */
export async function certifyRidgeLabelFlips(
  set: FeatureSet,
  trained: TrainedLearners,
  test: TestSet,
  signal?: AbortSignal,
): Promise<InputCertificate[]> {
  const { head, classes, width, learners, assignment } = trained
  if (head.kind !== 'ridge') throw invalidArgument('head', 'ridge heads', head.kind)
  if (trained.offsets.length !== 1) throw invalidArgument('offsets', 'disjoint partitions', trained.offsets.join(','))
  const scale = (features: Float32Array, rows: number) =>
    head.scaling === 'unit' ? unitRows(features, rows, width) : features
  const job = {
    classes,
    width,
    features: scale(set.features, set.rows),
    labels: set.labels,
    order: assignment.order,
    starts: assignment.starts,
    offsets: trained.offsets,
  }
  const largestUnit = rowsOfUnits(set, assignment.by).reduce((most, rows) => Math.max(most, rows.length), 1)
  const product = new DenseProduct('f64')
  const ballots = await voteLearners(trained, test, { keep: 'votes', threads: 1 })
  const scaledTest = scale(test.features, test.rows)
  const turn = Math.max(1, Math.floor(influenceNumbers / set.rows))
  const certificates: InputCertificate[] = []
  for (let from = 0; from < test.rows; from += turn) {
    signal?.throwIfAborted()
    const count = Math.min(turn, test.rows - from)
    const inputs = new Float64Array(count * (width + 1)).fill(1)
    for (let t = 0; t < count; t++)
      inputs.set(scaledTest.subarray((from + t) * width, (from + t + 1) * width), t * (width + 1))
    const influence = Array.from({ length: learners }, (_, learner) => {
      const samples = gatherSamples(job, learner)
      const alphas = samples.count === 0 ? new Float64Array() : ridgeInfluence(samples, head.lambda, inputs, product)
      return { samples, alphas, slack: 2 * ridgeScoreError(samples, head.lambda, inputs) }
    })
    for (let t = 0; t < count; t++) {
      const votes = ballots.ranks.subarray((from + t) * learners, (from + t + 1) * learners)
      const heads = influence.map(({ samples, alphas }) => ({
        alphas: alphas.subarray(t * samples.count, (t + 1) * samples.count),
        labels: samples.labels,
      }))
      const inside = certifyLabelFlips(heads, classes, { votes, slack: influence.map(({ slack }) => slack) })
      const outside = certifyDpa(votes, classes)
      const radius = Math.floor(inside.radius / largestUnit)
      const { prediction, rival } = radius > outside.radius ? inside : outside
      const abstentions = influence.filter(({ samples }) => samples.count === 0).length
      certificates.push({ prediction, radius: Math.max(radius, outside.radius), rivals: [rival], abstentions })
    }
  }
  return certificates
}
