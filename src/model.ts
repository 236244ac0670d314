/** `videomae/model`: masks, configurations, presets, parameters, checkpoint folders, models as programs,
 * and the description of an exported file. See docs/model.md and docs/onnx.md. */
import './core/require-node.ts'

export { RandomStream } from './core/random.ts'
export type { OnnxSidecar } from './export/sidecar.ts'
export {
  createDecoderMask,
  createMask,
  type DecoderMaskKind,
  type MaskKind,
  maskCounts,
  type TokenMask,
} from './mask/mask.ts'
export {
  buildClassifyProgram,
  buildFinetuneProgram,
  buildHeadProgram,
  type ClassifyProgramOptions,
  type FinetuneProgramOptions,
  type HeadProgramOptions,
} from './model/classify.ts'
export {
  clipShape,
  frameSize,
  imagenetMean,
  imagenetStd,
  type ModelConfiguration,
  type ModelOptions,
  type PositionKind,
  positionKinds,
  resolveConfiguration,
  type TransformerOptions,
  type TransformerSize,
  tokenGrid,
  tokensPerClip,
  valuesPerPatch,
} from './model/configuration.ts'
export { dropPathRates } from './model/drop-path.ts'
export {
  buildEncodeProgram,
  buildPatchProgram,
  type ClipOptions,
  type EncodeProgramOptions,
  type PatchGeometry,
} from './model/encode-program.ts'
export type { NormPolicy } from './model/huggingface.ts'
export { type InitializationScheme, initialize } from './model/initialize.ts'
export { type LoadedCheckpoint, type LoadOptions, loadCheckpointDirectory } from './model/load-checkpoint.ts'
export { meanPredictionLoss } from './model/mean-loss.ts'
export type { ModelState, ParameterShapes } from './model/model-state.ts'
export { hidePatches, type PaintOptions, paintPatches } from './model/paint-patches.ts'
export {
  layerWiseScale,
  type ModelKind,
  modelKinds,
  parameterCount,
  parameterShapes,
} from './model/parameters.ts'
export { factoredPositions, interpolatePositions, sinCosPositions } from './model/positions.ts'
export { type PresetName, type PresetOptions, presetConfiguration, presetHeads, presetNames } from './model/presets.ts'
export {
  buildPretrainProgram,
  buildReconstructProgram,
  type PretrainObjective,
  type PretrainProgramOptions,
  type PretrainTokens,
} from './model/pretrain.ts'
export { readoutWidth, readTokens } from './model/readout.ts'
export { type ReadoutKind, readoutKinds, readoutName } from './model/readout-name.ts'
export { type SavedModel, saveCheckpointDirectory, toHuggingFaceTensors } from './model/save-checkpoint.ts'
export {
  type OptimizerOptions,
  type TrainingOutputs,
  type TrainingPrograms,
  trainingPrograms,
} from './model/training-programs.ts'
export { type OpenedCheckpoint, openCheckpoint } from './train/open-checkpoint.ts'
