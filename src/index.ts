/**
 * `videomae`: the main jobs of the command line as functions. Nothing here has side effects at import.
 *
 * Entries of their own: `videomae/certify`, `videomae/graph` (graphs and engines), `videomae/jobs` (other jobs of the command line), `videomae/model`, `videomae/video`.
 */
import './core/require-node.ts'

export { auditVideos } from './certify/videos/audit-videos.ts'
export { type CertifiedVideos, type CertifyVideosJob, certifyVideos } from './certify/videos/certify-videos.ts'
export { lethalDoseOfVideos } from './certify/videos/dose-videos.ts'
export { exitCodes, VideoMaeError } from './core/errors.ts'
export { type DatasetOptions, type LabeledDataset, type LabeledVideo, openDataset } from './dataset/dataset.ts'
export { videosOfSplit } from './dataset/split.ts'
export { type DemoOptions, type DemoResult, runDemo } from './demo/demo.ts'
export {
  type ClassifierExport,
  type ClassifierExportOptions,
  exportClassifier,
  exportClassifierDirectory,
} from './export/classifier.ts'
export { type CompareExportOptions, compareExport, type ExportComparison } from './export/compare.ts'
export { type ExportOptions, type ExportResult, exportEncoder } from './export/encoder.ts'
export {
  type FinetuneConfiguration,
  type FinetuneInput,
  finetuneConfiguration,
  loadFinetuneConfiguration,
} from './finetune/configuration.ts'
export { type FinetuneOptions, type FinetuneResult, finetune } from './finetune/finetune.ts'
export { type EncoderSource, openEncoder } from './inference/encoder.ts'
export { type Evaluation, evaluateVideos } from './inference/evaluate.ts'
export { type ComputedFeatures, computeFeatures, type FeatureOptions } from './inference/features.ts'
export {
  type OpenClassifier,
  openAnyClassifier,
  type Prediction,
  type PredictOptions,
  predict,
} from './inference/predict.ts'
export { type ReconstructOptions, type ReconstructResult, reconstruct } from './report/reconstruct.ts'
export { writeReport } from './report/results/write-report.ts'
export type { RunConfiguration, RunInput } from './train/configuration.ts'
export { loadRunConfiguration, parseOverride, runConfiguration } from './train/configuration-file.ts'
export { type PretrainOptions, type PretrainResult, planPretraining, pretrain } from './train/pretrain.ts'
export type { TrainingProgress } from './train/progress.ts'
export { recipeFile, recipeNames } from './train/recipes.ts'
