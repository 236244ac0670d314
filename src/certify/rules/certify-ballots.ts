/** One rule over the ballots of many inputs. */
import { invalidArgument } from '../../core/errors.ts'
import { type Ballots, ballotsOfInput, votesOfInput } from './ballot.ts'
import { certifyFiniteAggregationExact } from './coverage.ts'
import { certifyDpa } from './dpa.ts'
import { certifyEncoderGroups } from './encoder-groups.ts'
import { certifyFiniteAggregation } from './finite-aggregation.ts'
import { certifyRunOff, type RunOffPrediction } from './run-off-election.ts'
import { certifyRunOffFinite } from './run-off-finite.ts'
import { certifyTemporal } from './temporal.ts'

/**
 * - `dpa`: plurality of disjoint partitions
 * - `fa`: Finite Aggregation, bucket powers added up
 * - `fa_exact`: the same ensemble, overlaps of buckets counted once (slower, never below `fa`)
 * - `roe`, `roe_fa`: Run-Off Election on either
 * - `groups`: plurality of heads on per-group encoders; the radius counts videos
 * - `temporal`: plurality of learners of consecutive periods; the radius counts neighbouring periods, the duration
 */
export const rules = ['dpa', 'fa', 'fa_exact', 'roe', 'roe_fa', 'groups', 'temporal'] as const
export type Rule = (typeof rules)[number]

export interface RuleOptions {
  readonly rule: Rule
  /** The learners that bucket 0 reached, for `fa`, `fa_exact` and `roe_fa`. The other rules count one for each bucket. */
  readonly offsets?: readonly number[]
  /** Encoder groups, for `groups`: learners are split evenly, in order. */
  readonly groups?: number
  /** Periods that each learner is trained on, for `temporal`; learners are in order of time, oldest first. */
  readonly coverage?: number
}

/** What a rule needs to know of an ensemble. */
export function ruleOptions(
  rule: Rule,
  ensemble: {
    /** [d] spread; [0] for disjoint partitions. */
    readonly offsets: readonly number[]
    readonly groups?: number | null
    readonly periods?: { readonly coverage: number } | null
  },
): RuleOptions {
  const { offsets, groups, periods } = ensemble
  const shared = { rule, groups: groups ?? undefined, coverage: periods?.coverage }
  // Learners of periods have offsets too, towards their neighbours; what counts there is the coverage.
  return (periods ?? null) === null ? { ...shared, offsets } : shared
}

export interface InputCertificate {
  readonly prediction: number
  /** Poisons after which the prediction provably stays. */
  readonly radius: number
  /** Classes that the cheapest conceivable attack has to lift; two only when Run-Off Election breaks in round 1. */
  readonly rivals: readonly number[]
  /** For Run-Off Election: the round in which that attack strikes. */
  readonly round?: 1 | 2
  /** For `groups`: labels changed to another class (instead of videos) after which the prediction provably stays. */
  readonly labelRadius?: number
  /** For `temporal`, where `radius` is the duration: newest periods that may be poisoned without limit. */
  readonly earliness?: number
  /** For `fa_exact`: whether the radius is exact. False: the search was cut short, the radius is a lower bound. */
  readonly exact?: boolean
  /** Learners without a vote on this input. */
  readonly abstentions: number
}

/** Whether the rule counts second preferences, so that ballots need all their ranks. */
export function needsRankings(rule: Rule): boolean {
  return rule === 'roe' || rule === 'roe_fa'
}

/** Whether the rule belongs to an ensemble whose buckets reach several learners. */
export function needsSpread(rule: Rule): boolean {
  return rule === 'fa' || rule === 'fa_exact' || rule === 'roe_fa'
}

/**
 * @returns [inputs] one certificate for each input
 * @throws VideoMaeError `INVALID_ARGUMENT` when the ballots or options lack what the rule needs
 */
export function certifyBallots(ballots: Ballots, options: RuleOptions): InputCertificate[] {
  const certify = certifierOf(ballots, options)
  return Array.from({ length: ballots.inputs }, (_, input) => certify(input))
}

export interface TurnOptions {
  readonly signal?: AbortSignal
  /** Called after each input. */
  readonly onProgress?: (done: number, total: number) => void
  /** Certificates of the first inputs, from an earlier run that was interrupted. */
  readonly known?: readonly InputCertificate[]
  /** Called with each certificate that is not known. */
  readonly onCertificate?: (certificate: InputCertificate) => void
}

