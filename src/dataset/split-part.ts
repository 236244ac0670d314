import { isUnusedWord, partOfWord, partWords } from '../video/list/part-words.ts'

/** The parts that labeled data is divided into. */
export const splitNames = ['train', 'validation', 'test'] as const
export type SplitName = (typeof splitNames)[number]

/** The part that the list or the folder puts a video in; undefined where it says none, or a word that is none of `partNames`. */
export function partOf({ split }: { readonly split?: string }): SplitName | undefined {
  return split === undefined ? undefined : partOfWord(split)
}

/** The words that a split column may have. */
export const partNames: readonly string[] = Object.keys(partWords)

/** Whether the list says of a video that it is in no part: `unused`, `unlisted` and so on. */
export function isInNoPart({ split }: { readonly split?: string }): boolean {
  return split !== undefined && isUnusedWord(split)
}

/** What to do about rows whose split is none. */
export const splitHint =
  'Correct these rows, or write unused as their split: then finetune, evaluate and certify leave them out. Or ignore the column (finetune: --set data.official=false; evaluate: --split all).'
