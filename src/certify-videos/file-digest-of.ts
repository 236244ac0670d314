import type { LabelledVideo } from '../finetune/dataset.ts'

/** SHA-256 of the whole file; parts of one file share it, and so one bucket. */
export function fileDigestOf({ digest }: Pick<LabelledVideo, 'digest'>): string {
  return (digest ?? '').slice(0, 64)
}
