/** Fine-tuning on labelled videos. See docs/finetuning.md. */

export {
  type FinetuneConfiguration,
  type FinetuneInput,
  type FinetuneMode,
  finetuneConfiguration,
  finetuneModes,
  loadFinetuneConfiguration,
} from './configuration.ts'
export { type FinetuneOptions, type FinetuneResult, finetune } from './finetune.ts'
