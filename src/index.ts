/** The public library: everything the command line can do, typed. Nothing here has side effects at import. */
import './core/require-node.ts'

export * from './certify/index.ts'
export * from './certify/videos/index.ts'
export { type ExitKind, exitCodes, VideoMaeError } from './core/errors.ts'
export type { FrameSize, Resize } from './core/frame-size.ts'
export { RandomStream } from './core/random.ts'
export * from './dataset/index.ts'
export { type DemoOptions, type DemoResult, runDemo } from './demo/demo.ts'
export * from './engine/index.ts'
export type { ExportInput } from './export/check.ts'
export {
  type ClassifierDirectory,
  type ClassifierExport,
  type ClassifierExportOptions,
  exportClassifier,
  exportClassifierDirectory,
} from './export/classifier.ts'
export type { ExportPrecision } from './export/classifier-precision.ts'
export { clipsForCheck } from './export/clips.ts'
export { type ExportOptions, type ExportResult, exportEncoder } from './export/encoder.ts'
export * from './finetune/index.ts'
export { differentiate, Graph, type Program, Tensor } from './graph/index.ts'
export * from './inference/index.ts'
export {
  createDecoderMask,
  createMask,
  type DecoderMaskKind,
  type MaskKind,
  maskCounts,
  type TokenMask,
} from './mask/mask.ts'
export * from './model/index.ts'
export { reconstructionAnimation, reconstructionSheet } from './report/pictures.ts'
export { type ReconstructOptions, type ReconstructResult, reconstruct } from './report/reconstruct.ts'
export { encodeVideo } from './synthetic/encode.ts'
export { type GeneratedDataset, type GenerateOptions, generateMotionDataset } from './synthetic/generate.ts'
export { type MotionClass, motionClasses, renderMotionClip } from './synthetic/motion.ts'
export type { RunConfiguration, RunInput } from './train/configuration.ts'
export {
  type ConfigurationSource,
  loadRunConfiguration,
  type Override,
  parseOverride,
  runConfiguration,
} from './train/configuration-file.ts'
export { type OpenedCheckpoint, openCheckpoint } from './train/open-checkpoint.ts'
export { type ParityLine, type ParityReport, parityTolerances, runParity } from './train/parity.ts'
export { type PretrainOptions, type PretrainResult, planPretraining, pretrain } from './train/pretrain.ts'
export type { TrainingProgress } from './train/progress.ts'
export { recipeFile, recipeNames } from './train/recipes.ts'
export * from './video/index.ts'
