/**
 * The Lethal Dose Conjecture (Wang, Levine & Feizi, NeurIPS 2022) as a planning tool: if a learner needs n clean samples,
 * a training set of N tolerates about N / n poisoned samples. Predicted from a learning curve, then measured over K.
 *
 * Prediction for one input: r = K/2 (p - q), where p and q are the shares of learners of N/K samples that vote for its
 * winner and for its best rival.
 */
import { requireCount } from '../../core/counts.ts'
import { invalidArgument, requireDistinct } from '../../core/errors.ts'
import { RandomStream } from '../../core/random.ts'
import { scoredRadii } from '../certify.ts'
import { type Ballots, votesOfInput } from '../rules/ballot.ts'
import { certifyBallots } from '../rules/certify-ballots.ts'
import { type RobustnessSummary, summarizeRadii } from '../rules/metrics.ts'
import { partitionRule } from '../rules/names.ts'
import type { ThreatStatement } from '../threat/threat.ts'
import { doseDefaults } from './defaults.ts'
import { mean, meanInterval, sizeForAccuracy, sizeInterval } from './dose-intervals.ts'

/** Anything that can be trained on subsets and on partitions: heads on features, or training from scratch elsewhere. */
export interface DoseLearner {
  /** What the learner is called in the report. */
  readonly name: string
  /** N: samples that can be drawn and poisoned (videos, not clips). */
  readonly samples: number
  /** [inputs] true classes. */
  readonly labels: ArrayLike<number>
  /** What its radii are a promise against, as `checkThreat` grants it. Without it they only count votes. */
  readonly threat?: ThreatStatement
  /** What a reader of its numbers should know, one sentence each. */
  readonly remarks?: readonly string[]
  /** Votes of learners trained on `subsets` random subsets of `size` samples each. */
  voteOfSubsets(size: number, subsets: number, seed: number): Promise<Ballots>
  /** Votes of the K learners of a real partition. */
  voteOfPartitions(partitions: number): Promise<Ballots>
}

/** The sizes of ensembles and subsets of a lethal-dose study. */
export interface LethalDoseOptions {
  /** Every K that is measured. */
  readonly partitions: readonly number[]
  /** Random subsets for each size. Default 40; at least 10. */
  readonly subsets?: number
  /** Accuracies of a single learner at which n is read off the curve. Default 0.5, 0.6, 0.7. */
  readonly accuracies?: readonly number[]
  /** Accuracies of the ensemble at which learners are compared; default: chosen from what all of them reach. */
  readonly targets?: readonly number[]
  /** Of the random subsets: a whole number. Default 0. */
  readonly seed?: number
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Called with what is being measured. */
  readonly onProgress?: (what: string) => void
}

export interface CurvePoint {
  /** Samples of a learner. */
  readonly size: number
  readonly accuracy: number
  /** 5 % and 95 % of the mean over subsets, by the t distribution. */
  readonly interval: readonly [number, number]
}

export interface DoseRow {
  readonly partitions: number
  readonly size: number
  /** Of single learners, on random subsets of N/K samples. */
  readonly predictedBase: number
  /** Median over right predictions' K/2 (p - q), wrong ones -1; null below one half. */
  readonly predictedMedian: number | null
  readonly measuredBase: number
  readonly measured: RobustnessSummary
}

export interface SampleComplexity {
  readonly accuracy: number
  /** n(accuracy), log-interpolated; null when the curve does not reach it. */
  readonly samples: number | null
  /** The smallest size tried reaches it already: n is at most `samples`, the dose at least `dose`. */
  readonly atMost: boolean
  /** 5 % and 95 % over subsets. The upper end is null where it is beyond the largest size. */
  readonly interval: readonly [number, number | null] | null
  /** N / n. */
  readonly dose: number | null
}

export interface LearnerDose {
  readonly name: string
  readonly samples: number
  /** What its radii are a promise against. Never print them without it; null: they are none, they only count votes. */
  readonly threat: ThreatStatement | null
  readonly remarks: readonly string[]
  readonly curve: readonly CurvePoint[]
  readonly complexity: readonly SampleComplexity[]
  readonly rows: readonly DoseRow[]
}

/** How many samples each learner needs, and the radii that follow from it. */
export interface LethalDoseReport {
  /** Format and version of the report. */
  readonly schema: 'videomae.lethal-dose/1'
  /** Random subsets for each size. */
  readonly subsets: number
  /** One for each learner, in the order that was given. */
  readonly learners: readonly LearnerDose[]
  /** Among the K of each learner whose ensemble reaches the target: the largest, and the one with the largest median. */
  readonly matched: readonly {
    readonly target: number
    readonly rows: readonly { readonly name: string; readonly row: DoseRow | null; readonly best: DoseRow | null }[]
  }[]
}

