/** The base classifiers that a certification would train: how many, on how much, and what radius they can give at most. */
import type { Ensemble } from '../../certify-plan.ts'
import { assignBuckets, type BucketAssignment } from '../../ensemble/buckets.ts'
import { ensembleFacts, ensembleWarnings, samplesOver } from '../../ensemble/ensemble-facts.ts'
import type { SampleSet } from '../../ensemble/feature-set.ts'
import { spreadOfPlan } from '../../ensemble/learners.ts'
import { emptyBallots } from '../../rules/ballot.ts'
import { certifyBallots, ruleOptions } from '../../rules/certify-ballots.ts'
import { needsRankings, type Rule } from '../../rules/list.ts'
import { learnerSizes } from '../../rules/spread.ts'
import { otherClasses } from '../../threat/class-names.ts'

/** Counts of training videos over the base classifiers of an ensemble. */
export interface SampleCounts {
  readonly fewest: number
  readonly median: number
  readonly most: number
}

/** One K and spread. */
export interface ForecastEnsemble {
  /** For example `k50-d1`. */
  readonly name: string
  readonly partitions: number
  readonly spread: number
  /** Base classifiers that vote, and models that are trained for them (several for each with DPA*). */
  readonly learners: number
  readonly models: number
  /** Training videos of a base classifier, and of each class. */
  readonly samples: SampleCounts
  readonly perClass: Readonly<Record<string, SampleCounts>>
  readonly emptyLearners: number
  readonly singleClassLearners: number
  readonly warnings: readonly string[]
  /** By rule: the radius of an input for whose class every base classifier with a sample votes. No input can have more. */
  readonly largestRadius: Readonly<Partial<Record<Rule, number>>>
}

/** An ensemble with what is needed to measure it. */
export interface PlannedEnsemble {
  readonly forecast: ForecastEnsemble
  readonly assignment: BucketAssignment
  readonly offsets: readonly number[]
  readonly ensemble: Ensemble
}

/** @param set a row for each protected video */
export function plannedEnsemble(set: SampleSet, ensemble: Ensemble): PlannedEnsemble {
  const { name, k, d, rules, plan } = ensemble
  const { by, periods, groups, learners, seeds = 1 } = plan
  const { buckets, offsets } = spreadOfPlan(plan)
  const assignment = assignBuckets(set, { by, buckets, periods, groups })
  const facts = ensembleFacts(set, { assignment, offsets, learners })
  const { starts } = assignment
  const sizes = learnerSizes(
    Int32Array.from({ length: buckets }, (_, bucket) => starts[bucket + 1] - starts[bucket]),
    learners,
    offsets,
  )
  const perClass = set.classNames.flatMap((label, c) =>
    otherClasses.includes(label) ? [] : [[label, countsOf(set, assignment, { learners, offsets, label: c })] as const],
  )
  const radii = rules.map((rule) => [rule, largestRadius(rule, set.classNames, sizes, { offsets, groups, periods })])
  return {
    ensemble,
    assignment,
    offsets,
    forecast: {
      ...{ name, partitions: k, spread: d, learners, models: learners * seeds },
      samples: facts.samples,
      perClass: Object.fromEntries(perClass),
      emptyLearners: facts.emptyLearners,
      singleClassLearners: facts.singleClassLearners,
      warnings: ensembleWarnings(facts, learners),
      largestRadius: Object.fromEntries(radii),
    },
  }
}

/** Training videos of a class in each learner. */
function countsOf(
  set: SampleSet,
  { buckets, bucketOf }: BucketAssignment,
  {
    learners,
    offsets,
    label,
  }: { readonly learners: number; readonly offsets: readonly number[]; readonly label: number },
): SampleCounts {
  const inBucket = new Int32Array(buckets)
  for (const [row, bucket] of bucketOf.entries()) if (bucket >= 0 && set.labels[row] === label) inBucket[bucket]++
  return samplesOver(learnerSizes(inBucket, learners, offsets))
}

/** By the rule itself, on ballots that agree: for the first class, which wins ties against all that are not placeholders. */
function largestRadius(
  rule: Rule,
  classNames: readonly string[],
  sizes: ArrayLike<number>,
  ensemble: Omit<Parameters<typeof ruleOptions>[1], 'groups'> & { readonly groups?: number },
): number {
  const classes = classNames.length
  const winner = classNames.findIndex((name) => !otherClasses.includes(name))
  const ranking = [winner, ...Array.from({ length: classes }, (_, c) => c).filter((c) => c !== winner)]
  const places = needsRankings(rule) ? classes : 1
  const ballots = emptyBallots(1, sizes.length, classes, places)
  for (let learner = 0; learner < sizes.length; learner++)
    for (let place = 0; place < places; place++)
      ballots.ranks[learner * places + place] = sizes[learner] === 0 ? classes : ranking[place]
  const [certificate] = certifyBallots(ballots, ruleOptions(rule, ensemble))
  return certificate.radius
}
