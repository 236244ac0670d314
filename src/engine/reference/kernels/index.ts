import type { OperationName } from '../../../graph/operations/index.ts'
import type { KernelOf, ReferenceKernel } from '../kernel.ts'
import { attention, attentionGradient } from './attention.ts'
import { absolute, add, gelu, geluGradient, multiply, scale, scaleSamples, squareRoot } from './elementwise.ts'
import { layerNorm, layerNormGradient } from './layer-norm.ts'
import { linear, linearInputGradient, linearParameterGradient } from './linear.ts'
import {
  meanSquaredError,
  meanSquaredErrorGradient,
  softmax,
  softmaxCrossEntropy,
  softmaxCrossEntropyGradient,
} from './losses.ts'
import { concat, gatherRows, gatherTokens, pad, reshape, scatterTokens, slice } from './movement.ts'
import { patchify, patchTargets } from './patches.ts'
import { broadcastLeading, meanTokens, meanTokensGradient, sumLeading } from './reductions.ts'

const kernels: { readonly [K in OperationName]: KernelOf<K> } = {
  absolute,
  add,
  attention,
  attentionGradient,
  broadcastLeading,
  concat,
  gatherRows,
  gatherTokens,
  gelu,
  geluGradient,
  layerNorm,
  layerNormGradient,
  linear,
  linearInputGradient,
  linearParameterGradient,
  meanSquaredError,
  meanSquaredErrorGradient,
  meanTokens,
  meanTokensGradient,
  multiply,
  pad,
  patchTargets,
  patchify,
  reshape,
  scale,
  scaleSamples,
  scatterTokens,
  slice,
  softmax,
  softmaxCrossEntropy,
  softmaxCrossEntropyGradient,
  squareRoot,
  sumLeading,
}

/** The kernel behind a node's name. A node carries the attributes that its operation was recorded with. */
export function kernelNamed(name: OperationName): ReferenceKernel {
  return kernels[name] as unknown as ReferenceKernel
}