/**
 * What can be refused before anything is trained.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function checkStudy({
  partitions,
  subsets = doseDefaults.subsets,
  accuracies = [],
  targets = [],
}: LethalDoseOptions): void {
  if (partitions.length === 0) throw invalidArgument('partitions', 'positive integers', '')
  for (const k of partitions) requireCount('partitions', k)
  requireDistinct('partitions', partitions)
  requireCount('subsets', subsets)
  if (subsets < 10) throw invalidArgument('subsets', 'an integer of at least 10', subsets)
  for (const [name, values] of Object.entries({ accuracies, targets })) {
    const outside = values.find((value) => !(value >= 0 && value <= 1))
    if (outside !== undefined) throw invalidArgument(name, 'shares from 0 to 1', outside)
    requireDistinct(name, values)
  }
}

/**
 * Measures how many samples each learner needs, and the radii of ensembles.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export async function lethalDose(
  learners: readonly DoseLearner[],
  options: LethalDoseOptions,
): Promise<LethalDoseReport> {
  const { subsets = doseDefaults.subsets, accuracies = doseDefaults.accuracies, seed = 0 } = options
  checkStudy(options)
  if (learners.length === 0) throw invalidArgument('learners', 'at least one', 0)
  const names = learners.map(({ name }) => name)
  requireDistinct('learners', names) // the report tells learners apart by their names
  const partitions = options.partitions.toSorted((a, b) => b - a)
  const fewest = Math.min(...learners.map(({ samples }) => samples))
  if (partitions[0] > fewest) throw invalidArgument('partitions', `integers from 1 to ${fewest}`, partitions[0])
  const doses: LearnerDose[] = []
  for (const learner of learners) {
    const curve: CurvePoint[] = []
    const perSubset: number[][] = []
    const rows: DoseRow[] = []
    for (const k of partitions) {
      options.signal?.throwIfAborted()
      const size = Math.max(1, Math.round(learner.samples / k))
      const drawn = await learner.voteOfSubsets(size, subsets, seed)
      const each = accuracyOfLearners(drawn, learner.labels)
      const accuracy = mean(each)
      curve.push({ size, accuracy, interval: meanInterval(each) })
      perSubset.push(each)
      const real = await learner.voteOfPartitions(k)
      const measured = summarizeRadii(scoredRadii(certifyBallots(real, { rule: partitionRule }), learner.labels))
      rows.push({
        partitions: k,
        size,
        predictedBase: accuracy,
        predictedMedian: predictedMedian(drawn, learner.labels, k),
        measuredBase: mean(accuracyOfLearners(real, learner.labels)),
        measured,
      })
      options.onProgress?.(`${learner.name}: K = ${k}`)
    }
    const sizes = curve.map((point) => point.size)
    doses.push({
      name: learner.name,
      samples: learner.samples,
      threat: learner.threat ?? null,
      remarks: learner.remarks ?? [],
      curve,
      complexity: accuracies.map((accuracy) => complexity(sizes, perSubset, accuracy, learner.samples, seed)),
      rows: rows.reverse(), // ascending K
    })
  }
  const best = Math.min(...doses.map((dose) => Math.max(...dose.rows.map((row) => row.measured.cleanAccuracy))))
  const targets = options.targets ?? [0.9, 0.95, 0.99].map((share) => Number((share * best).toFixed(4)))
  return {
    schema: 'videomae.lethal-dose/1',
    subsets,
    learners: doses,
    matched: targets.map((target) => ({
      target,
      rows: doses.map(({ name, rows }) => {
        const reached = rows.filter((row) => row.measured.cleanAccuracy >= target)
        const best = reached.toSorted((a, b) => (b.measured.medianRadius ?? -1) - (a.measured.medianRadius ?? -1))
        return { name, row: reached[reached.length - 1] ?? null, best: best[0] ?? null }
      }),
    })),
  }
}

function accuracyOfLearners(ballots: Ballots, labels: ArrayLike<number>): number[] {
  const right = new Array<number>(ballots.learners).fill(0)
  for (let t = 0; t < ballots.inputs; t++) {
    const votes = votesOfInput(ballots, t)
    for (let i = 0; i < ballots.learners; i++) if (votes[i] === labels[t]) right[i]++
  }
  return right.map((count) => count / ballots.inputs)
}

function complexity(
  sizes: readonly number[],
  perSubset: readonly (readonly number[])[],
  accuracy: number,
  samples: number,
  seed: number,
): SampleComplexity {
  const n = sizeForAccuracy(sizes, perSubset.map(mean), accuracy)
  const stream = new RandomStream(seed, Math.round(accuracy * 1e6), 'sample complexity')
  return {
    accuracy,
    samples: n,
    atMost: n === sizes[0] && mean(perSubset[0]) > accuracy,
    interval: n === null ? null : sizeInterval(sizes, perSubset, accuracy, stream),
    dose: n === null ? null : samples / n,
  }
}

/** Median over inputs of K/2 (p - q) where the plurality of subset learners is right, -1 elsewhere. */
export function predictedMedian(ballots: Ballots, labels: ArrayLike<number>, partitions: number): number | null {
  const radii = Float64Array.from({ length: ballots.inputs }, (_, t) => {
    const counts = new Int32Array(ballots.classes + 1)
    for (const vote of votesOfInput(ballots, t)) counts[vote]++
    let rival = 0
    for (let c = 0; c < ballots.classes; c++) if (c !== labels[t]) rival = Math.max(rival, counts[c])
    const margin = (counts[labels[t]] - rival) / ballots.learners
    return margin <= 0 ? -1 : (partitions / 2) * margin
  }).sort()
  const median = radii[radii.length >> 1]
  return median < 0 ? null : median
}
