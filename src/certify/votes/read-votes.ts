/** Reads a file of votes or scores, NumPy or text, whatever its name says. */
import { createHash } from 'node:crypto'
import { readFully } from '../../format/file-bytes.ts'
import { fileDigest } from '../../format/file-digest.ts'
import { float16ToFloat32 } from '../../format/half.ts'
import { kindByBytes } from '../../format/known-bytes.ts'
import { isMissing } from '../../format/missing.ts'
import { readNpy } from '../../format/npy.ts'
import { openRegularFile, readRegularFile } from '../../format/regular-file.ts'
import { columnsOf, fileOrderNote } from './columns.ts'
import { invalidVotes, numberOf, type ReadOptions, type VotesTable } from './reading.ts'
import { readTextTable, type TextTable } from './text-table.ts'

/** Text of more bytes is no string any more; NumPy files have no such bound. */
const mostText = 2 ** 28

/** What to write instead of files of other kinds (`kindByBytes`). */
function insteadOf(kind: string): string | undefined {
  if (kind.startsWith('a zip')) return 'Save the one array with numpy.save, or the sheet as CSV.'
  if (kind.startsWith('compressed')) return 'Unpack it first.'
  if (/HDF5|pickle/.test(kind)) return 'Save the array with numpy.save.'
  if (/Parquet|Arrow/.test(kind)) return 'Write it as CSV, or as npy.'
  return /Excel/.test(kind) ? 'Save the sheet as CSV.' : undefined
}

/**
 * @throws VideoMaeError `VOTES_INVALID`, `NPY_INVALID`, `FILE_NOT_REGULAR`, `FILE_TOO_LARGE`
 */
