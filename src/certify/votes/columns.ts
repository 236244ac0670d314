/**
 * Which columns of a file are learners. A column that is not surely a learner's never votes: it would add to the lead of a
 * class, and radii would grow without a reason.
 */
import { parseNumber } from './cells.ts'
import { type ClassColumns, classColumns } from './class-words.ts'
import { familyOf, gridSizes, isGrid, orderOf, type Parts, parts } from './column-order.ts'
import type { ReadOptions } from './reading.ts'

export type VotesRole = 'id' | 'index' | 'label'

const words = (text: string): readonly string[] => text.split(' ')

/** Usual names, without blanks, underscores, hyphens and points, in lower case. */
const spellings: Readonly<Record<VotesRole, ReadonlySet<string>>> = {
  id: new Set(
    words(
      'id ids inputid input inputs sampleid sample name names video videoid videoname videopath path paths file filename filepath clip clipid image imageid example exampleid testid testcase caseid uid uuid key itemid item instance',
    ),
  ),
  // What pandas, R, readr and spreadsheets call a column of row numbers or row names.
  index: new Set([
    '',
    ...words('index idx row rows rowid rowname rownames rownumber rowindex unnamed:0 x level0 no nr'),
  ]),
  label: new Set(
    words(
      'label labels truelabel truelabels labeltrue trueclass trueclasses truth groundtruth gt gold goldlabel y ytrue ytest target targets class classes classid classindex classlabel category actual expected reference correct correctlabel correctclass true answer',
    ),
  ),
}

/** What a column with this name is; undefined for learners and for what nobody knows. */
export function votesRoleOf(name: string): VotesRole | undefined {
  const plain = name.trim().toLowerCase()
  if (plain === '...1') return 'index' // readr
  if (parseNumber(plain) !== undefined) return undefined
  const known = plain.replace(/[\s_.-]/g, '')
  return (Object.keys(spellings) as VotesRole[]).find((role) => spellings[role].has(known))
}

/** What comes before the number of a learner: `l3`, `learner_3`, `model 3`. */
const learnerWords = new Set(
  words(
    'l learner baselearner base m model member vote voter learnervote f h head clf classifier baseclassifier estimator expert net network part partition shard pred prediction learnerprediction',
  ),
)
/** The same in a file of scores, where a column is one of several of a learner. */
const scoreWords = new Set([...learnerWords, ...words('s score scores logit logits prob probs probability')])
/** What may stand before the number of a class, or of a seed, inside such a name. */
const classWords = new Set(['', ...words('c class y s score logit prob p label')])
const seedWords = new Set(['', ...words('s seed r run')])

/** Columns of a table, by what they are. */
export interface Columns {
  /** Indices of the columns of learners, in the order of learners. */
  readonly learners: readonly number[]
  readonly reordered: boolean
  /** Which order was taken, where that is worth a look. */
  readonly notes: readonly string[]
  readonly id: number | null
  readonly label: number | null
  readonly notUsed: readonly string[]
}

/** Called with what is wrong with the header, and what to do. */
export type Refuse = (problem: string, hint?: string) => never

/**
 * @param names of the header
 * @param isEmpty whether a column has nothing in it
 */
export function columnsOf(
  names: readonly string[],
  isEmpty: (column: number) => boolean,
  options: ReadOptions,
  refuse: Refuse,
): Columns {
  const notUsed: string[] = []
  const all = names
    .map((_, column) => column)
    .filter((column) => {
      if (names[column] !== '' || !isEmpty(column)) return true
      notUsed.push('an empty column')
      return false
    })
  for (const [column, name] of names.entries()) {
    if (name !== '' && names.indexOf(name) !== column) refuse(`two columns are named ${JSON.stringify(name)}`)
  }
  const named = (what: string, name: string | undefined): number | null => {
    if (name === undefined) return null
    const column = names.indexOf(name.trim())
    if (column >= 0) return column
    return refuse(`no column is named ${JSON.stringify(name)}`, `Columns for ${what}: ${names.join(', ')}.`)
  }
  const [saidId, saidLabel] = [named('--id-column', options.idColumn), named('--label-column', options.labelColumn)]
  const ofRole = (role: VotesRole) =>
    all.filter((column) => column !== saidId && column !== saidLabel && votesRoleOf(names[column]) === role)
  const [ids, indices, labels] = [ofRole('id'), ofRole('index'), ofRole('label')]
  if (saidLabel === null && labels.length > 1)
    refuse(
      `${labels.map((column) => JSON.stringify(names[column])).join(' and ')} may both be the true class`,
      'Say which one it is: --label-column NAME.',
    )
  const label = saidLabel ?? labels[0] ?? null
  const exact = ids.find((column) => names[column].toLowerCase() === 'id')
  const id = saidId ?? exact ?? ids[0] ?? indices[0] ?? null
  const taken = new Set([id, label, ...ids, ...indices, ...labels])
  for (const column of [...ids, ...indices, ...labels])
    if (column !== id && column !== label) notUsed.push(describe(names[column]))
  const rest = all.filter((column) => !taken.has(column))
  return { ...learnersOf(names, rest, options, refuse), id, label, notUsed }
}

function describe(name: string): string {
  return name === '' ? 'row names' : JSON.stringify(name)
}

type Found = Pick<Columns, 'learners' | 'reordered' | 'notes'>

