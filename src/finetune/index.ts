/** Labelled data, features, fine-tuning, evaluation and prediction. See docs/finetuning.md. */
export { type OpenedClassifier, openClassifier, saveClassifier } from './classifier.ts'
export {
  type FinetuneConfiguration,
  type FinetuneInput,
  type FinetuneMode,
  finetuneConfiguration,
  finetuneModes,
  loadFinetuneConfiguration,
} from './configuration.ts'
export { type DatasetOptions, type LabelledDataset, type LabelledVideo, openDataset } from './dataset.ts'
export { type EncoderSource, freshEncoder, openEncoder } from './encoder-source.ts'
export { type Evaluation, evaluateVideos, formatEvaluation, writeEvaluation } from './evaluate.ts'
export { writeFeatureFiles } from './feature-files.ts'
export { type ComputedFeatures, computeFeatures, type FeatureOptions } from './features.ts'
export { type FinetuneOptions, type FinetuneResult, finetune } from './finetune.ts'
export { openAnyClassifier, type Prediction, type PredictOptions, predict } from './predict.ts'
export { accuracyBeside, type Baseline, baselineOf, type Estimate, majorityWarning, wilsonInterval } from './scores.ts'
export {
  partNames,
  partOf,
  type Split,
  type SplitName,
  type SplitOptions,
  selectPart,
  splitDataset,
  splitWarnings,
  videosOfSplit,
} from './split.ts'
export { writeSplitFile } from './split-file.ts'
export {
  formatSplitRecord,
  type LeftOut,
  type LeftOutCode,
  recordOfSplit,
  recordSplit,
  type SplitRecord,
} from './split-record.ts'
export type { TrainedOn } from './trained-on.ts'
