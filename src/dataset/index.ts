/** Labelled videos and their splits. See docs/finetuning.md. */

export { type DatasetOptions, type LabelledDataset, type LabelledVideo, openDataset } from './dataset.ts'
export { type Split, type SplitOptions, selectPart, splitDataset, splitWarnings, videosOfSplit } from './split.ts'
export { writeSplitFile } from './split-file.ts'
export { partNames, partOf, type SplitName } from './split-part.ts'
export {
  formatSplitRecord,
  type LeftOut,
  type LeftOutCode,
  recordOfSplit,
  recordSplit,
  type SplitRecord,
} from './split-record.ts'
