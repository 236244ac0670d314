/** Votes or scores of any other system, to certify those. */
import path from 'node:path'
import { requireCount } from '../core/counts.ts'
import { invalidArgument } from '../core/errors.ts'
import { scoredRadii } from './certify.ts'
import type { StoredBallots } from './files/stored-votes.ts'
import { type Ballots, emptyBallots, writeBallot } from './rules/ballot.ts'
import { certifyBallots, type RuleOptions } from './rules/certify-ballots.ts'
import type { CollectiveRow } from './rules/collective.ts'
import { exactRadii, needsGroups, needsPeriods, needsSpread } from './rules/list.ts'
import { type RobustnessSummary, summarizeRadii } from './rules/metrics.ts'
import { checkClasses } from './rules/plurality.ts'
import type { InputCertificate } from './rules/rule.ts'
import { summarizeTargets, type TargetedSummary } from './rules/targeted-summary.ts'
import { abstention, ClassReader, ScoreReader } from './votes/cells.ts'
import { readVotesTable } from './votes/read-votes.ts'
import { invalidVotes, numberOf, type ReadOptions, type VotesReading, type VotesTable } from './votes/reading.ts'

/** How a votes file is read. */
export type ImportOptions = ReadOptions

/** Votes of another program, and how its file was read. */
export interface ImportedBallots {
  /** The votes of all learners on all inputs. */
  readonly ballots: Ballots
  /** [inputs], where the file has a column for it. */
  readonly ids: readonly string[] | undefined
  /** [inputs] true classes; null where one is not known. */
  readonly labels: readonly (number | null)[] | undefined
  /** Left out for ballots that come from no file. */
  readonly reading?: VotesReading
}

/**
 * Reads `.npy` ([inputs, learners] votes, [inputs, learners * seeds, classes] scores) or text of any usual kind (a header, then
 * a line an input; commas, semicolons, tabs, bars or blanks; UTF-8 or UTF-16).
 *
 * What a column is follows from its name, and one that is not surely a learner's is refused (`columnsOf`). Learners that are
 * numbered are ordered by their numbers: Finite Aggregation depends on it. An abstention is -1, and nothing else is.
 *
 * @throws VideoMaeError `VOTES_INVALID`, `NPY_INVALID`, `INVALID_ARGUMENT`, `BALLOTS_TOO_LARGE`
 */
export async function importBallots(file: string, options: ImportOptions): Promise<ImportedBallots> {
  const { kind, classes, classNames, firstClass = 0, seeds = 1, learners } = options
  checkClasses(classes)
  requireCount('seedsPerPartition', seeds, 'seeds')
  if (learners !== undefined && (!Number.isInteger(learners) || learners < 1))
    throw invalidArgument('learners', 'a positive integer', learners)
  if (firstClass !== 0 && firstClass !== 1) throw invalidArgument('firstClass', '0 or 1', firstClass)
  if (classNames !== undefined && classNames.length !== classes)
    throw invalidArgument('classNames', `${classes} names`, classNames.length)
  // Votes cannot be added up: counted one by one, one poisoned sample would change several of them.
  if (kind === 'votes' && seeds > 1) throw invalidArgument('seeds', '1 with votes; several seeds need scores', seeds)
  const table = await readVotesTable(file, options)
  if (table.inputs === 0 || table.width === 0) throw invalidVotes(file, 'it is empty')
  if (kind === 'scores' && firstClass !== 0 && table.labels === null)
    throw invalidArgument('firstClass', '0 with scores and no column of true classes: no cell is a class', firstClass)
  const reader = new ClassReader(options)
  if (options.firstClass !== undefined && reader.namesOnly)
    throw invalidArgument(
      'firstClass',
      `none with the class names ${shownNames(classNames)}: names that are numbers are names in the file, and are not counted from ${firstClass}`,
      options.firstClass,
      'If the file has such names, leave it out. If it has numbers that count classes, give the number of classes instead of names.',
    )
  const labels = table.labels === null ? undefined : labelsOf(file, table.labels, reader)
  const cast = kind === 'votes' ? castVotes(file, table, reader, options) : castScores(file, table, options)
  const notes: string[] = [...table.notes]
  const lowest =
    labels?.reduce<number>((least, label) => (label === null ? least : Math.min(least, label)), classes) ?? classes
  if (reader.doubt !== null) notes.push(reader.doubt)
  if (kind === 'votes' && reader.cells === 'numbers' && firstClass === 0 && Math.min(cast.lowest, lowest) === 1)
    notes.push('no cell in the file is class 0: if classes are counted from 1, use --first-class 1')
  if (kind === 'votes' && classNames?.some((name) => name.normalize('NFC').trim() === '-1') === true)
    notes.push('-1 is the name of a class, so no vote is read as an abstention')
  notes.push(...learnerNotes(cast.ballots, labels, table.columns))
  if (cast.ties > 0)
    notes.push('if several classes share the highest score, the one with the smallest number gets the vote')
  return {
    ballots: cast.ballots,
    ids: table.ids?.values,
    labels,
    reading: {
      file: path.basename(file),
      sha256: table.sha256,
      format: table.format,
      kind,
      inputs: table.inputs,
      learners: cast.ballots.learners,
      seeds,
      classes,
      firstClass,
      ...(reader.cells === undefined ? {} : { classCells: reader.cells }),
      columns: table.columns,
      reordered: table.reordered,
      ids: table.ids?.name ?? null,
      labels: table.labels?.name ?? null,
      unknownLabels: labels?.filter((label) => label === null).length ?? 0,
      abstentions: cast.abstentions,
      ties: cast.ties,
      notUsed: table.notUsed,
      notes,
    },
  }
}

