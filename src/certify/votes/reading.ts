/** How a file of votes was read: what its certificate records, and how its errors name a cell. */
import { VideoMaeError } from '../../core/errors.ts'

export interface ReadOptions {
  /** `votes`: classes. `scores`: one number a class, higher is better. */
  readonly kind: 'votes' | 'scores'
  readonly classes: number
  /** Names that votes and true classes may be written as; as many as `classes`. Default: numbers only. */
  readonly classNames?: readonly string[]
  /** Number of the first class in the file: 1 where classes are counted from 1. Default 0. */
  readonly firstClass?: number
  /** DPA*: neighboring scores of one partition, trained with different seeds, to be added up. Default 1; votes have no other. */
  readonly seeds?: number
  /** Learners in the file, for a check; needed where names of columns do not say which are learners. */
  readonly learners?: number
  /** Whether the first line of a CSV names its columns. Default: concluded, and refused where it could be both. */
  readonly header?: boolean
  /** Column of the names of the inputs, and of their true classes. Default: one with a usual name. */
  readonly idColumn?: string
  readonly labelColumn?: string
}

/** What was found in a file. */
export interface VotesReading {
  /** Without its folder. */
  readonly file: string
  /** Of the bytes of the file, 64 hex digits. */
  readonly sha256: string
  /** For example `CSV (comma, UTF-8)` or `npy i4`. */
  readonly format: string
  /** What its cells are. */
  readonly kind: 'votes' | 'scores'
  /** Number of inputs. */
  readonly inputs: number
  /** Number of learners. */
  readonly learners: number
  /** Neighboring columns whose scores make one ballot; 1 for votes. */
  readonly seeds: number
  /** Number of classes. */
  readonly classes: number
  /** Number of the first class in the file: 0 or 1. */
  readonly firstClass: number
  /** What the cells of votes and true classes were; absent in earlier certificates, and where no cell is a class. */
  readonly classCells?: 'names' | 'numbers' | 'both'
  /** Names of the columns of learners, in the order of learners; null where they have none. */
  readonly columns: readonly string[] | null
  /** Whether these stood in another order in the file than the numbers in their names say. */
  readonly reordered: boolean
  /** Column of ids; null: inputs are numbered from 0. */
  readonly ids: string | null
  /** Column of true classes; null: there is none. */
  readonly labels: string | null
  /** Inputs without a true class, in a file that has a column for it. */
  readonly unknownLabels: number
  /** Votes that are not cast (-1). */
  readonly abstentions: number
  /** Ballots whose highest score several classes share; the smallest of these has the vote. */
  readonly ties: number
  /** Columns without a part in the certificate, with what they are. */
  readonly notUsed: readonly string[]
  /** What may be worth a second look. */
  readonly notes: readonly string[]
}

/** Values of a file in the order of inputs and learners, before they are votes. */
export interface VotesTable {
  readonly format: string
  /** What separates cells; null in files without cells. */
  readonly separator: string | null
  readonly inputs: number
  /** Values of one input: learners, times seeds and classes for scores. */
  readonly width: number
  /** A number, or what is in the cell. */
  value(row: number, column: number): number | string
  /** Where a value is, for errors: `line 4, column l2`. */
  where(row: number, column: number): string
  readonly columns: readonly string[] | null
  readonly reordered: boolean
  readonly ids: { readonly name: string; readonly values: readonly string[] } | null
  /** Which order of columns was taken, where that is worth a look. */
  readonly notes: readonly string[]
  /** Cells of true classes as they are written, and where each is. */
  readonly labels: { readonly name: string; readonly values: readonly string[]; where(row: number): string } | null
  readonly notUsed: readonly string[]
}

export function invalidVotes(file: string, problem: string, hint?: string): VideoMaeError {
  return new VideoMaeError(`Expected votes or scores in ${file}, but ${problem}.`, {
    code: 'VOTES_INVALID',
    exit: 'data',
    hint:
      hint ??
      'npy: [inputs, learners] votes or [inputs, learners, classes] scores. CSV: a header such as id,label,l0,l1,l2, then one line per input.',
  })
}

/** `5 learners`, `1 learner`. */
export function numberOf(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`
}

function readAs({ classCells = 'numbers', firstClass }: VotesReading): string {
  if (classCells === 'names') return ' by their names'
  return `${classCells === 'both' ? ' by their names and' : ''} counted from ${firstClass}`
}

/** One line: how a file was read. */
export function describeReading(reading: VotesReading): string {
  const { columns, ids, labels, notUsed, kind } = reading
  const named =
    columns === null
      ? ''
      : columns.length === 1
        ? ` (${columns[0]})`
        : ` (${columns[0]} to ${columns[columns.length - 1]})`
  const parts = [
    numberOf(reading.inputs, 'input'),
    `${numberOf(reading.learners, 'base classifier')}${reading.seeds > 1 ? ` of ${reading.seeds} seeds` : ''}${named}${reading.reordered ? ', ordered by the numbers in their names' : ''}`,
    `${reading.classes} classes${kind === 'votes' ? readAs(reading) : ''}`,
    labels === null
      ? 'no true classes'
      : `true classes from "${labels}"${reading.unknownLabels > 0 ? ` (${reading.unknownLabels} unknown)` : ''}`,
    ids === null ? 'inputs numbered from 0' : `ids from "${ids}"`,
    ...(kind === 'votes' ? [numberOf(reading.abstentions, 'abstention')] : []),
    ...(reading.ties > 0 ? [`${numberOf(reading.ties, 'ballot')} with a tie for the first place`] : []),
    ...(notUsed.length > 0 ? [`not used: ${notUsed.join(', ')}`] : []),
  ]
  return `read ${reading.file} as ${reading.format}: ${parts.join('; ')}`
}
