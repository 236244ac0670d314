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
