/** Which class a column of scores is of, where the names of columns hold the names of classes: `l0_dog`. */
import { parseNumber } from './cells.ts'

export interface ClassColumn {
  /** Index of the class. */
  readonly class: number
  /** The name without the class: that of the learner. */
  readonly rest: string
}

export type ClassColumns =
  | { readonly kind: 'none' }
  | { readonly kind: 'found'; readonly columns: readonly ClassColumn[] }
  | { readonly kind: 'unclear'; readonly why: string }

/** `netDog`, `net_dog` and `Net dog` are the same words. */
const loose = (text: string): string =>
  text
    .normalize('NFC')
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .replace(/[\s_.-]+/g, ' ')
    .trim()
const strict = (text: string): string => text.normalize('NFC').trim()

/** What is left of a name without a word that is in it; null where it is not. */
type Cut = (name: string, word: string) => string | null

const letter = /^\p{L}$/u
const digit = /^\p{N}$/u
/** Whether a word may end between these characters. */
function isBorder(before: string | undefined, after: string | undefined): boolean {
  if (before === undefined || after === undefined) return true
  return !(letter.test(before) && letter.test(after)) && !(digit.test(before) && digit.test(after))
}

const lastWord: Cut = (name, word) => {
  const at = name.length - word.length
  return name.endsWith(word) && isBorder(name[at - 1], word[0]) ? name.slice(0, at).trim() : null
}
const firstWord: Cut = (name, word) =>
  name.startsWith(word) && isBorder(word.at(-1), name[word.length]) ? name.slice(word.length).trim() : null
const anyWord: Cut = (name, word) => {
  for (let at = name.indexOf(word); at >= 0; at = name.indexOf(word, at + 1)) {
    const end = at + word.length
    if (isBorder(name[at - 1], word[0]) && isBorder(word.at(-1), name[end]))
      return `${name.slice(0, at).trim()} ${name.slice(end).trim()}`
  }
  return null
}
const ending: Cut = (name, word) => (name.endsWith(word) ? name.slice(0, -word.length).trim() : null)
const beginning: Cut = (name, word) => (name.startsWith(word) ? name.slice(word.length).trim() : null)

/**
 * Reads classes from the names of columns. They are found only where each learner has each class exactly once.
 *
 * @param names of columns of scores
 * @param classNames in the order of classes
 */
export function classColumns(names: readonly string[], classNames: readonly string[]): ClassColumns {
  const plain = new Set(classNames.map(loose)).size === classNames.length ? loose : strict
  const words = classNames.map(plain)
  if (words.length === 0 || words.includes('')) return { kind: 'none' }
  const plainNames = names.map(plain)
  // A number in a name may count learners as well.
  const numeric = words.some((word) => parseNumber(word) !== undefined)
  const cuts = numeric ? [lastWord, firstWord, anyWord] : [lastWord, firstWord, anyWord, ending, beginning]
  const found = cuts
    .map((cut) => plainNames.map((name) => longest(name, words, cut)))
    .filter((columns) => columns.every((column) => column !== null))
    .filter((columns) => isComplete(columns, words.length))
  const different = new Map(found.map((columns) => [JSON.stringify(columns.map((column) => column.class)), columns]))
  if (different.size === 1) return { kind: 'found', columns: found[0] }
  if (numeric) return { kind: 'none' }
  if (different.size > 1) return { kind: 'unclear', why: 'their names hold several classes' }
  const hits = plainNames.map((name) => longest(name, words, anyWord)?.class)
  const classes = new Set(hits.filter((hit) => hit !== undefined))
  // One word that all names have is no class: the `s` of s0, s1, s2.
  if (classes.size === 0 || (classes.size === 1 && !hits.includes(undefined))) return { kind: 'none' }
  return { kind: 'unclear', why: 'their names hold classes, but not each class once for each base classifier' }
}

/** The longest word of a class at a position: of `l0 black cat` it is `black cat`, and not `cat`. */
function longest(name: string, words: readonly string[], cut: Cut): ClassColumn | null {
  let best: ClassColumn | null = null
  for (const [c, word] of words.entries()) {
    const rest = cut(name, word)
    if (rest !== null && (best === null || word.length > words[best.class].length)) best = { class: c, rest }
  }
  return best
}

function isComplete(columns: readonly ClassColumn[], classes: number): boolean {
  const learners = new Map<string, Set<number>>()
  for (const { class: c, rest } of columns) learners.set(rest, (learners.get(rest) ?? new Set()).add(c))
  return columns.length === learners.size * classes && [...learners.values()].every((had) => had.size === classes)
}
