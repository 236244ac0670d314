/** What users call the base classifiers, and what is known of those that an engine trains, without loading what trains them. */
import { type HeadName, headNames } from '../../ensemble/heads/names.ts'

/** Options that some kinds have. */
export type OwnOption = 'lambda' | 'epochs' | 'learningRate' | 'recipe'

export interface EngineKind {
  /** Tokens of the encoder, or frames. */
  readonly reads: 'tokens' | 'frames'
  /** Whether it takes only the sizes of the checkpoint that is named. */
  readonly fresh: boolean
  readonly options: readonly OwnOption[]
}

/** `full`: from the encoder's weights; `scratch`: the same model from fresh weights; `scratch_augmented`: with strong augmentation. */
export const engineKinds = {
  attentive: { reads: 'tokens', fresh: false, options: ['epochs', 'learningRate'] },
  full: { reads: 'frames', fresh: false, options: ['epochs', 'recipe'] },
  scratch: { reads: 'frames', fresh: true, options: ['epochs', 'recipe'] },
  scratch_augmented: { reads: 'frames', fresh: true, options: ['epochs', 'recipe'] },
} as const satisfies Readonly<Record<string, EngineKind>>

export type EngineKindName = keyof typeof engineKinds

/** Names of base classifiers. */
export type LearnerKind = HeadName | EngineKindName

/** All of them. */
export const learnerKinds: readonly LearnerKind[] = [...headNames, ...(Object.keys(engineKinds) as EngineKindName[])]