/** Milliseconds after which other work of this thread has its turn: signals, progress. */
const turnMilliseconds = 50

/**
 * `certifyBallots`, with pauses in which signals and progress get through.
 *
 * @throws VideoMaeError what `certifyBallots` throws; the reason of `signal`
 */
export async function certifyInputs(
  ballots: Ballots,
  options: RuleOptions,
  { signal, onProgress, onCertificate, known = [] }: TurnOptions = {},
): Promise<InputCertificate[]> {
  const certify = certifierOf(ballots, options)
  const certificates = known.slice(0, ballots.inputs)
  let turn = performance.now()
  for (let input = certificates.length; input < ballots.inputs; input++) {
    if (performance.now() - turn > turnMilliseconds) {
      await new Promise(setImmediate)
      turn = performance.now()
    }
    signal?.throwIfAborted()
    const certificate = certify(input)
    certificates.push(certificate)
    onCertificate?.(certificate)
    onProgress?.(input + 1, ballots.inputs)
  }
  return certificates
}

/** The certificate of each input, by its number. */
function certifierOf(ballots: Ballots, options: RuleOptions): (input: number) => InputCertificate {
  const { rule, offsets, groups, coverage } = options
  const { classes, learners } = ballots
  if (needsRankings(rule) && ballots.places !== classes)
    throw invalidArgument('ballots', 'full rankings', `${ballots.places} place(s)`, 'Keep rankings when voting.')
  if (needsSpread(rule) && offsets === undefined) throw invalidArgument('offsets', `a spread for rule ${rule}`, offsets)
  // Left unused, they would let a poison that changes d votes count as one.
  if (!needsSpread(rule) && (offsets?.length ?? 1) !== 1)
    throw invalidArgument(
      'offsets',
      `one learner for each bucket with rule ${rule}`,
      offsets?.join(','),
      `Rule ${rule} counts one vote for each poison; where a bucket reached several learners take ${rules.filter(needsSpread).join(', ')}.`,
    )
  if (rule === 'groups' && (groups === undefined || learners % groups !== 0))
    throw invalidArgument('groups', `a divisor of ${learners}`, groups)
  if (rule === 'temporal' && coverage === undefined)
    throw invalidArgument('coverage', 'the number of periods that each learner is trained on', coverage)
  const certify = ruleFunction(options, classes, learners)
  return (input) => {
    const votes = votesOfInput(ballots, input)
    let abstentions = 0
    for (let i = 0; i < votes.length; i++) if (votes[i] === classes) abstentions++
    return { ...certify(votes, ballotsOfInput(ballots, input)), abstentions }
  }
}

type Certify = (votes: ArrayLike<number>, ballots: ArrayLike<number>) => Omit<InputCertificate, 'abstentions'>

function ruleFunction(
  { rule, offsets = [0], groups = 1, coverage = 1 }: RuleOptions,
  classes: number,
  learners: number,
): Certify {
  const single = ({ prediction, radius, rival }: { prediction: number; radius: number; rival: number }) => ({
    prediction,
    radius,
    rivals: [rival],
  })
  const runOff = ({ prediction, radius, rivals, bindingRound }: RunOffPrediction) => ({
    prediction,
    radius,
    rivals,
    round: bindingRound,
  })
  switch (rule) {
    case 'dpa':
      return (votes) => single(certifyDpa(votes, classes))
    case 'fa':
      return (votes) => single(certifyFiniteAggregation(votes, classes, offsets))
    case 'fa_exact':
      return (votes) => {
        const certified = certifyFiniteAggregationExact(votes, classes, offsets)
        return { ...single(certified), exact: certified.exact }
      }
    case 'roe':
      return (_, ballots) => runOff(certifyRunOff(ballots, classes))
    case 'roe_fa':
      return (_, ballots) => runOff(certifyRunOffFinite(ballots, classes, offsets))
    case 'groups': {
      const size = learners / groups
      const members = Array.from({ length: groups }, (_, g) => Array.from({ length: size }, (_, i) => g * size + i))
      return (votes) => {
        const certified = certifyEncoderGroups(votes, classes, members)
        return { ...single(certified), labelRadius: certified.labels }
      }
    }
    case 'temporal':
      return (votes) => {
        const { prediction, duration, earliness, rival } = certifyTemporal(votes, classes, coverage)
        return { ...single({ prediction, radius: duration, rival }), earliness }
      }
    default:
      throw invalidArgument('rule', rules.join(', '), rule)
  }
}
