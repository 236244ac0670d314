/** What `certify`, `audit` and `lethal-dose` have in common: reading videos, heads and lists of options. */

import type { BucketKey } from '../certify/ensemble/buckets.ts'
import { needsPeriods, type Rule, rules, rulesOfLayout } from '../certify/rules/list.ts'
import type { Threat } from '../certify/threat/threat.ts'
import type { LearnerKind, LearnerOptions } from '../certify/videos/learners/learner-options.ts'
import { claimOf, type VideoStudyOptions } from '../certify/videos/study.ts'
import { type CountName, largestCounts } from '../core/counts.ts'
import { invalidArgument, unusedArgument } from '../core/errors.ts'
import { printableLines } from '../core/printable.ts'
import { finetuneSchema } from '../finetune/configuration.ts'
import { augmentationKinds } from '../inference/augmentation-names.ts'
import { loadConfiguration } from '../train/configuration-file.ts'
import { ProgressDisplay } from '../train/progress.ts'
import { recipeFile } from '../train/recipes.ts'
import type { StudyOptions } from './options/study.ts'

/** Displays of progress, one for each stage. */
export function progressOf(quiet: boolean): (stage: string, done: number, total: number) => void {
  const display = new ProgressDisplay({ stream: process.stderr, quiet })
  const counters = new Map<string, (done: number, total: number) => void>()
  return (stage, done, total) => {
    const counter = counters.get(stage) ?? display.counter(stage)
    counters.set(stage, counter)
    counter(done, total)
  }
}

export function videoOptions(
  data: string,
  from: string | readonly string[],
  learner: LearnerOptions,
  options: StudyOptions,
  signal: AbortSignal,
): VideoStudyOptions & { readonly from: string | readonly string[] } {
  const { test, testShare, split, by, trusted, trainedOn, trust, labelsUsed, clips, augment, stride, readout } = options
  const { testClips } = options
  const { threads, workers, decoder, seed, out, cache, engine, quiet = false, classes } = options
  const { period, until, coverage } = options
  return {
    ...{ data, from, learner, test, testShare, split, by, trusted, trainedOn, trust, labelsUsed },
    ...{ clips, testClips, stride, readout, threads, workers, decoder, seed, out, signal },
    ...(cache === undefined ? {} : { cache }),
    engine: engine ?? null,
    ...(augment === undefined ? {} : { augment: namesOf('--augment', augment, augmentationKinds) }),
    ...(classes === undefined ? {} : { classes: listOf('--classes', classes) }),
    ...(period === undefined || until === undefined ? {} : { periods: { length: period, until, coverage } }),
    onProgress: progressOf(quiet),
    onNote: noteOf(quiet),
  }
}

/** Prints each note once: several encoders, learners or numbers of partitions on the same data have the same ones to give. */
export function noteOf(quiet: boolean): (note: string) => void {
  const told = new Set<string>()
  return (note) => {
    if (quiet || told.has(note)) return
    told.add(note)
    process.stderr.write(`${printableLines(note)}\n`)
  }
}

/**
 * `claimOf`, for the options of the command line, which errors name.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for options that rule `temporal` needs, or that are its own
 */
export function bucketsOf(
  rules: readonly Rule[],
  { by, threat, period, until, coverage }: StudyOptions & { readonly threat?: Threat },
): { readonly by: BucketKey; readonly threat: Threat } {
  if (!rules.some(needsPeriods)) {
    const beside = period ?? until ?? coverage
    if (beside !== undefined)
      throw unusedArgument('--period, --until and --coverage', `without rule ${rulesOfLayout('periods')}`, beside)
    return claimOf(rules, { by, threat })
  }
  if (by !== undefined)
    throw unusedArgument('--by', `with rule ${rulesOfLayout('periods')}, whose partitions are periods`, by)
  if (period === undefined || until === undefined)
    throw invalidArgument(
      '--period and --until',
      `a length and an end with rule ${rulesOfLayout('periods')}`,
      period ?? until,
      'For example --period 7d --until 2024-06-01; DATA is a CSV with the columns path,label,time.',
    )
  return claimOf(rules, { threat, periods: { length: period, until, coverage } })
}

/**
 * Encoder groups: as many as encoders where there are several.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` where several encoders are named, but not one for each group
 */
export function groupCount(groups: number | undefined, from: readonly string[]): number | undefined {
  if (from.length <= 1) return groups
  if (groups !== undefined && groups !== from.length)
    throw invalidArgument('--groups', `${from.length}, as many as --from names encoders`, groups)
  return from.length
}

/** The base classifier that the options describe; which options a kind has is checked by `planCertification`. */
export async function learnerOf(
  { lambda, epochs, learningRate, recipe, seed }: StudyOptions,
  kind: LearnerKind = 'ridge',
): Promise<LearnerOptions> {
  const file = recipe === undefined ? undefined : recipeFile(recipe, 'finetune')
  return {
    kind,
    lambda,
    epochs,
    learningRate,
    seed,
    recipe: file === undefined ? undefined : await loadConfiguration(finetuneSchema, { file, overrides: [] }),
  }
}

export const rulesOf = (text: string): Rule[] => namesOf('--rule', text, rules)

/**
 * Names, separated by commas.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for one that is not allowed
 */
export function namesOf<Name extends string>(option: string, text: string, allowed: readonly Name[]): Name[] {
  return listOf(option, text).map((given) => {
    const name = allowed.find((one) => one === given)
    if (name === undefined) throw invalidArgument(option, `some of ${allowed.join(', ')}`, given)
    return name
  })
}

/** Whole numbers. @throws VideoMaeError `INVALID_ARGUMENT` */
export function numbersOf(name: string, text: string, kind: CountName, least = 1): number[] {
  const numbers = listOf(name, text).map(Number)
  const most = largestCounts[kind]
  if (numbers.every((value) => Number.isInteger(value) && value >= least && value <= most)) return numbers
  throw invalidArgument(name, `whole numbers from ${least} to ${most} such as 50,100,200`, text)
}

/** Shares of a whole. @throws VideoMaeError `INVALID_ARGUMENT` */
export function sharesOf(name: string, text: string): number[] {
  const numbers = listOf(name, text).map(Number)
  if (numbers.every((value) => value >= 0 && value <= 1)) return numbers
  throw invalidArgument(name, 'shares from 0 to 1 such as 0.5,0.6,0.7', text)
}

/**
 * The parts of a list, at least one.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` where a part is blank: what should stand there is not known
 */
export function listOf(name: string, text: string): string[] {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.includes('')) throw invalidArgument(name, 'a list without blank parts, separated by commas', text)
  return parts
}

/** Budgets of `--collective`. */
export function budgetsOf(text: string | undefined): number[] | undefined {
  return text === undefined ? undefined : numbersOf('--collective', text, 'budget')
}
