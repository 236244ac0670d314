/** What an aggregation rule is. A new one is an object of this kind in a file of its own, and an entry in `list.ts`. */

import type { Layout, RunRule } from './names.ts'
import type { CertifiedPrediction } from './plurality.ts'

/** The ensemble whose ballots are counted. */
export interface EnsembleShape {
  readonly classes: number
  readonly learners: number
  /** The learners that bucket 0 reached; [0] but for layout `spread`. */
  readonly offsets: readonly number[]
  /** Encoder groups, for layout `groups`: learners are split evenly, in order. */
  readonly groups: number
  /** Periods that each learner is trained on, for layout `periods`; learners are in order of time, oldest first. */
  readonly coverage: number
}

/** The prediction for one input, and how many poisoned samples it tolerates. */
export interface InputCertificate {
  /** Index of the predicted class. */
  readonly prediction: number
  /** Poisoned samples after which the prediction provably stays. */
  readonly radius: number
  /** Classes that the cheapest conceivable attack has to lift; two only when Run-Off Election breaks in round 1. */
  readonly rivals: readonly number[]
  /** For Run-Off Election: the round in which that attack strikes. */
  readonly round?: 1 | 2
  /** For `groups`: labels changed to another class (instead of videos) after which the prediction provably stays. */
  readonly labelRadius?: number
  /** For `temporal`, where `radius` is the duration: newest periods that may be poisoned without limit. */
  readonly earliness?: number
  /** For `fa_exact`: whether the radius is exact. False: the search was cut short, the radius is a lower bound. */
  readonly exact?: boolean
  /** Learners without a vote on this input. */
  readonly abstentions: number
  /** Of the classes that were asked for, in that order. */
  readonly targets?: readonly TargetedBudget[]
}

/** What it costs to make one class come out. */
export interface TargetedBudget {
  readonly class: number
  /**
   * With fewer poisoned samples this class provably does not come out. 0 where it is the prediction, null where no number of
   * poisoned samples is enough. In the unit of `radius`.
   */
  readonly poisons: number | null
}

/**
 * The certificate of one input.
 *
 * @param votes [learners] first choices; `classes` for an abstention
 * @param ballots [learners, places] ranks
 */
export type CertifyInput = (
  votes: ArrayLike<number>,
  ballots: ArrayLike<number>,
) => Omit<InputCertificate, 'abstentions' | 'targets'>

/**
 * Fewest poisoned samples with which class `target` may come out for one input, or a lower bound of it; infinite where none are
 * enough.
 *
 * @param votes [learners] first choices; `classes` for an abstention
 * @param ballots [learners, places] ranks
 */
export type TargetCost = (votes: ArrayLike<number>, ballots: ArrayLike<number>, target: number) => number

/** Something that an attack has to achieve: the learners that it captures are worth at least `gap` together. */
export interface Condition {
  /** 0 or less: holds without an attack. */
  readonly gap: number
  /** [learners] 0 to 3 */
  readonly worth: Uint8Array
}

/**
 * Ways in which one input may be changed; in each of them, all conditions have to hold.
 *
 * @param votes [learners] first choices; `classes` for an abstention
 * @param ballots [learners, places] ranks
 */
export type WaysToChange = (votes: ArrayLike<number>, ballots: ArrayLike<number>) => readonly (readonly Condition[])[]

/** What an attacker can capture. */
export interface Reach {
  /** How many of the captures an attack may combine. */
  readonly choose: number
  /** Learners of each capture. */
  readonly captures: readonly (readonly number[])[]
}

/** One poisoned training set against a whole test set. */
export interface CollectiveAttack {
  readonly ways: WaysToChange
  /** @param budget poisoned samples, in the unit of the radius */
  reach(budget: number): Reach
}

export interface AggregationRule {
  /** In options and files. */
  readonly name: RunRule
  /** In tables and figures. */
  readonly title: string
  readonly layout: Layout
  /** Whether first choices (`votes`) are enough, or every rank is counted. */
  readonly counts: 'votes' | 'rankings'
  /** Whether the certificates say if the radius is exact. */
  readonly saysExact: boolean
  /** Pattern of its curves, by which the rules on one learner are told apart in figures. */
  readonly stroke: 'solid' | 'dashed' | 'dotted' | 'mixed'
  /** @throws VideoMaeError `INVALID_ARGUMENT` for a shape that does not fit the rule */
  certifier(shape: EnsembleShape): CertifyInput
  /** For the bound on a whole test set (`collective.ts`); null where votes do not say what an attack can do. */
  readonly collective: ((shape: EnsembleShape) => CollectiveAttack) | null
  /** Null where what a class costs does not follow from ballots. */
  readonly targeted: ((shape: EnsembleShape) => TargetCost) | null
}

/** The certificate of a rule that lifts one rival. */
export function ofOneRival({
  prediction,
  radius,
  rival,
}: Pick<CertifiedPrediction, 'prediction' | 'radius' | 'rival'>): Omit<InputCertificate, 'abstentions'> {
  return { prediction, radius, rivals: [rival] }
}