export async function readVotesTable(
  file: string,
  options: ReadOptions,
): Promise<VotesTable & { readonly sha256: string }> {
  const start = await firstBytes(file).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException
    if (!isMissing(error) && code !== 'ELOOP') throw error
    throw invalidVotes(file, `it cannot be opened (${code})`, 'Check the path and the links on it.')
  })
  const kind = kindByBytes(start)
  if (kind === 'a NumPy file') return { ...(await fromNpy(file, options)), sha256: await fileDigest(file) }
  if (kind !== null) throw invalidVotes(file, `it is ${kind}`, insteadOf(kind))
  if (/^\s*[[{]/.test(start.toString('latin1'))) throw invalidVotes(file, 'it looks like JSON')
  const bytes = await readRegularFile(file, { maxBytes: mostText })
  return { ...fromText(file, bytes, options), sha256: createHash('sha256').update(bytes).digest('hex') }
}

async function firstBytes(file: string): Promise<Buffer> {
  const handle = await openRegularFile(file)
  try {
    const start = Buffer.alloc(64)
    return start.subarray(0, await readFully(handle, start, 0))
  } finally {
    await handle.close()
  }
}

async function fromNpy(file: string, { kind, classes, seeds = 1, ...options }: ReadOptions): Promise<VotesTable> {
  const { shape, data, dtype } = await readNpy(file)
  const size = `(${shape.join(', ')})`
  for (const [name, given] of [
    ['--header', options.header],
    ['--id-column', options.idColumn],
    ['--label-column', options.labelColumn],
  ]) {
    if (given !== undefined)
      throw invalidVotes(file, `an npy file has no ${name}`, `Leave ${name} out, or write a CSV.`)
  }
  if (dtype === 'b1')
    throw invalidVotes(
      file,
      'its elements are booleans',
      'Write classes as whole numbers, for example with astype(int).',
    )
  if (kind === 'votes' && shape.length !== 2)
    throw invalidVotes(
      file,
      `its shape is ${size}, but votes have two dimensions`,
      shape.length === 3 ? 'For scores [inputs, learners, classes], use --kind scores.' : undefined,
    )
  if (kind === 'scores' && (shape.length !== 3 || shape[2] !== classes))
    throw invalidVotes(
      file,
      `its shape is ${size}, but scores of ${classes} classes have [inputs, learners, ${classes}]`,
    )
  const [inputs] = shape
  const width = shape.slice(1).reduce((product, each) => product * each, 1)
  const perLearner = kind === 'scores' ? classes * seeds : 1
  if (options.learners !== undefined && width !== options.learners * perLearner)
    throw invalidVotes(
      file,
      `its shape is ${size}, which does not fit ${numberOf(options.learners, 'base classifier')}`,
    )
  const numbers = dtype === 'f2' && data instanceof Uint16Array ? float16ToFloat32(data) : data
  return {
    format: `npy ${dtype}`,
    separator: null,
    inputs,
    width,
    value: (row, column) => numberOrDigits(numbers[row * width + column]),
    where: (row, column) =>
      kind === 'votes'
        ? `the vote at [${row}, ${column}]`
        : `the score at [${row}, ${Math.floor(column / classes)}, ${column % classes}]`,
    columns: null,
    reordered: false,
    notes: [],
    ids: null,
    labels: null,
    notUsed: [],
  }
}

/** A 64-bit integer that no double holds stays text, so that what reads it sees all digits. */
function numberOrDigits(value: number | bigint): number | string {
  const number = Number(value)
  return typeof value === 'bigint' && BigInt(number) !== value ? String(value) : number
}

function fromText(file: string, bytes: Uint8Array, options: ReadOptions): VotesTable {
  const table = readTextTable(file, bytes, options)
  const { format, separator, header, records } = table
  if (header === null) return withoutHeader(file, table, options)
  const { names, line } = header
  const isEmpty = (column: number) => records.every(({ fields }) => fields[column] === '')
  const { learners, reordered, notes, id, label, notUsed } = columnsOf(names, isEmpty, options, (problem, hint) => {
    throw invalidVotes(file, `line ${line}: ${problem}`, hint)
  })
  const at = (row: number) => `line ${records[row].line}`
  const valuesOf = (column: number) => records.map(({ fields }) => fields[column])
  const nameOf = (column: number) => (names[column] === '' ? 'row names' : names[column])
  const ids = id === null ? null : { name: nameOf(id), values: valuesOf(id) }
  if (ids !== null) checkIds(file, ids.values, at)
  return {
    format,
    separator,
    inputs: records.length,
    width: learners.length,
    value: (row, column) => records[row].fields[learners[column]],
    where: (row, column) => `${at(row)}, column ${names[learners[column]]}`,
    columns: learners.map((column) => names[column]),
    reordered,
    notes: [...table.notes, ...notes],
    ids,
    labels:
      label === null
        ? null
        : { name: nameOf(label), values: valuesOf(label), where: (row) => `${at(row)}, column ${nameOf(label)}` },
    notUsed,
  }
}

function withoutHeader(
  file: string,
  { format, separator, records, notes }: TextTable,
  { kind, classes, classNames, seeds = 1, learners, idColumn, labelColumn }: ReadOptions,
): VotesTable {
  const width = records[0].fields.length
  const perLearner = kind === 'scores' ? classes * seeds : 1
  if (idColumn !== undefined || labelColumn !== undefined)
    throw invalidVotes(file, 'it has no header, so no column has a name', 'Add a line with the names of the columns.')
  if (learners === undefined)
    throw invalidVotes(
      file,
      `it has no header, so it is unknown whether its ${numberOf(width, 'column is', 'columns are')} base classifiers`,
      'Add a line with the names of the columns. If all of them are base classifiers, you can give their number with --learners N instead.',
    )
  if (width !== learners * perLearner)
    throw invalidVotes(
      file,
      `${numberOf(learners, 'base classifier')} need ${learners * perLearner} columns, but it has ${width}`,
    )
  return {
    format: `${format}, no header`,
    separator,
    inputs: records.length,
    width,
    value: (row, column) => records[row].fields[column],
    where: (row, column) => `line ${records[row].line}, column ${column + 1}`,
    columns: null,
    reordered: false,
    notes: [...notes, ...(width === 1 ? [] : [fileOrderNote(kind, classes, classNames)])],
    ids: null,
    labels: null,
    notUsed: [],
  }
}

/** Two certificates under one id would be taken for two of one input. */
function checkIds(file: string, ids: readonly string[], at: (row: number) => string): void {
  const seen = new Map<string, number>()
  for (const [row, id] of ids.entries()) {
    if (id === '') throw invalidVotes(file, `${at(row)} has no id`)
    const before = seen.get(id)
    if (before !== undefined)
      throw invalidVotes(
        file,
        `${at(row)} has the same id as ${at(before)}, ${JSON.stringify(id)}`,
        'Ids must be different for each input; --id-column names another column.',
      )
    seen.set(id, row)
  }
}
