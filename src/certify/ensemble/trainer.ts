/** What tells one kind of base classifier from another. All else about ensembles is in `ensemble.ts`, once for all kinds. */
import type { Ballots } from '../rules/ballot.ts'
import type { SampleSet, TestInputs } from './feature-set.ts'
import type { EnsembleLayout } from './layout.ts'
import type {
  EnsemblePlan,
  LearnerDescription,
  LearnerFamily,
  LearnerRecord,
  LearnerState,
  PoolOptions,
  TrainedEnsemble,
  TrainedLearner,
  VoteOptions,
} from './learners.ts'
import type { Range } from './queue.ts'
import type { LearnerStore } from './store.ts'

export interface EnsembleTrainer<Set extends SampleSet, Inputs extends TestInputs>
  extends Pick<LearnerFamily<Set, Inputs>, 'description' | 'check' | 'poisoned'> {
  readonly description: LearnerDescription
  /**
   * Raise it with every change after which the same description, samples and seed give other bytes (the order of samples, initial
   * weights, a solver): learners of an earlier program that are in a folder are then refused, and not mixed with new ones.
   */
  readonly version: number
  /** @throws VideoMaeError for a plan that these learners cannot have, or that does not fit into memory */
  checkPlan(set: Set, plan: EnsemblePlan): void
  /** What names the content of a row. */
  contentOf(set: Set, row: number): string
  /** Learners that are trained in one go. */
  learnersAtOnce(learners: number, options: PoolOptions): number
  open(layout: EnsembleLayout<Set>): LearnerTraining<Inputs>
}

/** The learners of one layout. */
export interface LearnerTraining<Inputs extends TestInputs> {
  /** SHA-256 that a learner with these weights has. */
  digest(learner: number, states: readonly LearnerState[]): string
  /** Takes over a learner that was trained before. */
  restore(learner: TrainedLearner): void
  /**
   * Trains learners. Each depends on its own samples and number alone, byte for byte.
   *
   * @param onTrained called with each range when it is trained; ends when it is kept
   */
  train(
    ranges: readonly Range[],
    store: LearnerStore,
    options: PoolOptions,
    onTrained: (range: Range, trained: readonly TrainedLearner[]) => Promise<void>,
  ): Promise<void>
  /** Ballots of all learners on inputs `from`..`to` - 1. */
  vote(
    inputs: Inputs,
    range: { readonly from: number; readonly to: number },
    learners: { readonly records: readonly LearnerRecord[]; readonly store: LearnerStore },
    options: VoteOptions,
  ): Promise<Ballots>
  /** What only these learners have, when all are trained. */
  extras?(): Pick<TrainedEnsemble<Inputs>, 'heads' | 'certifyLabelFlips'>
}
