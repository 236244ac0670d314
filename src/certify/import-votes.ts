/** Votes or scores of any other system, to certify those. */
import { readFile } from 'node:fs/promises'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { float16ToFloat32 } from '../format/half.ts'
import { readNpy } from '../format/npy.ts'
import { type Ballots, ballotsFromScores, emptyBallots } from './ballot.ts'
import { scoredRadii } from './certify.ts'
import { certifyBallots, type InputCertificate, needsSpread, type RuleOptions } from './certify-ballots.ts'
import { type RobustnessSummary, summariseRadii } from './metrics.ts'

export interface ImportOptions {
  /** `votes`: class indices, -1 or `classes` to abstain. `scores`: one number a class, higher is better. */
  readonly kind: 'votes' | 'scores'
  readonly classes: number
  /** DPA*: neighbouring score columns of one partition, trained with different seeds, to be added up. Default 1; votes have no other. */
  readonly seeds?: number
}

export interface ImportedBallots {
  readonly ballots: Ballots
  /** [inputs], from the CSV columns `id` and `label`. */
  readonly ids: readonly string[] | undefined
  readonly labels: readonly number[] | undefined
}

function invalid(file: string, problem: string): VideoMaeError {
  return new VideoMaeError(`Expected votes or scores in ${file}, but ${problem}.`, {
    code: 'VOTES_INVALID',
    exit: 'data',
    hint: 'npy: [inputs, learners] votes or [inputs, learners, classes] scores. CSV: a header, then a line an input.',
  })
}

/**
 * Reads `.npy` ([inputs, learners] votes, [inputs, learners * seeds, classes] scores) or `.csv` (a header line; columns
 * `id` and `label` are optional, every other column is a learner's vote, or a learner's score for a class, class fastest).
 *
 * The position of a column is the learner's number. Finite Aggregation depends on it: a file put together in another order
 * gives a certificate that is not sound.
 *
 * @throws VideoMaeError `VOTES_INVALID`, `NPY_INVALID`
 */
export async function importBallots(file: string, options: ImportOptions): Promise<ImportedBallots> {
  const { kind, classes, seeds = 1 } = options
  if (!Number.isInteger(classes) || classes < 2) throw invalidArgument('classes', 'an integer of at least 2', classes)
  if (!Number.isInteger(seeds) || seeds < 1) throw invalidArgument('seeds', 'a positive integer', seeds)
  // Votes cannot be added up: counted one by one, one poison would change several of them.
  if (kind === 'votes' && seeds > 1) throw invalidArgument('seeds', '1 with votes; several seeds need scores', seeds)
  const table = file.endsWith('.csv') ? parseCsv(file, await readFile(file, 'utf8')) : await fromNpy(file, options)
  const { values, inputs, ids, labels } = table
  const perInput = inputs === 0 ? 0 : values.length / inputs
  const bad = values.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) throw invalid(file, `input ${Math.floor(bad / perInput)} has ${values[bad]}`)
  if (inputs === 0 || perInput === 0) throw invalid(file, 'it holds none')
  if (kind === 'votes') {
    const ballots = emptyBallots(inputs, perInput, classes, 1)
    for (const [i, vote] of values.entries()) {
      if (!Number.isInteger(vote) || vote < -1 || vote > classes)
        throw invalid(
          file,
          `input ${Math.floor(i / perInput)}, learner ${i % perInput} votes ${vote} of ${classes} classes`,
        )
      ballots.ranks[i] = vote === -1 ? classes : vote
    }
    return { ballots, ids, labels }
  }
  const learners = perInput / (classes * seeds)
  if (!Number.isInteger(learners))
    throw invalid(file, `${perInput} scores an input are no multiple of ${classes * seeds}`)
  return { ballots: ballotsFromScores(values, inputs, learners, classes, { seeds }), ids, labels }
}

interface Table {
  readonly values: Float64Array
  readonly inputs: number
  readonly ids?: readonly string[]
  readonly labels?: readonly number[]
}

