/** The base learners that a user may name. */

import { requireCount } from '../../../core/counts.ts'
import { invalidArgument, VideoMaeError } from '../../../core/errors.ts'
import type { FinetuneConfiguration } from '../../../finetune/configuration.ts'
import { headLearners } from '../../ensemble/heads/family.ts'
import type { HeadOptions } from '../../ensemble/heads/list.ts'
import { type FrameLearnerKind, frameLearnerKinds } from './from-frames.ts'

/** Heads in closed form or by full-batch steps, on one row of features a clip. */
const headKinds = ['ridge', 'nearest_mean', 'linear'] as const
export type HeadKind = (typeof headKinds)[number]

/** All of them: `attentive` reads the tokens of the encoder, the last three the frames. */
export const learnerKinds = [...headKinds, 'attentive', ...frameLearnerKinds] as const
export type LearnerKind = (typeof learnerKinds)[number]

export interface LearnerOptions {
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

export function isHeadKind(kind: LearnerKind): kind is HeadKind {
  return headKinds.some((name) => name === kind)
}

export function isFrameKind(kind: LearnerKind): kind is FrameLearnerKind {
  return frameLearnerKinds.some((name) => name === kind)
}

/** Whether the learner takes only the sizes of the checkpoint that is named. */
export function startsFresh(kind: LearnerKind): boolean {
  return kind === 'scratch' || kind === 'scratch_augmented'
}

/** @throws VideoMaeError `INVALID_ARGUMENT` for an option that this learner does not have */
export function checkLearner({ kind, lambda, epochs, learningRate, recipe }: LearnerOptions): void {
  if (!learnerKinds.includes(kind)) throw invalidArgument('learner', `one of ${learnerKinds.join(', ')}`, kind)
  const refuse = (name: string, value: unknown, whose: string) => {
    if (value !== undefined) throw invalidArgument(name, `a learner of kind ${whose}`, kind)
  }
  if (kind !== 'ridge') refuse('lambda', lambda, 'ridge')
  if (epochs !== undefined) requireCount('epochs', epochs)
  if (isHeadKind(kind)) refuse('epochs', epochs, 'attentive, full or scratch')
  if (kind !== 'attentive') refuse('learningRate', learningRate, 'attentive')
  if (!isFrameKind(kind)) refuse('recipe', recipe, 'full or scratch')
}

/** Without the options that its kind does not have, for several kinds of learners under one set of options. */
export function ownOptions({ kind, lambda, epochs, learningRate, recipe, seed }: LearnerOptions): LearnerOptions {
  return {
    kind,
    seed,
    lambda: kind === 'ridge' ? lambda : undefined,
    epochs: isHeadKind(kind) ? undefined : epochs,
    learningRate: kind === 'attentive' ? learningRate : undefined,
    recipe: isFrameKind(kind) ? recipe : undefined,
  }
}

/** Learners on tokens or frames, where each group of partitions would need another encoder. */
export function notGrouped(kind: string): VideoMaeError {
  return new VideoMaeError(`Expected heads on pooled features with encoders of groups, but the learners are ${kind}.`, {
    code: 'LEARNER_NOT_GROUPED',
    exit: 'usage',
    hint: `Take --learner ${headKinds.join(', ')} with rule groups; or learners from scratch with another rule: they share no encoder.`,
  })
}

/** @throws VideoMaeError `INVALID_ARGUMENT` */
export function headFamilyOf(kind: HeadKind, lambda?: number) {
  const head: HeadOptions = kind === 'ridge' ? { kind, lambda } : kind === 'linear' ? { kind: 'softmax' } : { kind }
  return headLearners(head)
}
