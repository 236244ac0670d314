import { stat } from 'node:fs/promises'
import path from 'node:path'
import { type CertifiedVotes, type CertifyVotesOptions, certifyVotes, namesInFile } from '../certify/certify-votes.ts'
import type { ImportedBallots, ImportedCertificate } from '../certify/import-votes.ts'
import type { CollectiveRow } from '../certify/rules/collective.ts'
import { bestConstantAnswer, type RobustnessSummary, tabledRadii } from '../certify/rules/metrics.ts'
import { checkClasses } from '../certify/rules/plurality.ts'
import { checkRequirements, noTrueClasses, parseRequirements, type Requirement } from '../certify/rules/requirement.ts'
import { declaredClasses } from '../certify/videos/class-list.ts'
import { describeReading } from '../certify/votes/reading.ts'
import { invalidArgument } from '../core/errors.ts'
import { firstRepeated } from '../core/first-repeated.ts'
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
  const { spread, groups, coverage, out, quiet = false, perInput = true } = options
  const { number, names } = await classesOf(options.classes)
  const requirements = parseRequirements(options.require ?? [], '--require')
  const results = await certifyVotes(file, {
    read: readOptions(options, number),
    rules: options.rule === undefined ? undefined : rulesOf(options.rule),
    offsets: options.offsets === undefined ? undefined : numbersOf('--offsets', options.offsets, 'learners', 0),
    targetClasses: targetsOf(options.target),
    ...{ spread, groups, coverage, classNames: names, out, perInput, signal },
    collective: budgetsOf(options.collective),
    onProgress: progressOf(quiet),
    onRead: async (imported, rules) => {
      requireKnownClasses(imported, requirements)
      tellReading(imported, options)
      for (const { rule } of rules) await requirePage(options.report, out, `report-${rule}.html`)
    },
  })
  const pages: string[] = []
  for (const { written } of results) pages.push(...(await writePage(options.report, written)))
  const measured = results.map(({ certificate: { rule, inputs, summary } }) => ({
    ...{ run: rule.rule, inputs: inputs.length, summary },
  }))
  const shownNames = names ?? namesInFile(number, options.firstClass)
  tell(results, { shownNames, pages }, checkRequirements(measured, requirements), options)
}

/** Before hours of work. @throws VideoMaeError `NO_TRUE_CLASSES` */
function requireKnownClasses({ ballots, labels = [] }: ImportedBallots, requirements: readonly Requirement[]): void {
  const known = labels.filter((label) => label !== null).length
  if (requirements.length > 0 && known < ballots.inputs)
    throw noTrueClasses(requirements[0], 'the file', ballots.inputs, known)
}

/** Says how the file was read. */
function tellReading({ reading }: ImportedBallots, { json = false, quiet = false }: CertifyCommandOptions): void {
  if (reading !== undefined && !json) process.stdout.write(`${describeReading(reading)}\n`)
  for (const note of reading?.notes ?? []) noteOf(quiet)(`note: ${note}`)
}

/** Prints what was certified. */
function tell(
  results: readonly CertifiedVotes[],
  { shownNames, pages }: { readonly shownNames: readonly string[]; readonly pages: readonly string[] },
  required: ReturnType<typeof checkRequirements>,
  { json = false, out }: CertifyCommandOptions,
): void {
  const conditions = [...new Set(results.flatMap(({ certificate }) => certificate.conditions))]
  if (json) {
    const shown = results.map(({ certificate, written }) => {
      const { rule, learners, inputs, summary, exactRadii, targeted, collective: bounds } = certificate
      const counts = { learners, inputs: inputs.length }
      return { rule: rule.rule, ...counts, summary, exactRadii, targeted, collective: bounds, file: written }
    })
    endAsRequired({ read: results[0].certificate.votes, runs: shown, conditions, pages }, required)
    return
  }
  for (const result of results) {
    const { targeted = [], collective: bounds = [] } = result.certificate
    const lines = [
      textOf(result.certificate, shownNames),
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
): Promise<{ readonly number: number; readonly names: readonly string[] | undefined }> {
  const given = text === undefined ? [] : listOf('--classes', text).map((name) => name.normalize('NFC'))
  // A pipe or a device is no name either: reading it says what it is.
  const found = given.length === 1 ? await stat(given[0]).catch(() => null) : null
  const names = found !== null && !found.isDirectory() ? ((await declaredClasses(given)).declared ?? []) : given
  const number = names.length === 1 ? Number(names[0]) : names.length
  if (!Number.isInteger(number) || number < 2)
    throw invalidArgument('--classes', 'names such as fight,noFight, a file with one name per line, or a number', text)
  checkClasses(number)
  const twice = firstRepeated(names)
  if (twice !== undefined) throw invalidArgument('--classes', 'different names', twice)
  return { number, names: names.length > 1 ? names : undefined }
}

function readOptions(options: CertifyCommandOptions, classes: number): NonNullable<CertifyVotesOptions['read']> {
  const { kind = 'votes', seedsPerPartition: seeds, learners, header, idColumn, labelColumn, firstClass } = options
  return {
    ...{ kind, classes, seeds, learners, idColumn, labelColumn, firstClass },
    ...(header === undefined ? {} : { header: header === 'yes' }),
  }
}

/** One line on one budget. */
function collectiveText({ budget, changedAtMost, certifiedAccuracy }: CollectiveRow): string {
  const share = (100 * certifiedAccuracy).toFixed(1)
  return `all inputs together: ${budget} poisoned ${budget === 1 ? 'sample' : 'samples'} can change at most ${changedAtMost} right predictions, ${share} % stay right`
}

/** Certified accuracy at some radii. */
function certifiedText({ certifiedAccuracy }: RobustnessSummary): string {
  const radii = tabledRadii(certifiedAccuracy.length - 1).filter((r) => r > 0)
  return `, right and certified for ${radii.map((r) => `r >= ${r}: ${(100 * (certifiedAccuracy[r] ?? 0)).toFixed(1)} %`).join(', ')}`
}

/** The accuracy to beat. */
function baselineText({ inputs }: Pick<ImportedCertificate, 'inputs'>, shownNames: readonly string[]): string {
  const known = inputs.flatMap(({ label }) => label ?? [])
  const { class: most, accuracy } = bestConstantAnswer(known)
  return `; always answering ${shownNames[most] ?? `class ${most}`} is right for ${(100 * accuracy).toFixed(1)} %`
}

/** What is printed of one rule. */
function textOf(certificate: ImportedCertificate, shownNames: readonly string[]): string {
  const { rule, summary, exactRadii, learners } = certificate
  const radii = certificate.inputs.map(({ radius }) => radius).sort((a, b) => a - b)
  const inputs = radii.length
  const unknown = certificate.votes?.unknownLabels ?? 0
  const scored =
    summary === null
      ? `median radius of all predictions ${radii[Math.floor((radii.length - 1) / 2)]}; no true classes, so no accuracy`
      : `right ${(100 * summary.cleanAccuracy).toFixed(1)} %${unknown > 0 ? ` of ${summary.inputs} with a known class` : ''}, median radius ${summary.medianRadius ?? 'none (below 50%)'}, mean radius ${summary.averageCertifiedRadius.toFixed(1)}${certifiedText(summary)}${baselineText(certificate, shownNames)}`
  const exact =
    exactRadii === null
      ? ''
      : `; ${exactRadii} of ${inputs} radii are exact${exactRadii < inputs ? ', the others are lower bounds' : ''}`
  return `${rule.rule}: ${learners} base classifiers, ${inputs} inputs, ${scored}${exact}`
}