const shownNames = (names: readonly string[] = []): string =>
  names.length <= 8 ? names.join(', ') : `${names.slice(0, 6).join(', ')}, ...`

interface Cast {
  readonly ballots: Ballots
  readonly abstentions: number
  readonly ties: number
  /** Smallest class that has a vote. */
  readonly lowest: number
}

function labelsOf(
  file: string,
  { values, where }: NonNullable<VotesTable['labels']>,
  reader: ClassReader,
): (number | null)[] {
  return values.map((cell, row) => {
    const label = reader.label(cell)
    if (label === null) return null
    if (!label.ok) throw invalidVotes(file, `${where(row)} ${label.problem}`, hintOfClasses(reader))
    return label.value
  })
}

/** Learners that are hardly ones: they make an ensemble look larger than it is. */
function learnerNotes(
  { ranks, inputs, learners, classes, places }: Ballots,
  labels: readonly (number | null)[] | undefined,
  columns: readonly string[] | null,
): string[] {
  if (inputs < fewestInputs) return []
  const votesOf = (i: number) => Array.from({ length: inputs }, (_, t) => ranks[(t * learners + i) * places])
  let [silent, constant] = [0, 0]
  const suspects: number[] = []
  for (let i = 0; i < learners; i++) {
    const votes = votesOf(i)
    if (votes.every((vote) => vote === classes)) silent++
    else if (votes.every((vote) => vote === votes[0])) constant++
    else if (labels !== undefined && votes.every((vote, t) => labels[t] === null || vote === labels[t]))
      suspects.push(i)
  }
  const nameOf = (i: number) => (columns !== null && columns.length === learners ? columns[i] : `base classifier ${i}`)
  return [
    ...(silent > 0
      ? [`${numberOf(silent, 'base classifier abstains', 'base classifiers abstain')} on every input`]
      : []),
    ...(constant > 0
      ? [`${numberOf(constant, 'base classifier votes', 'base classifiers vote')} for the same class on every input`]
      : []),
    ...(suspects.length > 0
      ? [
          `${suspects.slice(0, 4).map(nameOf).join(', ')}${suspects.length > 4 ? ', ...' : ''}: right on every input. If a column of true classes is among the base classifiers, the radii are wrong`,
        ]
      : []),
  ]
}

/** Below, learners agree by chance. */
const fewestInputs = 10

const hintOfClasses = ({ namesOnly }: ClassReader): string =>
  namesOnly
    ? 'Cells are the given names, because some of these are other numbers than those of their classes. If cells are numbers, give the number of classes instead of names.'
    : 'Classes are counted from 0. If they are counted from 1, use --first-class 1.'

