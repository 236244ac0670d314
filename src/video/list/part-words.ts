/** Words for the parts that labeled data is divided into. */
export const partWords = {
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
} as const

/** A part, whatever it was called; undefined for a word that is none of `partWords`. */
export function partOfWord(word: string): (typeof partWords)[keyof typeof partWords] | undefined {
  const key = word.trim().toLowerCase()
  return Object.hasOwn(partWords, key) ? partWords[key as keyof typeof partWords] : undefined
}

/** Words for rows that are in no part. They differ enough from those of parts that no misspelt part is one of them. */
export const unusedWords = ['unused', 'unlisted', 'excluded', 'ignored', 'none'] as const

/** Whether a list says of a row that it is in no part. */
export function isUnusedWord(word: string): boolean {
  const key = word.trim().toLowerCase()
  return unusedWords.some((unused) => unused === key)
}
