/** One rule over the ballots of many inputs. */
import { invalidArgument, unusedArgument } from '../../core/errors.ts'
import { type Ballots, ballotsOfInput, requireBallots, votesOfInput } from './ballot.ts'
import { needsGroups, needsPeriods, needsSpread, type Rule, ruleNamed, rules } from './list.ts'
import type { EnsembleShape, InputCertificate } from './rule.ts'

/** The aggregation rule, and what it needs to know of the ensemble. */
export interface RuleOptions {
  /** Name of the rule. */
  readonly rule: Rule
  /** The learners that bucket 0 reached, for `fa`, `fa_exact` and `roe_fa`. The other rules count one for each bucket. */
  readonly offsets?: readonly number[]
  /** Encoder groups, for `groups`: learners are split evenly, in order. */
  readonly groups?: number
  /** Periods that each learner is trained on, for `temporal`; learners are in order of time, oldest first. */
  readonly coverage?: number
  /** Classes for which certificates say what it costs to make them come out. */
  readonly targets?: readonly number[]
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
  targets?: readonly number[],
): RuleOptions {
  return { ...layoutOptions(rule, ensemble), ...(targets === undefined || targets.length === 0 ? {} : { targets }) }
}

function layoutOptions(rule: Rule, { offsets, groups, periods }: Parameters<typeof ruleOptions>[1]): RuleOptions {
  // Learners of periods have offsets too, towards their neighbors; what counts there is the coverage.
  if (needsPeriods(rule)) return { rule, coverage: periods?.coverage }
  // Single votes count with the other rules, also where encoders have groups: flipped labels change no encoder.
  return needsGroups(rule) ? { rule, offsets, groups: groups ?? undefined } : { rule, offsets }
}

/**
 * Predictions and certified radii of an aggregation rule.
 *
 * @returns [inputs] one certificate for each input
 * @throws VideoMaeError `INVALID_ARGUMENT` when the ballots or options lack what the rule needs
 *
 * @example
 * ```ts
 * import { certifyBallots } from 'videomae/certify'
 *
 * // One input, five learners, two classes: four learners vote for class 0.
 * const ballots = { inputs: 1, learners: 5, classes: 2, places: 1, ranks: Uint8Array.of(0, 0, 0, 0, 1) }
 * const [{ prediction, radius }] = certifyBallots(ballots, { rule: 'dpa' })
 * prediction // => 0
 * radius // => 1
 * ```
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

/**
 * The ensemble whose ballots are counted, as a rule sees it.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` when the ballots or options lack what the rule needs, or have what it would leave out
 */
export function shapeOf(ballots: Ballots, { rule, offsets, groups, coverage }: RuleOptions): EnsembleShape {
  requireBallots(ballots)
  const { classes, learners } = ballots
  const { layout, counts } = ruleNamed(rule)
  if (counts === 'rankings' && ballots.places !== classes)
    throw invalidArgument('ballots', 'full rankings', `${ballots.places} place(s)`, 'Keep rankings when voting.')
  if (layout === 'spread' && offsets === undefined)
    throw invalidArgument('offsets', `a spread for rule ${rule}`, offsets)
  // Left unused, they would let a poisoned sample that changes d votes count as one.
  if (layout !== 'spread' && (offsets?.length ?? 1) !== 1)
    throw invalidArgument(
      'offsets',
      `one base classifier for each partition with rule ${rule}`,
      offsets?.join(','),
      `Rule ${rule} counts one vote per poisoned sample. If a partition reached several base classifiers, use ${rules.filter(needsSpread).join(', ')}.`,
    )
  if (layout === 'groups' && (groups === undefined || learners % groups !== 0))
    throw invalidArgument('groups', `a divisor of ${learners}`, groups)
  if (layout === 'periods' && coverage === undefined)
    throw invalidArgument('coverage', 'the number of periods that each base classifier is trained on', coverage)
  // Left unused, they would let a poisoned sample that changes the votes of a group or of several periods count as one.
  if (layout !== 'groups' && groups !== undefined) throw unusedArgument('groups', `with rule ${rule}`, groups)
  if (layout !== 'periods' && coverage !== undefined) throw unusedArgument('coverage', `with rule ${rule}`, coverage)
  return { classes, learners, offsets: offsets ?? [0], groups: groups ?? 1, coverage: coverage ?? 1 }
}

/** The certificate of each input, by its number. */
function certifierOf(ballots: Ballots, options: RuleOptions): (input: number) => InputCertificate {
  const { rule, targets = [] } = options
  const shape = shapeOf(ballots, options)
  const { classes } = shape
  const { certifier, targeted } = ruleNamed(rule)
  checkTargets(targets, classes)
  const certify = certifier(shape)
  const costOf = targets.length === 0 ? null : (targeted?.(shape) ?? null)
  if (targets.length > 0 && costOf === null) throw unusedArgument('targets', `with rule ${rule}`, targets.join(','))
  return (input) => {
    const votes = votesOfInput(ballots, input)
    const ranks = ballotsOfInput(ballots, input)
    let abstentions = 0
    for (let i = 0; i < votes.length; i++) if (votes[i] === classes) abstentions++
    const certificate = { ...certify(votes, ranks), abstentions }
    if (costOf === null) return certificate
    const { prediction, radius } = certificate
    return {
      ...certificate,
      targets: targets.map((target) => {
        if (target === prediction) return { class: target, poisons: 0 }
        // The radius rules out every other class, this one among them.
        const poisons = Math.max(radius + 1, costOf(votes, ranks, target))
        return { class: target, poisons: Number.isFinite(poisons) ? poisons : null }
      }),
    }
  }
}

/** @throws VideoMaeError `INVALID_ARGUMENT` for what is no class, or one twice */
function checkTargets(targets: readonly number[], classes: number): void {
  for (const [i, target] of targets.entries())
    if (!Number.isInteger(target) || target < 0 || target >= classes || targets.indexOf(target) !== i)
      throw invalidArgument(`targets[${i}]`, `each a class index below ${classes}, and no class twice`, target)
}
