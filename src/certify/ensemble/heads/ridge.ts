import { invalidArgument } from '../../../core/errors.ts'
import { trainRidge } from '../../../numeric/ridge.ts'
import type { HeadDefinition, HeadWork } from './head-kind.ts'

/** Regularized least squares on one-hot targets, closed form in float64. */
export interface RidgeHead {
  /** Tells the kinds of heads apart. */
  readonly kind: 'ridge'
  /** Added to the diagonal; features of unit length have diagonal 2 (the bias adds 1). Default 0.1. */
  readonly lambda?: number
}

export const ridge: HeadDefinition<RidgeHead, 'ridge'> = {
  kind: 'ridge',
  name: 'ridge',
  options: ['lambda'],
  resolve({ lambda = 0.1 }) {
    if (!(lambda > 0 && Number.isFinite(lambda))) throw invalidArgument('head.lambda', 'a positive number', lambda)
    return { kind: 'ridge', lambda }
  },
  // The columns of a closed form are independent.
  train: (samples, _own, { lambda }, { matmul, cache }) => trainRidge(samples, lambda, matmul, cache),
  biasWithoutSamples: 0,
  work: ridgeWork,
}

/** Multiplications to solve for all learners, roughly. */
export function ridgeWork({ rows, depth, perLearner }: Omit<HeadWork, 'classes'>): number {
  return rows * depth * Math.min(perLearner, depth)
}
