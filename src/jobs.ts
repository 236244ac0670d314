/**
 * `videomae/jobs`: jobs of the command line next to those of the main entry: data sets, published weights, live pages, dry runs,
 * cross-validation, files of an evaluation. See docs/cli.md.
 */
import './core/require-node.ts'

export { type Duplicates, type DuplicatesOptions, findDuplicates, type SimilarVideos } from './dataset/duplicates.ts'
export type { Folds } from './dataset/folds.ts'
export {
  type OfficialDataset,
  type OfficialList,
  type OfficialName,
  type OfficialOptions,
  officialNames,
  writeOfficialDataset,
} from './dataset/official/official.ts'
export { type SplitData, type SplitDataOptions, splitData } from './dataset/split-data.ts'
export {
  type CrossValidation,
  type CrossValidationOptions,
  crossValidate,
  type FoldResult,
} from './finetune/cross-validation.ts'
export { checkFinetuning } from './finetune/finetune.ts'
export { type GetOptions, type GottenWeights, getWeights } from './hub/get-weights.ts'
export { type HubReference, type KnownWeights, knownWeights } from './hub/reference.ts'
export { writeEvaluation } from './inference/evaluate.ts'
export type { WatchedRun } from './report/live/live-run.ts'
export type { LivePage, LivePageOptions } from './report/live/server.ts'
export { watchRuns } from './report/live/watch-runs.ts'
export type { OpenedVideos } from './train/open-some.ts'
export { checkPretraining } from './train/pretrain.ts'
