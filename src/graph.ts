/** `videomae/graph`: graphs, operations, differentiation, programs, and the engines that run them. */
import './core/require-node.ts'

export {
  type Availability,
  type Engine,
  type EngineOptions,
  type EngineSession,
  engineNamed,
  engineNames,
  type InputValue,
  listEngines,
  type MemoryUse,
  type RunInputs,
  type RunOutputs,
} from './engine/index.ts'
export { differentiate } from './graph/differentiate.ts'
export { type GradientContext, type GradientRule, Graph, type Operation, Tensor } from './graph/graph.ts'
export {
  type AttentionAttributes,
  type AttentionSizes,
  attention,
  attentionSizes,
} from './graph/operations/attention.ts'
export {
  absolute,
  add,
  gelu,
  multiply,
  type ScaleAttributes,
  scale,
  scaleSamples,
  squareRoot,
} from './graph/operations/elementwise.ts'
export { type LayerNormAttributes, layerNorm } from './graph/operations/layer-norm.ts'
export { linear } from './graph/operations/linear.ts'
export { meanSquaredError, softmax, softmaxCrossEntropy } from './graph/operations/losses.ts'
export {
  type ConcatAttributes,
  concat,
  gatherRows,
  gatherTokens,
  type PadAttributes,
  pad,
  type ReshapeAttributes,
  reshape,
  type ScatterTokensAttributes,
  type SliceAttributes,
  scatterTokens,
  slice,
} from './graph/operations/movement.ts'
export {
  type PatchAttributes,
  type PatchGrid,
  type PatchifyAttributes,
  type PatchTargetsAttributes,
  patchGrid,
  patchify,
  patchTargets,
} from './graph/operations/patches.ts'
export {
  type BroadcastLeadingAttributes,
  broadcastLeading,
  meanTokens,
  type SumLeadingAttributes,
  sumLeading,
} from './graph/operations/reductions.ts'
export {
  type AccumulateUpdate,
  type AdamwEntry,
  type AdamwUpdate,
  type Attributes,
  type AttributeValue,
  type DataType,
  type EmaUpdate,
  elementCount,
  formatSpec,
  type GradientSource,
  type NamedTensor,
  type Program,
  type ProgramConstant,
  type ProgramNode,
  sameShape,
  type TensorId,
  type TensorSpec,
  type Update,
  type ZeroUpdate,
} from './graph/program.ts'