/** The columns that are left must be learners, all of them, by their names or by their number. */
function learnersOf(names: readonly string[], rest: readonly number[], options: ReadOptions, refuse: Refuse): Found {
  const { kind, classes, seeds = 1, learners } = options
  const perLearner = kind === 'scores' ? classes * seeds : 1
  const shown = list(rest.map((column) => describe(names[column])))
  if (rest.length === 0) refuse('it has no column of a base classifier')
  if (learners !== undefined && rest.length !== learners * perLearner)
    refuse(
      `${learners} base classifiers need ${learners * perLearner} columns, but ${rest.length} are left without ids and true classes: ${shown}`,
      'Name the other columns with --id-column and --label-column, or remove them.',
    )
  const parsed = rest.map((column) => parts(names[column]))
  const family = familyOf(parsed)
  if (learners === undefined) {
    const why =
      family === null ? 'their names are not each the same word with a number' : doubt(family, parsed, options)
    if (why !== null)
      refuse(
        `it is not certain that these columns are base classifiers, because ${why}: ${shown}`,
        'If all of them are base classifiers (or scores of base classifiers), in this order, give their number with --learners N. Otherwise name the column of true classes with --label-column, of ids with --id-column, and remove the others.',
      )
  }
  return ordered(names, rest, options, (why) =>
    refuse(
      `${why}: ${shown}`,
      'Put the columns in the order of base classifiers, and of classes for each base classifier, or give them names that fit this order, such as l0_c0, l0_c1, l1_c0.',
    ),
  )
}

/** The columns of learners in the order that their names say, and a note where they say none. */
function ordered(
  names: readonly string[],
  rest: readonly number[],
  { kind, classes, classNames = [], seeds = 1 }: ReadOptions,
  contradicts: (why: string) => never,
): Found {
  const perLearner = kind === 'scores' ? classes : 1
  const byClass: ClassColumns =
    kind === 'scores'
      ? classColumns(
          rest.map((column) => names[column]),
          classNames,
        )
      : { kind: 'none' }
  if (byClass.kind === 'unclear') contradicts(byClass.why)
  if (byClass.kind === 'none') {
    const parsed = rest.map((column) => parts(names[column]))
    const { order, said } = orderOf(parsed, { perLearner, seeds }, contradicts)
    const reordered = order.some((at, i) => at !== i)
    return {
      learners: order.map((i) => rest[i]),
      reordered,
      notes: said ? [] : [fileOrderNote(kind, classes, classNames)],
    }
  }
  const { columns } = byClass
  const learners = [...new Set(columns.map((column) => column.rest))]
  const { order, said } = orderOf(learners.map(parts), { perLearner: 1, seeds }, contradicts)
  const rank = new Map(order.map((at, i) => [learners[at], i]))
  const orderOfColumn = (i: number) => rank.get(columns[i].rest)! * classes + columns[i].class
  const sorted = rest.map((_, i) => i).sort((a, b) => orderOfColumn(a) - orderOfColumn(b))
  const moved = sorted.some((at, i) => at !== i)
  const shown = list(sorted.map((i) => describe(names[rest[i]])))
  return {
    learners: sorted.map((i) => rest[i]),
    reordered: moved && said && learners.length > 1,
    notes: [
      ...(moved ? [`columns are scores of the classes in their names, and were sorted into the order ${shown}`] : []),
      ...(said || learners.length === 1
        ? []
        : ['the names of columns do not give the order of base classifiers, so the order of the file is used']),
    ],
  }
}

/** What is said where no name of a column says what it is. */
export function fileOrderNote(kind: ReadOptions['kind'], classes: number, classNames: readonly string[] = []): string {
  if (kind === 'votes')
    return 'the names of columns do not give the order of base classifiers, so the order of the file is used'
  const order = classNames.length > 0 ? list(classNames) : `0 to ${classes - 1}`
  return `the names of columns do not give their base classifier and class, so the order of the file is used, each base classifier with its classes in the order ${order}`
}

/** Why names that are alike are not surely those of learners; null where they are. */
function doubt(
  family: readonly string[],
  parsed: readonly Parts[],
  { kind, classes, seeds = 1 }: ReadOptions,
): string | null {
  const [first, ...between] = family
  const depth = family.length - 1 // numbers in a name; the last word comes after the last of them
  const known = kind === 'scores' ? scoreWords : learnerWords
  // `0, 1, 2` and R's `V1, V2` are what tables without names of columns get.
  if (first === '') return 'their names are numbers, which any column may have'
  if (!known.has(first) || between[depth - 1] !== '')
    return `"${family.filter((word) => word !== '').join(' ')}" is not a usual name of base classifiers`
  const numbers = parsed.map((part) => part.numbers)
  if (!isGrid(numbers)) return 'the numbers in their names are not 0, 1, 2, ... or 1, 2, 3, ... without a gap'
  if (kind === 'votes') return depth === 1 ? null : 'their names have several numbers'
  const sizes = gridSizes(numbers)
  const perLearner = classes * seeds
  if (depth === 1)
    return parsed.length % perLearner === 0 ? null : `${parsed.length} is not a multiple of ${perLearner} scores`
  if (!classWords.has(family[depth - 1]) || sizes[depth - 1] !== classes)
    return `the last number in their names does not count ${classes} classes`
  if (depth === 2) return seeds === 1 ? null : 'their names have no number of the seed'
  return depth === 3 && sizes[1] === seeds && seedWords.has(family[1])
    ? null
    : `their names do not count base classifiers, ${seeds} seeds and classes`
}

function list(names: readonly string[]): string {
  return names.length <= 8 ? names.join(', ') : `${names.slice(0, 6).join(', ')}, ... ${names[names.length - 1]}`
}
