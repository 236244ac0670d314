/** The kinds of base learner on frozen features, and what a trained one is. */
import { requireCount } from '../../../core/counts.ts'
import { invalidArgument } from '../../../core/errors.ts'

/** Regularized least squares on one-hot targets, closed form in float64. */
export interface RidgeHead {
  readonly kind: 'ridge'
  /** Added to the diagonal; features of unit length have diagonal 2 (the bias adds 1). Default 0.1. */
  readonly lambda?: number
}

/** The class with the nearest mean of its samples. */
export interface NearestMeanHead {
  readonly kind: 'nearest_mean'
}

/** Multinomial logistic regression: full batch, a fixed number of accelerated gradient steps from zero. */
export interface SoftmaxHead {
  readonly kind: 'softmax'
  /** Default 100. Constant: a stopping rule on pooled data would couple the learners. */
  readonly steps?: number
  /** In units of the inverse curvature bound of the learner's own samples. Default 1. */
  readonly learningRate?: number
  /** Default 0.001. */
  readonly weightDecay?: number
}

export type HeadOptions = (RidgeHead | NearestMeanHead | SoftmaxHead) & {
  /** `unit`: each row scaled to length 1 on its own (default); `none`: as they are. */
  readonly scaling?: 'unit' | 'none'
}

/** Every value filled in: what is recorded and digested. */
export type ResolvedHead =
  | { readonly kind: 'ridge'; readonly lambda: number; readonly scaling: 'unit' | 'none' }
  | { readonly kind: 'nearest_mean'; readonly scaling: 'unit' | 'none' }
  | {
      readonly kind: 'softmax'
      readonly steps: number
      readonly learningRate: number
      readonly weightDecay: number
      readonly scaling: 'unit' | 'none'
    }

export function resolveHead(head: HeadOptions): ResolvedHead {
  const scaling = head.scaling ?? 'unit'
  if (scaling !== 'unit' && scaling !== 'none') throw invalidArgument('head.scaling', '"unit" or "none"', scaling)
  switch (head.kind) {
    case 'ridge': {
      const lambda = head.lambda ?? 0.1
      if (!(lambda > 0 && Number.isFinite(lambda))) throw invalidArgument('head.lambda', 'a positive number', lambda)
      return { kind: 'ridge', lambda, scaling }
    }
    case 'nearest_mean':
      return { kind: 'nearest_mean', scaling }
    case 'softmax': {
      const { steps = 100, learningRate = 1, weightDecay = 0.001 } = head
      requireCount('steps', steps, 'head.steps')
      if (!(learningRate > 0)) throw invalidArgument('head.learningRate', 'a positive number', learningRate)
      if (!(weightDecay >= 0)) throw invalidArgument('head.weightDecay', 'a non-negative number', weightDecay)
      return { kind: 'softmax', steps, learningRate, weightDecay, scaling }
    }
    default:
      throw invalidArgument('head.kind', '"ridge", "nearest_mean" or "softmax"', (head as { kind?: unknown }).kind)
  }
}

/** Numbers of one trained learner: [classes, width + 1], bias last. */
export function weightsLength(classes: number, width: number): number {
  return classes * (width + 1)
}

/** Trained heads: everything that voting needs. */
export interface TrainedHeads {
  readonly head: ResolvedHead
  readonly classes: number
  readonly width: number
  readonly learners: number
  /** [learners, classes, width + 1] float32, bias last. */
  readonly weights: Float32Array
  /** [learners, classes] 1 where a learner has samples of a class; one without any abstains. */
  readonly knows: Uint8Array
}