function castVotes(file: string, table: VotesTable, reader: ClassReader, { classes }: ImportOptions): Cast {
  const { inputs, width } = table
  const ballots = emptyBallots(inputs, width, classes, 1)
  let [abstentions, lowest] = [0, classes]
  for (let row = 0; row < inputs; row++) {
    for (let i = 0; i < width; i++) {
      const vote = reader.vote(table.value(row, i))
      if (!vote.ok) throw invalidVotes(file, `${table.where(row, i)} ${vote.problem}`, hintOfClasses(reader))
      if (vote.value === abstention) abstentions++
      else lowest = Math.min(lowest, vote.value)
      ballots.ranks[row * width + i] = vote.value === abstention ? classes : vote.value
    }
  }
  return { ballots, abstentions, ties: 0, lowest }
}

function castScores(file: string, table: VotesTable, { classes, seeds = 1 }: ImportOptions): Cast {
  const { inputs, width } = table
  const learners = width / (classes * seeds)
  if (!Number.isInteger(learners))
    throw invalidVotes(file, `${width} scores per input are not a multiple of ${classes * seeds}`)
  const reader = new ScoreReader(table.separator)
  const ballots = emptyBallots(inputs, learners, classes, classes)
  const sums = new Float64Array(classes)
  let ties = 0
  let thousands: string | null = null
  for (let row = 0; row < inputs; row++) {
    for (let i = 0; i < learners; i++) {
      sums.fill(0)
      const first = i * classes * seeds
      for (let at = first; at < first + classes * seeds; at++) {
        const score = reader.score(table.value(row, at))
        if (!score.ok) throw invalidVotes(file, `${table.where(row, at)} ${score.problem}`)
        if (thousands === null && reader.mayBeThousands)
          thousands = `${table.where(row, at)} is ${JSON.stringify(table.value(row, at))}`
        const c = (at - first) % classes
        const sum = sums[c] + score.value
        if (!isExactSum(sums[c], score.value, sum))
          throw invalidVotes(
            file,
            `${table.where(row, at)} makes the sum of ${seeds} seeds a whole number that a 64-bit float cannot represent`,
          )
        sums[c] = sum
      }
      const highest = sums.reduce((most, sum) => Math.max(most, sum), Number.NEGATIVE_INFINITY)
      if (!Number.isFinite(highest))
        throw invalidVotes(
          file,
          `${table.where(row, first)} and the other scores of base classifier ${i} are ${highest === Number.NEGATIVE_INFINITY ? 'all -inf, so they have no order' : 'too large to add up'}`,
        )
      if (sums.indexOf(highest) !== sums.lastIndexOf(highest)) ties++
      writeBallot(sums, 0, classes, ballots.ranks, (row * learners + i) * classes, classes)
    }
  }
  if (thousands !== null && reader.mayBeThousands)
    throw invalidVotes(
      file,
      `${thousands}, where the comma or point may be a decimal separator or a separator of thousands, and no other number shows which`,
      'Write scores with a decimal point and without separators of thousands.',
    )
  return { ballots, abstentions: 0, ties, lowest: 0 }
}

/** Whether whole numbers were added up without rounding; sums of others are rounded as usual. */
function isExactSum(a: number, b: number, sum: number): boolean {
  if (Math.abs(sum) <= Number.MAX_SAFE_INTEGER || !Number.isInteger(a) || !Number.isInteger(b)) return true
  return !Number.isFinite(sum) || BigInt(a) + BigInt(b) === BigInt(sum)
}

/** A certificate of votes that this program did not make. */
export interface ImportedCertificate {
  /** Format and version of the certificate. */
  readonly schema: 'videomae.imported-certificate/1'
  /** How the file was read; null for ballots that come from no file. */
  readonly votes: VotesReading | null
  /** The rule that counts the votes, with what it needs to know of the ensemble. */
  readonly rule: RuleOptions
  /** Number of learners that vote. */
  readonly learners: number
  /** Names of the classes; null where the file has none. */
  readonly classNames: readonly string[] | null
  /** What the importer cannot know. Never print a radius without it. */
  readonly conditions: readonly string[]
  /** Of the inputs whose true class is known; null where none is. */
  readonly summary: RobustnessSummary | null
  /** For `fa_exact`: inputs whose radius is exact; of the others it is a lower bound. Null for the other rules. */
  readonly exactRadii: number | null
  /** The bound on all inputs whose true class is known together, see `collectiveRows`; not there where no budgets were asked for. */
  readonly collective?: readonly CollectiveRow[]
  /** One for each class of `rule.targets`; not there without. */
  readonly targeted?: readonly TargetedSummary[]
  /** The certificate of each input, with its id and its true class; null where that is not known. */
  readonly inputs: readonly ({ readonly id: string; readonly label: number | null } & InputCertificate)[]
  /** The votes as they were read, for `verifyCertificate`; null where they were not kept. */
  readonly ballots: StoredBallots | null
}

