import { stat } from 'node:fs/promises'
import path from 'node:path'
import { type CertifiedVotes, certifyVotes } from '../certify/certify-votes.ts'
import {
  type ImportedBallots,
  type ImportedCertificate,
  type ImportOptions,
  importBallots,
} from '../certify/import-votes.ts'
import type { CollectiveRow } from '../certify/rules/collective.ts'
import {
  defaultRules,
  defaultSpreadRules,
  needsGroups,
  needsPeriods,
  needsRankings,
  needsSpread,
  type Rule,
  rulesOfLayout,
} from '../certify/rules/list.ts'
import { checkClasses } from '../certify/rules/plurality.ts'
import { checkRequirements, noTrueClasses, parseRequirements } from '../certify/rules/requirement.ts'
import { targetsNamed } from '../certify/rules/targeted-summary.ts'
import { declaredClasses } from '../certify/videos/class-list.ts'
import { describeReading } from '../certify/votes/reading.ts'
import { invalidArgument, unusedArgument } from '../core/errors.ts'
import { budgetsOf, listOf, noteOf, numbersOf, progressOf, rulesOf } from './certify-options.ts'
import { endAsRequired, showRequirements } from './certify-requirements.ts'
import type { CertifyCommandOptions } from './commands/certify.ts'
import { interruptSignal } from './interrupt.ts'
import { requirePage, writePage } from './page.ts'
import { targetsOf, targetText } from './target-option.ts'

/**
 * `videomae certify --votes FILE`. Every rule is checked before the first file is written.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `RULES_NOT_COMBINED`, `INTERRUPTED`, and what `importBallots` throws
 */
export async function certifyVotesCommand(file: string, options: CertifyCommandOptions): Promise<void> {
  const { out } = options
  // Before the file is read: that takes long, too.
  const interrupt = interruptSignal(`Run the same command again: certificates of finished inputs are kept in ${out}.`)
  try {
    await certifyUntil(interrupt.signal, file, options)
  } finally {
    interrupt.dispose()
  }
}

async function certifyUntil(signal: AbortSignal, file: string, options: CertifyCommandOptions): Promise<void> {
  const { kind = 'votes', groups, coverage, out, quiet = false, perInput = true } = options
  const { number, names } = await classesOf(options.classes)
  // Classes without names are called what they are in the file.
  const shownNames = names ?? Array.from({ length: number }, (_, c) => String(c + (options.firstClass ?? 0)))
  const targets = targetsNamed(targetsOf(options.target), shownNames, '--target')
  const requirements = parseRequirements(options.require ?? [], '--require')
  const offsets = options.offsets === undefined ? undefined : numbersOf('--offsets', options.offsets, 'learners', 0)
  const rules = rulesFor(options.rule, kind, offsets?.length ?? options.spread ?? 1)
  requireFitting(rules, offsets, options)
  const imported = await importBallots(file, importOptions(options, kind, number, names))
  const { inputs, learners } = imported.ballots
  const known = imported.labels?.filter((label) => label !== null).length ?? 0
  if (requirements.length > 0 && known < inputs) throw noTrueClasses(requirements[0], 'the file', inputs, known)
  const collective = budgetsOf(options.collective)
  if (collective !== undefined && known === 0)
    throw unusedArgument(
      '--collective',
      'with a file that has no true classes, because the bound counts right predictions',
      collective.join(),
    )
  if (offsets !== undefined) checkOffsets(offsets, options.spread, learners)
  const rulesAsked = rules.map((rule) => ({
    ...{ rule, offsets },
    ...(needsGroups(rule) && groups !== undefined ? { groups } : {}),
    ...(needsPeriods(rule) ? { coverage: coverage ?? 1 } : {}),
    ...(targets.length > 0 ? { targets } : {}),
  }))
  tellReading(imported, options)
  for (const rule of rules) await requirePage(options.report, out, `report-${rule}.html`)
  const results = await certifyVotes(imported, rulesAsked, {
    ...{ out, perInput, collective, classNames: names, onProgress: progressOf(quiet), signal },
  })
  const pages: string[] = []
  for (const { written } of results) pages.push(...(await writePage(options.report, written)))
  const measured = results.map(({ certificate }) => ({
    ...{ run: certificate.rule.rule, inputs, summary: certificate.summary },
  }))
  tell(results, { imported, shownNames, pages }, checkRequirements(measured, requirements), options)
}

