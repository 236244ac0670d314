/** Votes and certificates of an ensemble on features that have just been computed. */
import { VideoMaeError } from '../../../core/errors.ts'
import type { TestSet } from '../../ensemble/feature-set.ts'
import { type TrainedHeads, weightsLength } from '../../ensemble/heads/head.ts'
import { voteInGroups, voteLearners } from '../../ensemble/heads/vote.ts'
import type { PoolOptions } from '../../ensemble/learners.ts'
import { type Ballots, inputsPerTurn, votesOfInput } from '../../rules/ballot.ts'
import { certifyInputs, ruleOptions } from '../../rules/certify-ballots.ts'
import { needsRankings, type Rule } from '../../rules/list.ts'
import { tally } from '../../rules/plurality.ts'
import type { InputCertificate } from '../../rules/rule.ts'
import { applyScale } from '../scale.ts'
import type { StoredEnsemble } from './ensemble-file.ts'

/** The certificate of one input, with its votes. */
export interface VotedInput {
  readonly certificate: InputCertificate
  /** [classes] first choices. */
  readonly counts: Int32Array
}

/** Bytes of ballots held at once. */
const ballotBytes = 64 * 2 ** 20
/** Multiplications that one thread does in a moment: a pool of threads would take longer to start. */
const mostHere = 2.5e8

/**
 * @param rows [inputs][encoders] features of each input
 * @returns [inputs]
 * @throws VideoMaeError `INVALID_ARGUMENT` where the width of the features is not that of the heads; `OUTPUT_NOT_FINITE` naming
 *   `file`, where the ensemble has one; the reason of `signal`
 */
export async function voteOnRows(
  ensemble: StoredEnsemble & { readonly file?: string },
  rule: Rule,
  rows: readonly (readonly Float32Array[])[],
  { targets, ...options }: PoolOptions & { readonly targets?: readonly number[] } = {},
): Promise<VotedInput[]> {
  const { heads, description } = ensemble
  const { learners, classes, width } = heads
  const keep = needsRankings(rule) ? 'rankings' : 'votes'
  const places = keep === 'rankings' ? classes : 1
  const turn = Math.min(1024, inputsPerTurn({ learners, classes, places }, ballotBytes))
  const all: VotedInput[] = []
  for (let from = 0; from < rows.length; from += turn) {
    const mine = rows.slice(from, from + turn)
    const work = mine.length * learners * weightsLength(classes, width)
    const pool = work < mostHere ? { ...options, threads: 1 } : options
    const ballots = await ballotsOf(heads, testSets(ensemble, mine), { ...pool, keep }).catch((error: unknown) => {
      throw naming(ensemble.file, error)
    })
    const certificates = await certifyInputs(ballots, ruleOptions(rule, description, targets), {
      signal: options.signal,
    })
    for (const [t, certificate] of certificates.entries())
      all.push({ certificate, counts: tally(votesOfInput(ballots, t), classes).slice() })
  }
  return all
}

/** Names the file whose weights give no numbers. */
function naming(file: string | undefined, error: unknown): unknown {
  if (file === undefined || !(error instanceof VideoMaeError) || error.code !== 'OUTPUT_NOT_FINITE') return error
  const { code, exit, hint, message } = error
  return new VideoMaeError(`${file}: ${message}`, { code, exit, hint, cause: error })
}

/** One set of inputs, or one for each encoder group; scaled as the features of the training set were. */
export function testSets(
  { scales }: Pick<StoredEnsemble, 'scales'>,
  rows: readonly (readonly Float32Array[])[],
): TestSet[] {
  return rows[0].map((_, e) => {
    const width = rows[0][e].length
    const features = new Float32Array(rows.length * width)
    for (const [t, row] of rows.entries()) features.set(row[e], t * width)
    const labels = new Int32Array(rows.length) // Not known, and not read.
    const set = { features, rows: rows.length, width, labels }
    return scales === null ? set : applyScale(set, scales[e])
  })
}

/** Ballots of learners on one encoder, or on that of each group. */
export function ballotsOf(
  heads: TrainedHeads,
  tests: readonly TestSet[],
  options: PoolOptions & { readonly keep: 'rankings' | 'votes' },
): Promise<Ballots> {
  return tests.length === 1 ? voteLearners(heads, tests[0], options) : voteInGroups(heads, tests, options)
}
