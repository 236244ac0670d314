import type { OperationName } from '../../../graph/operations/index.ts'
import { add } from './add.ts'
import { attention } from './attention.ts'
import { attentionGradient } from './attention-gradient.ts'
import { broadcastLeading } from './broadcast-leading.ts'
import { concat } from './concat.ts'
import type { LoweringRule } from './context.ts'
import { gatherRows } from './gather-rows.ts'
import { gatherTokens } from './gather-tokens.ts'
import { gelu } from './gelu.ts'
import { geluGradient } from './gelu-gradient.ts'
import { layerNorm } from './layer-norm.ts'
import { layerNormGradient } from './layer-norm-gradient.ts'
import { linear } from './linear.ts'
import { linearInputGradient } from './linear-input-gradient.ts'
import { linearParameterGradient } from './linear-parameter-gradient.ts'
import { meanSquaredError } from './mean-squared-error.ts'
import { meanSquaredErrorGradient } from './mean-squared-error-gradient.ts'
import { meanTokens } from './mean-tokens.ts'
import { meanTokensGradient } from './mean-tokens-gradient.ts'
import { multiply } from './multiply.ts'
import { pad } from './pad.ts'
import { patchTargets } from './patch-targets.ts'
import { patchify } from './patchify.ts'
import { reshape } from './reshape.ts'
import { scale } from './scale.ts'
import { scaleSamples } from './scale-samples.ts'
import { scatterTokens } from './scatter-tokens.ts'
import { slice } from './slice.ts'
import { softmax } from './softmax.ts'
import { softmaxCrossEntropy } from './softmax-cross-entropy.ts'
import { softmaxCrossEntropyGradient } from './softmax-cross-entropy-gradient.ts'
import { sumLeading } from './sum-leading.ts'

/** How every operation becomes ONNX nodes. */
export const loweringRules: { readonly [K in OperationName]: LoweringRule } = {
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
  sumLeading,
}
