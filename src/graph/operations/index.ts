import type { Operation } from '../graph.ts'
import { attentionGradientOperation, attentionOperation } from './attention.ts'
import {
  absoluteOperation,
  addOperation,
  geluGradientOperation,
  geluOperation,
  multiplyOperation,
  scaleOperation,
  scaleSamplesOperation,
  squareRootOperation,
} from './elementwise.ts'
import { layerNormGradientOperation, layerNormOperation } from './layer-norm.ts'
import { linearInputGradientOperation, linearOperation, linearParameterGradientOperation } from './linear.ts'
import {
  meanSquaredErrorGradientOperation,
  meanSquaredErrorOperation,
  softmaxCrossEntropyGradientOperation,
  softmaxCrossEntropyOperation,
  softmaxOperation,
} from './losses.ts'
import {
  concatOperation,
  gatherRowsOperation,
  gatherTokensOperation,
  padOperation,
  reshapeOperation,
  scatterTokensOperation,
  sliceOperation,
} from './movement.ts'
import { patchifyOperation, patchTargetsOperation } from './patches.ts'
import {
  broadcastLeadingOperation,
  meanTokensGradientOperation,
  meanTokensOperation,
  sumLeadingOperation,
} from './reductions.ts'

/** Every operation by its name: what an engine has to know. */
export const operations = {
  absolute: absoluteOperation,
  add: addOperation,
  attentionGradient: attentionGradientOperation,
  attention: attentionOperation,
  broadcastLeading: broadcastLeadingOperation,
  concat: concatOperation,
  gatherRows: gatherRowsOperation,
  gatherTokens: gatherTokensOperation,
  geluGradient: geluGradientOperation,
  gelu: geluOperation,
  layerNormGradient: layerNormGradientOperation,
  layerNorm: layerNormOperation,
  linearInputGradient: linearInputGradientOperation,
  linearParameterGradient: linearParameterGradientOperation,
  linear: linearOperation,
  meanSquaredErrorGradient: meanSquaredErrorGradientOperation,
  meanSquaredError: meanSquaredErrorOperation,
  meanTokensGradient: meanTokensGradientOperation,
  meanTokens: meanTokensOperation,
  multiply: multiplyOperation,
  pad: padOperation,
  patchTargets: patchTargetsOperation,
  patchify: patchifyOperation,
  reshape: reshapeOperation,
  scaleSamples: scaleSamplesOperation,
  scale: scaleOperation,
  scatterTokens: scatterTokensOperation,
  slice: sliceOperation,
  softmaxCrossEntropyGradient: softmaxCrossEntropyGradientOperation,
  softmaxCrossEntropy: softmaxCrossEntropyOperation,
  softmax: softmaxOperation,
  squareRoot: squareRootOperation,
  sumLeading: sumLeadingOperation,
} as const

export type OperationName = keyof typeof operations

/** The definition behind a node's name. */
export function operationNamed(name: string): Operation | undefined {
  return Object.hasOwn(operations, name) ? (operations[name as OperationName] as unknown as Operation) : undefined
}
