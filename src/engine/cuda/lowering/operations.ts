import type { OperationLowerings } from '../../plan/lower-in-order.ts'
import { lowerAttention, lowerAttentionGradient } from './attention.ts'
import { lowerGelu, lowerGeluGradient, lowerPair, lowerScale, lowerScaleSamples, lowerUnary } from './elementwise.ts'
import { lowerLayerNorm, lowerLayerNormGradient } from './layer-norm.ts'
import { lowerLinear, lowerLinearGelu, lowerLinearInputGradient, lowerLinearParameterGradient } from './linear.ts'
import {
  lowerMeanSquaredError,
  lowerMeanSquaredErrorGradient,
  lowerSoftmax,
  lowerSoftmaxCrossEntropy,
  lowerSoftmaxCrossEntropyGradient,
} from './losses.ts'
import type { Lowering } from './lowering.ts'
import { lowerConcat, lowerGather, lowerPad, lowerReshape, lowerScatterTokens, lowerSlice } from './movement.ts'
import { lowerPatchify, lowerPatchTargets } from './patches.ts'
import { lowerBroadcastLeading, lowerMeanTokens, lowerMeanTokensGradient, lowerSumLeading } from './reductions.ts'

export const operationLowerings: OperationLowerings<Lowering> = {
  absolute: lowerUnary,
  add: lowerPair,
  attention: lowerAttention,
  attentionGradient: lowerAttentionGradient,
  broadcastLeading: lowerBroadcastLeading,
  concat: lowerConcat,
  gatherRows: lowerGather,
  gatherTokens: lowerGather,
  gelu: lowerGelu,
  geluGradient: lowerGeluGradient,
  layerNorm: lowerLayerNorm,
  layerNormGradient: lowerLayerNormGradient,
  layerNormGradientAdd: lowerLayerNormGradient,
  linear: lowerLinear,
  linearAdd: lowerLinear,
  linearGelu: lowerLinearGelu,
  linearInputGradient: lowerLinearInputGradient,
  linearInputGradientGelu: lowerLinearInputGradient,
  linearParameterGradient: lowerLinearParameterGradient,
  meanSquaredError: lowerMeanSquaredError,
  meanSquaredErrorGradient: lowerMeanSquaredErrorGradient,
  meanTokens: lowerMeanTokens,
  meanTokensGradient: lowerMeanTokensGradient,
  multiply: lowerPair,
  pad: lowerPad,
  patchTargets: lowerPatchTargets,
  patchify: lowerPatchify,
  reshape: lowerReshape,
  scale: lowerScale,
  scaleSamples: lowerScaleSamples,
  scatterTokens: lowerScatterTokens,
  slice: lowerSlice,
  softmax: lowerSoftmax,
  softmaxCrossEntropy: lowerSoftmaxCrossEntropy,
  softmaxCrossEntropyGradient: lowerSoftmaxCrossEntropyGradient,
  squareRoot: lowerUnary,
  sumLeading: lowerSumLeading,
}