/**
 * What an imported certificate rests on and the program cannot know.
 *
 * @param reordered whether columns were ordered by the numbers in their names
 */
export function importedConditions(rule: RuleOptions, learners: number, reordered: boolean): string[] {
  return [
    'each base classifier was trained on its own partitions only, and again on the same samples gives the same votes',
    'the partition of a sample is a function of that sample alone',
    'the list of classes and their order were fixed before, and no sample can change them',
    columnsOf(rule, learners, reordered),
    needsPeriods(rule.rule)
      ? 'the radius counts neighboring periods'
      : 'what one poisoned sample is follows from how the partitions were made',
  ]
}

/** A condition as it is written now: earlier versions had other words for the same. */
export function inPresentWords(condition: string): string {
  return condition
    .replaceAll(/\blearner(?=s?\b)/g, 'base classifier')
    .replaceAll(/\bbucket(?=s?\b)/g, 'partition')
    .replace('what one poison is', 'what one poisoned sample is')
}

/** How the columns of a file must have been trained for a rule to count right. */
function columnsOf(
  { rule, offsets = [0], groups = 1, coverage }: RuleOptions,
  learners: number,
  reordered: boolean,
): string {
  if (needsPeriods(rule)) return `column i was trained on the ${coverage} periods up to the i-th, oldest first`
  const column = reordered
    ? 'the number in the name of a column is that of its base classifier'
    : 'column i of the file is base classifier i'
  if (needsSpread(rule))
    return `${column}, and partition j reached the base classifiers j + ${offsets.join(', j + ')}, modulo ${learners}, and no others`
  const disjoint = `${column}, and the partitions are disjoint: no sample reached two base classifiers`
  if (!needsGroups(rule)) return disjoint
  return `${disjoint} but through an encoder, which ${learners / groups} neighboring columns share, counted from the first`
}

/**
 * Certifies votes of another program.
 *
 * @param labels [inputs] true classes, for accuracy, null where one is not known; default: those of the file
 * @throws VideoMaeError `INVALID_ARGUMENT` when the ballots or options lack what the rule needs, or do not fit it
 */
export function certifyImported(
  imported: ImportedBallots,
  rule: RuleOptions,
  labels: ArrayLike<number | null> | undefined = imported.labels,
): ImportedCertificate {
  return importedCertificate(imported, rule, certifyBallots(imported.ballots, rule), labels)
}

/**
 * The document that says what was certified.
 *
 * @param certified [inputs] of these ballots by this rule
 * @throws VideoMaeError `INVALID_ARGUMENT` for another number of labels
 */
export function importedCertificate(
  imported: ImportedBallots,
  rule: RuleOptions,
  certified: readonly InputCertificate[],
  labels: ArrayLike<number | null> | undefined = imported.labels,
): ImportedCertificate {
  const { ballots } = imported
  if (labels !== undefined && labels.length !== ballots.inputs)
    throw invalidArgument('labels', `${ballots.inputs} labels`, labels.length)
  const known = certified.flatMap((certificate, t) => {
    const label = labels?.[t] ?? null
    return label === null ? [] : [{ certificate, label }]
  })
  const radii = scoredRadii(
    known.map(({ certificate }) => certificate),
    known.map(({ label }) => label),
  )
  return {
    schema: 'videomae.imported-certificate/1',
    votes: imported.reading ?? null,
    rule,
    learners: ballots.learners,
    classNames: null,
    conditions: importedConditions(rule, ballots.learners, imported.reading?.reordered === true),
    summary: known.length === 0 ? null : summarizeRadii(radii),
    exactRadii: exactRadii(rule.rule, certified),
    ...(rule.targets === undefined ? {} : { targeted: summarizeTargets(rule.targets, certified, labels ?? []) }),
    inputs: certified.map((certificate, t) => ({
      id: imported.ids?.[t] ?? String(t),
      label: labels?.[t] ?? null,
      ...certificate,
    })),
    ballots: null,
  }
}