/** Refuses options that no rule uses, and rules that lack one. */
function requireFitting(
  rules: readonly Rule[],
  offsets: readonly number[] | undefined,
  { groups, coverage }: CertifyCommandOptions,
): void {
  if (offsets === undefined && rules.some(needsSpread))
    throw invalidArgument(
      '--offsets',
      'the base classifiers that partition 0 reached, such as 0,3,7, because rules with a spread need them',
      offsets,
    )
  if (groups !== undefined && !rules.some(needsGroups))
    throw unusedArgument('--groups', `without rule ${rulesOfLayout('groups')}`, groups)
  if (coverage !== undefined && !rules.some(needsPeriods))
    throw unusedArgument('--coverage', `without rule ${rulesOfLayout('periods')}`, coverage)
}

/** Says how the file was read. */
function tellReading({ reading }: ImportedBallots, { json = false, quiet = false }: CertifyCommandOptions): void {
  if (reading !== undefined && !json) process.stdout.write(`${describeReading(reading)}\n`)
  for (const note of reading?.notes ?? []) noteOf(quiet)(`note: ${note}`)
}

/** Prints what was certified. */
function tell(
  results: readonly CertifiedVotes[],
  about: {
    readonly imported: ImportedBallots
    readonly shownNames: readonly string[]
    readonly pages: readonly string[]
  },
  required: ReturnType<typeof checkRequirements>,
  { json = false, out }: CertifyCommandOptions,
): void {
  const { imported, shownNames, pages } = about
  const { learners, inputs } = imported.ballots
  const conditions = [...new Set(results.flatMap(({ certificate }) => certificate.conditions))]
  if (json) {
    const shown = results.map(({ certificate, written }) => {
      const { rule, summary, exactRadii, targeted, collective: bounds } = certificate
      return { rule: rule.rule, learners, inputs, summary, exactRadii, targeted, collective: bounds, file: written }
    })
    endAsRequired({ read: imported.reading, runs: shown, conditions, pages }, required)
    return
  }
  for (const result of results) {
    const { targeted = [], collective: bounds = [] } = result.certificate
    const lines = [
      textOf(result.certificate, imported),
      ...targeted.map((target) => targetText(target, shownNames)),
      ...bounds.map(collectiveText),
    ]
    process.stdout.write(`${lines.join('\n')}\nwrote  ${result.written}\n`)
  }
  const votes = new Set(results.flatMap(({ certificate }) => certificate.ballots?.file ?? []))
  for (const name of votes) process.stdout.write(`wrote  ${path.join(out, name)}\n`)
  for (const page of pages) process.stdout.write(`wrote  ${page}\n`)
  process.stdout.write(conditions.map((condition) => `  if ${condition}\n`).join(''))
  showRequirements(required)
}

/** Names, a number of classes, or a file with a name in each line. */
async function classesOf(
  text: string | undefined,
): Promise<{ readonly number: number; readonly names: readonly string[] | null }> {
  const given = text === undefined ? [] : listOf('--classes', text).map((name) => name.normalize('NFC'))
  // A pipe or a device is no name either: reading it says what it is.
  const found = given.length === 1 ? await stat(given[0]).catch(() => null) : null
  const names = found !== null && !found.isDirectory() ? ((await declaredClasses(given)).declared ?? []) : given
  const number = names.length === 1 ? Number(names[0]) : names.length
  if (!Number.isInteger(number) || number < 2)
    throw invalidArgument('--classes', 'names such as fight,noFight, a file with one name per line, or a number', text)
  checkClasses(number)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw invalidArgument('--classes', 'different names', twice)
  return { number, names: names.length > 1 ? names : null }
}

