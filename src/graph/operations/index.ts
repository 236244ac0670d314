import type { Operation } from '../operation.ts'
import { addOperation } from './add.ts'
import { attentionOperation } from './attention.ts'
import { attentionGradientOperation } from './attention-gradient.ts'
import { broadcastLeadingOperation } from './broadcast-leading.ts'
import { concatOperation } from './concat.ts'
import { gatherRowsOperation } from './gather-rows.ts'
import { gatherTokensOperation } from './gather-tokens.ts'
import { geluOperation } from './gelu.ts'
import { geluGradientOperation } from './gelu-gradient.ts'
import { layerNormOperation } from './layer-norm.ts'
import { layerNormGradientOperation } from './layer-norm-gradient.ts'
import { linearOperation } from './linear.ts'
import { linearInputGradientOperation } from './linear-input-gradient.ts'
import { linearParameterGradientOperation } from './linear-parameter-gradient.ts'
import { meanSquaredErrorOperation } from './mean-squared-error.ts'
import { meanSquaredErrorGradientOperation } from './mean-squared-error-gradient.ts'
import { meanTokensOperation } from './mean-tokens.ts'
import { meanTokensGradientOperation } from './mean-tokens-gradient.ts'
import { multiplyOperation } from './multiply.ts'
import { padOperation } from './pad.ts'
import { patchTargetsOperation } from './patch-targets.ts'
import { patchifyOperation } from './patchify.ts'
import { reshapeOperation } from './reshape.ts'
import { scaleOperation } from './scale.ts'
import { scaleSamplesOperation } from './scale-samples.ts'
import { scatterTokensOperation } from './scatter-tokens.ts'
import { sliceOperation } from './slice.ts'
import { softmaxOperation } from './softmax.ts'
import { softmaxCrossEntropyOperation } from './softmax-cross-entropy.ts'
import { softmaxCrossEntropyGradientOperation } from './softmax-cross-entropy-gradient.ts'
import { sumLeadingOperation } from './sum-leading.ts'

/** Every operation by its name: what an engine has to know. */
export const operations = {
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
  sumLeading: sumLeadingOperation,
} as const

export type OperationName = keyof typeof operations

/** The definition behind a node's name. */
export function operationNamed(name: string): Operation | undefined {
  return Object.hasOwn(operations, name) ? (operations[name as OperationName] as unknown as Operation) : undefined
}
