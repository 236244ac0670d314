/** Use of trained and frozen models: features, evaluation, prediction. See docs/finetuning.md. */

export { type OpenedClassifier, openClassifier, saveClassifier } from './classifier.ts'
export { type EncoderSource, freshEncoder, openEncoder } from './encoder-source.ts'
export { type Evaluation, evaluateVideos, formatEvaluation, writeEvaluation } from './evaluate.ts'
export { writeFeatureFiles } from './feature-files.ts'
export { type ComputedFeatures, computeFeatures, type FeatureOptions } from './features.ts'
export { openAnyClassifier, type Prediction, type PredictOptions, predict } from './predict.ts'
export {
  accuracyBeside,
  type Baseline,
  baselineOf,
  type Estimate,
  majorityWarning,
  wilsonInterval,
} from './scores.ts'
export type { TrainedOn } from './trained-on.ts'