async function fromNpy(file: string, { kind, classes }: ImportOptions): Promise<Table> {
  const { shape, data, dtype } = await readNpy(file)
  const wanted = kind === 'votes' ? 2 : 3
  if (shape.length !== wanted || (kind === 'scores' && shape[2] !== classes))
    throw invalid(file, `its shape is (${shape.join(', ')})`)
  const numbers = dtype === 'f2' && data instanceof Uint16Array ? float16ToFloat32(data) : data
  const values = Float64Array.from({ length: numbers.length }, (_, i) => Number(numbers[i]))
  return { values, inputs: shape[0] }
}

function parseCsv(file: string, text: string): Table {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '')
  const header = (lines.shift() ?? '').split(',').map((name) => name.trim().toLowerCase())
  const [idAt, labelAt] = [header.indexOf('id'), header.indexOf('label')]
  const columns = Array.from(header.keys()).filter((column) => column !== idAt && column !== labelAt)
  const ids: string[] = []
  const labels: number[] = []
  const values = new Float64Array(lines.length * columns.length)
  for (const [row, line] of lines.entries()) {
    const cells = line.split(',').map((cell) => cell.trim())
    if (cells.length !== header.length)
      throw invalid(file, `line ${row + 2} has ${cells.length} cells and the header ${header.length}`)
    if (idAt >= 0) ids.push(cells[idAt])
    if (labelAt >= 0) {
      const label = Number(cells[labelAt])
      if (!Number.isInteger(label) || label < 0) throw invalid(file, `line ${row + 2} has label ${cells[labelAt]}`)
      labels.push(label)
    }
    for (const [i, column] of columns.entries())
      values[row * columns.length + i] = cells[column] === '' ? Number.NaN : Number(cells[column])
  }
  return { values, inputs: lines.length, ...(idAt >= 0 ? { ids } : {}), ...(labelAt >= 0 ? { labels } : {}) }
}

/** A certificate of votes that this program did not make. */
export interface ImportedCertificate {
  readonly schema: 'videomae.imported-certificate/1'
  readonly rule: RuleOptions
  readonly learners: number
  readonly classNames: readonly string[] | null
  /** What the importer cannot know. Never print a radius without it. */
  readonly conditions: readonly string[]
  /** Null without labels. */
  readonly summary: RobustnessSummary | null
  readonly inputs: readonly ({ readonly id: string; readonly label: number | null } & InputCertificate)[]
}

/** How the columns of a file must have been trained for a rule to count right. */
function columnsOf({ rule, offsets = [0], groups = 1, coverage }: RuleOptions, learners: number): string {
  if (rule === 'temporal') return `column i was trained on the ${coverage} periods up to the i-th, oldest first`
  const column = 'column i of the file is learner i'
  if (needsSpread(rule))
    return `${column}, and bucket j reached the learners j + ${offsets.join(', j + ')}, modulo ${learners}, and no others`
  const disjoint = `${column}, and the partitions are disjoint: no sample reached two learners`
  if (rule !== 'groups') return disjoint
  return `${disjoint} but through an encoder, which ${learners / groups} neighbouring columns share, counted from the first`
}

/**
 * @param labels [inputs] true classes, for accuracy; default: those of the file
 * @throws VideoMaeError `INVALID_ARGUMENT` when the ballots or options lack what the rule needs, or do not fit it
 */
export function certifyImported(
  imported: ImportedBallots,
  rule: RuleOptions,
  labels: ArrayLike<number> | undefined = imported.labels,
): ImportedCertificate {
  const { ballots } = imported
  if (labels !== undefined && labels.length !== ballots.inputs)
    throw invalidArgument('labels', `${ballots.inputs} labels`, labels.length)
  const certified = certifyBallots(ballots, rule)
  return {
    schema: 'videomae.imported-certificate/1',
    rule,
    learners: ballots.learners,
    classNames: null,
    conditions: [
      'each learner was trained on its own buckets only, and again on the same samples gives the same votes',
      'the bucket of a sample is a function of that sample alone',
      columnsOf(rule, ballots.learners),
      rule.rule === 'temporal'
        ? 'the radius counts neighbouring periods'
        : 'what one poison is follows from how the buckets were made',
    ],
    summary: labels === undefined ? null : summariseRadii(scoredRadii(certified, labels)),
    inputs: certified.map((certificate, t) => ({
      id: imported.ids?.[t] ?? String(t),
      label: labels?.[t] ?? null,
      ...certificate,
    })),
  }
}
