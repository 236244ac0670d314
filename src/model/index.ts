/** Models as functions on graphs, the programs that train and use them, and their files. */
export {
  buildClassifyProgram,
  buildFinetuneProgram,
  buildHeadProgram,
  type ClassifyProgramOptions,
  type FinetuneProgramOptions,
  type HeadProgramOptions,
} from './classify.ts'
export {
  clipShape,
  frameSize,
  imagenetMean,
  imagenetStd,
  type ModelConfiguration,
  type ModelOptions,
  originalEpsilon,
  type PositionKind,
  positionKinds,
  resolveConfiguration,
  type TransformerOptions,
  type TransformerSize,
  tokenGrid,
  tokensPerClip,
  valuesPerPatch,
} from './configuration.ts'
export { dropoutFactors, dropPathFactors, dropPathRates, dropsPaths } from './drop-path.ts'
export { buildEncodeProgram, type ClipOptions, clipInput, type EncodeProgramOptions } from './encode-program.ts'
export type { NormPolicy } from './huggingface.ts'
export { type InitialisationScheme, initialise } from './initialise.ts'
export { type LoadedCheckpoint, type LoadOptions, loadCheckpointDirectory } from './load-checkpoint.ts'
export { meanPredictionLoss } from './mean-loss.ts'
export type { ModelState, ParameterShapes } from './model-state.ts'
export { hidePatches, type PaintOptions, paintPatches } from './paint-patches.ts'
export {
  decays,
  layerWiseScale,
  type ModelKind,
  modelKinds,
  parameterCount,
  parameterShapes,
  shapesOf,
} from './parameters.ts'
export {
  factoredPositions,
  interpolatePositions,
  positionTable,
  sinCosPositions,
  withPositionsFor,
} from './positions.ts'
export { type PresetName, type PresetOptions, presetConfiguration, presetHeads, presetNames } from './presets.ts'
export {
  buildPretrainProgram,
  buildReconstructProgram,
  type PretrainObjective,
  type PretrainProgramOptions,
  type PretrainTokens,
} from './pretrain.ts'
export { type SavedModel, saveCheckpointDirectory, toHuggingFaceTensors } from './save-checkpoint.ts'
export {
  gradientOutput,
  type OptimiserOptions,
  stateNames,
  stepName,
  type TrainingOutputs,
  type TrainingPrograms,
  trainingPrograms,
  withAverages,
} from './training-programs.ts'