function importOptions(
  options: CertifyCommandOptions,
  kind: 'votes' | 'scores',
  classes: number,
  names: readonly string[] | null,
): ImportOptions {
  const { seedsPerPartition: seeds, learners, header, idColumn, labelColumn, firstClass } = options
  return {
    ...{ kind, classes, seeds, learners, idColumn, labelColumn, firstClass },
    ...(names === null ? {} : { classNames: names }),
    ...(header === undefined ? {} : { header: header === 'yes' }),
  }
}

/** One line on one budget. */
function collectiveText({ budget, changedAtMost, certifiedAccuracy }: CollectiveRow): string {
  const share = (100 * certifiedAccuracy).toFixed(1)
  return `all inputs together: ${budget} poisoned ${budget === 1 ? 'sample' : 'samples'} can change at most ${changedAtMost} right predictions, ${share} % stay right`
}

/** What is printed of one rule. */
function textOf(certificate: ImportedCertificate, { ballots, reading }: ImportedBallots): string {
  const { rule, summary, exactRadii } = certificate
  const radii = certificate.inputs.map(({ radius }) => radius).sort((a, b) => a - b)
  const { inputs, learners } = ballots
  const unknown = reading?.unknownLabels ?? 0
  const scored =
    summary === null
      ? `median radius of all predictions ${radii[Math.floor((radii.length - 1) / 2)]}; no true classes, so no accuracy`
      : `right ${(100 * summary.cleanAccuracy).toFixed(1)} %${unknown > 0 ? ` of ${summary.inputs} with a known class` : ''}, median radius ${summary.medianRadius ?? 'none (below 50%)'}, mean radius ${summary.averageCertifiedRadius.toFixed(1)}`
  const exact =
    exactRadii === null
      ? ''
      : `; ${exactRadii} of ${inputs} radii are exact${exactRadii < inputs ? ', the others are lower bounds' : ''}`
  return `${rule.rule}: ${learners} base classifiers, ${inputs} inputs, ${scored}${exact}`
}

/**
 * The rules that are asked for; where none is, those that the file allows: with a spread where a bucket reached several learners,
 * and with a run-off where it holds more than first choices.
 *
 * A spread is never guessed, nor left out of account: with other offsets than those that the learners were trained by, one
 * poisoned sample reaches other learners, or more of them, than the rule counts.
 *
 * @param reach learners that each bucket reached
 */
function rulesFor(asked: string | undefined, kind: 'votes' | 'scores', reach: number): Rule[] {
  const spreads = reach > 1
  const usual = spreads ? defaultSpreadRules : defaultRules
  const rules = asked === undefined ? usual.filter((rule) => kind === 'scores' || !needsRankings(rule)) : rulesOf(asked)
  const ranked = rules.find(needsRankings)
  if (ranked !== undefined && kind === 'votes')
    throw invalidArgument('--rule', 'rules that need only first choices', ranked, `${ranked} needs --kind scores.`)
  const disjoint = rules.find((rule) => !needsSpread(rule))
  if (disjoint !== undefined && spreads)
    throw invalidArgument(
      '--rule',
      `one of ${rulesOfLayout('spread')}, because a partition reached ${reach} base classifiers,`,
      disjoint,
      `${disjoint} counts one vote per poisoned sample.`,
    )
  return rules
}

function checkOffsets(offsets: readonly number[], spread: number | undefined, learners: number): void {
  const shown = offsets.join(',')
  if (new Set(offsets).size !== offsets.length || offsets.some((offset) => offset >= learners))
    throw invalidArgument('--offsets', `different numbers below ${learners}, the number of base classifiers`, shown)
  if (spread !== undefined && spread !== offsets.length)
    throw invalidArgument('--spread', `${offsets.length}, the number of --offsets,`, spread)
  if (learners % offsets.length !== 0)
    throw invalidArgument('--offsets', `a number of offsets that divides ${learners} base classifiers`, shown)
}
