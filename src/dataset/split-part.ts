/** The parts that labeled data is divided into. */
export const splitNames = ['train', 'validation', 'test'] as const
export type SplitName = (typeof splitNames)[number]

const aliases: Readonly<Record<string, SplitName>> = {
  train: 'train',
  training: 'train',
  val: 'validation',
  valid: 'validation',
  validation: 'validation',
  validate: 'validation',
  dev: 'validation',
  development: 'validation',
  test: 'test',
  testing: 'test',
}

/** The part that the list or the folder puts a video in; undefined where it says none, or a word that is none of `partNames`. */
export function partOf({ split }: { readonly split?: string }): SplitName | undefined {
  return split === undefined ? undefined : aliases[split.trim().toLowerCase()]
}

/** The words that a split column may have. */
export const partNames: readonly string[] = Object.keys(aliases)
