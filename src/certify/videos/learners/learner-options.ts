/**
 * The base classifiers that a user may name, and what is known of each without loading what trains it. A head brings its own facts
 * (`ensemble/heads/list.ts`); a learner that an engine trains has a line in `names.ts` and a trainer in this folder.
 */

import { requireCount } from '../../../core/counts.ts'
import { invalidArgument, VideoMaeError } from '../../../core/errors.ts'
import type { FinetuneConfiguration } from '../../../finetune/configuration.ts'
import { optionsOfHead } from '../../ensemble/heads/list.ts'
import { type HeadName, headNames } from '../../ensemble/heads/names.ts'
import { rulesOfLayout } from '../../rules/names.ts'
import { type EngineKind, type EngineKindName, engineKinds, type LearnerKind, learnerKinds } from './names.ts'

export { type LearnerKind, learnerKinds } from './names.ts'

/** Kind of the base classifiers and how they are trained. */
export interface LearnerOptions {
  /** What the base classifiers are. */
  readonly kind: LearnerKind
  /** `ridge`: added to the diagonal. Default 0.1. */
  readonly lambda?: number
  /** Passes over the samples of a learner: `attentive` (default 20), `full` and `scratch` (default 30). */
  readonly epochs?: number
  /** `attentive`: peak learning rate. Default 1e-3. */
  readonly learningRate?: number
  /** `full` and `scratch`: a fine-tuning recipe instead of the usual values. */
  readonly recipe?: FinetuneConfiguration
  /** Of everything that learners draw at random. Default 0. */
  readonly seed?: number
}

/** Heads in closed form or by full-batch steps, on one row of features a clip. */
export type HeadKind = HeadName
export type FrameLearnerKind = {
  [Name in EngineKindName]: (typeof engineKinds)[Name]['reads'] extends 'frames' ? Name : never
}[EngineKindName]
/** Null for a head. */
function engineKind(kind: LearnerKind): EngineKind | null {
  return Object.hasOwn(engineKinds, kind) ? engineKinds[kind as EngineKindName] : null
}

/** Whether learners of a kind are heads on features; the others are networks that an engine trains. */
export function isHeadKind(kind: LearnerKind): kind is HeadKind {
  return headNames.some((name) => name === kind)
}

export function isFrameKind(kind: LearnerKind): kind is FrameLearnerKind {
  return engineKind(kind)?.reads === 'frames'
}

/** Whether the learner takes only the sizes of the checkpoint that is named. */
export function startsFresh(kind: LearnerKind): boolean {
  return engineKind(kind)?.fresh === true
}

const optionsOf = (kind: LearnerKind): readonly string[] =>
  isHeadKind(kind) ? optionsOfHead(kind) : (engineKind(kind)?.options ?? [])

const ownNames = ['lambda', 'epochs', 'learningRate', 'recipe'] as const

/** @throws VideoMaeError `INVALID_ARGUMENT` for an option that this learner does not have */
export function checkLearner(learner: LearnerOptions): void {
  const { kind, epochs } = learner
  if (!learnerKinds.includes(kind)) throw invalidArgument('learner', `one of ${learnerKinds.join(', ')}`, kind)
  for (const name of ownNames) {
    if (learner[name] === undefined || optionsOf(kind).includes(name)) continue
    const others = learnerKinds.filter((other) => optionsOf(other).includes(name))
    throw invalidArgument(name, `a base classifier of kind ${others.join(', ')}`, kind)
  }
  if (epochs !== undefined) requireCount('epochs', epochs)
}

/**
 * Without the options that its kind does not have, for several kinds of learners under one set of options.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for an unknown kind
 */
export function ownOptions(learner: LearnerOptions): LearnerOptions {
  const { kind, seed } = learner
  const own = optionsOf(kind)
  return {
    kind,
    seed,
    ...Object.fromEntries(ownNames.map((name) => [name, own.includes(name) ? learner[name] : undefined])),
  }
}

/** Learners on tokens or frames, where each group of partitions would need another encoder. */
export function notGrouped(kind: string): VideoMaeError {
  return new VideoMaeError(
    `Expected heads on pooled features with encoders of groups, but the base classifiers are ${kind}.`,
    {
      code: 'LEARNER_NOT_GROUPED',
      exit: 'usage',
      hint: `Use --learner ${headNames.join(', ')} with rule ${rulesOfLayout('groups')}, or base classifiers from scratch with another rule: they share no encoder.`,
    },
  )
}
