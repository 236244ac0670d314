/** The order of columns that the numbers in their names say. */
/** A name, cut into words and numbers: `l0_c12` is `l`, 0, `c`, 12. */
export interface Parts {
  readonly words: readonly string[]
  readonly numbers: readonly number[]
}

export function parts(name: string): Parts {
  const plain = name.toLowerCase().replace(/[\s_.-]/g, ' ')
  return {
    words: plain.split(/\d+/).map((word) => word.replaceAll(' ', '')),
    numbers: [...plain.matchAll(/\d+/g)].map(([digits]) => Number(digits)),
  }
}

/** The words that all names share, where they differ in their numbers only. */
export function familyOf(parsed: readonly Parts[]): readonly string[] | null {
  const [{ words: shared, numbers }] = parsed
  const alike = parsed.every(
    ({ words: mine }) => mine.length === shared.length && mine.every((word, i) => word === shared[i]),
  )
  return alike && numbers.length > 0 ? shared : null
}

/** How many different values each number has. */
export function gridSizes(numbers: readonly (readonly number[])[]): number[] {
  return numbers[0].map((_, axis) => new Set(numbers.map((mine) => mine[axis])).size)
}

/** Whether the numbers are all combinations, each once, of counts from 0 or from 1. */
export function isGrid(numbers: readonly (readonly number[])[]): boolean {
  const sizes = gridSizes(numbers)
  const complete = sizes.reduce((product, size) => product * size, 1) === numbers.length
  const distinct = new Set(numbers.map((mine) => mine.join())).size === numbers.length
  const counted = sizes.every((size, axis) => {
    const least = numbers.reduce((smallest, mine) => Math.min(smallest, mine[axis]), Number.POSITIVE_INFINITY)
    const most = numbers.reduce((largest, mine) => Math.max(largest, mine[axis]), 0)
    return least <= 1 && most - least === size - 1
  })
  return complete && distinct && counted
}

/** Words that stand before the number of a learner, and nowhere before that of a class. */
const learnerOnly = new Set(
  'l learner baselearner m model member clf classifier baseclassifier estimator expert net part partition shard'.split(
    ' ',
  ),
)

export interface Order {
  /** Indices of names, in the order of learners, seeds and classes. */
  readonly order: readonly number[]
  /** Whether the names say this order; otherwise it is that of the file. */
  readonly said: boolean
}

/** Called with what the numbers in the names contradict. */
type Contradicts = (why: string) => never

/**
 * @param parsed names of columns, in the order of the file
 * @param perLearner names that a learner has for each seed: one for each class, or 1
 */
export function orderOf(
  parsed: readonly Parts[],
  { perLearner, seeds }: { readonly perLearner: number; readonly seeds: number },
  contradicts: Contradicts,
): Order {
  const inFile = parsed.map((_, i) => i)
  const family = familyOf(parsed)
  if (family === null) {
    checkUnlike(parsed, perLearner, contradicts)
    return { order: inFile, said: false }
  }
  // A number that all names share counts nothing: `v2_l0`, `v2_l1`.
  const sizes = gridSizes(parsed.map(({ numbers }) => numbers))
  const axes = sizes.flatMap((size, axis) => (size > 1 ? [axis] : []))
  const numbers = parsed.map((each) => axes.map((axis) => each.numbers[axis]))
  if (axes.length === 0) return { order: inFile, said: parsed.length === 1 }
  const words = axes.map((axis) => family[axis])
  if (axes.length > 1 && perLearner * seeds > 1 && !isLearner(words[0]) && words.some(isLearner))
    contradicts('the number of the base classifier is not first in their names')
  if (perLearner > 1 && axes.length > 1 && isLearner(words[axes.length - 1]))
    contradicts('the number of the class is not last in their names')
  const order = isGrid(numbers) ? inFile.toSorted((a, b) => compare(numbers[a], numbers[b])) : inFile
  const ordered = order.map((i) => numbers[i])
  if (ordered.some((mine, i) => i > 0 && compare(ordered[i - 1], mine) >= 0))
    contradicts('the numbers in their names are not in this order')
  if (axes.length > 1) checkBlocks(ordered, perLearner, seeds, contradicts)
  return { order, said: true }
}

const isLearner = (word: string): boolean => learnerOnly.has(word)

/** Several numbers in a name: the last counts the classes of a learner, that before it its seeds. */
function checkBlocks(
  ordered: readonly (readonly number[])[],
  perLearner: number,
  seeds: number,
  contradicts: Contradicts,
): void {
  const depth = ordered[0].length
  const counts = [
    ...(perLearner > 1 ? [{ what: `${perLearner} classes`, axis: depth - 1, size: perLearner }] : []),
    ...(seeds > 1 && depth > (perLearner > 1 ? 2 : 1)
      ? [{ what: `${seeds} seeds`, axis: depth - (perLearner > 1 ? 2 : 1), size: perLearner * seeds }]
      : []),
  ]
  for (const { what, axis, size } of counts) {
    const fits = ordered.every((mine, i) => {
      const first = ordered[i - (i % size)]
      return (
        mine.slice(0, axis).every((number, before) => number === first[before]) &&
        mine[axis] === ordered[i % size][axis]
      )
    })
    if (!fits) contradicts(`the numbers in their names do not count ${what} for each base classifier`)
  }
}

/** Names of several words say no order, but may contradict that of the file. */
function checkUnlike(parsed: readonly Parts[], perLearner: number, contradicts: Contradicts): void {
  const last = new Map<string, readonly number[]>()
  for (const { words, numbers } of parsed) {
    const before = last.get(words.join(' '))
    if (numbers.length > 0 && before !== undefined && compare(before, numbers) >= 0)
      contradicts('the numbers in their names are not in this order')
    last.set(words.join(' '), numbers)
  }
  if (perLearner === 1) return
  const [{ numbers: first }] = parsed
  const numbered = first.length > 0 && parsed.every(({ numbers }) => numbers.length === first.length)
  if (numbered && parsed.some(({ numbers }, i) => i > 0 && compare(parsed[i - 1].numbers, numbers) > 0))
    contradicts('the numbers in their names are not in this order')
  const repeated = new Set(parsed.map(({ numbers }) => numbers.join())).size < parsed.length
  const shared = (i: number) => parsed[i - (i % perLearner)].numbers.join() === parsed[i].numbers.join()
  if (numbered && repeated && !parsed.every((_, i) => shared(i)))
    contradicts(`the numbers in their names are not those of base classifiers with ${perLearner} classes each`)
  const wordsOf = (start: number) => parsed.slice(start, start + perLearner).map(({ words }) => words.join(' '))
  const classes = wordsOf(0)
  for (let start = perLearner; start < parsed.length; start += perLearner) {
    const mine = wordsOf(start)
    if (mine.join() !== classes.join() && mine.toSorted().join() === classes.toSorted().join())
      contradicts('base classifiers have their classes in different orders')
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  const axis = a.findIndex((value, i) => value !== b[i])
  return axis < 0 ? 0 : a[axis] - b[axis]
}
