import path from 'node:path'
import { checkRules } from '../certify/certify-plan.ts'
import { ballotsDigest, type StoredBallots, writeBallots } from '../certify/files/stored-votes.ts'
import { importedCollective } from '../certify/import-collective.ts'
import {
  type ImportedBallots,
  type ImportedCertificate,
  type ImportOptions,
  importBallots,
  importedCertificate,
} from '../certify/import-votes.ts'
import { certifyInputs, type RuleOptions } from '../certify/rules/certify-ballots.ts'
import type { CollectiveRow } from '../certify/rules/collective.ts'
import {
  defaultRules,
  defaultSpreadRules,
  needsGroups,
  needsPeriods,
  needsRankings,
  needsSpread,
  type Rule,
} from '../certify/rules/list.ts'
import { checkRequirements, noTrueClasses, parseRequirements } from '../certify/rules/requirement.ts'
import { targetsNamed } from '../certify/rules/targeted-summary.ts'
import { KeptCertificates } from '../certify/votes/kept-certificates.ts'
import { describeReading } from '../certify/votes/reading.ts'
import { invalidArgument, unusedArgument } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { requireOwnResults } from '../format/own-results.ts'
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
export async function certifyVotes(file: string, options: CertifyCommandOptions): Promise<void> {
  const { kind = 'votes', groups, coverage, out, json = false, quiet = false, perInput = true } = options
  const { number, names } = classesOf(options.classes)
  // Classes without names are called what they are in the file.
  const shownNames = names ?? Array.from({ length: number }, (_, c) => String(c + (options.firstClass ?? 0)))
  const targets = targetsNamed(targetsOf(options.target), shownNames, '--target')
  const requirements = parseRequirements(options.require ?? [], '--require')
  const offsets = options.offsets === undefined ? undefined : numbersOf('--offsets', options.offsets, 'learners', 0)
  const rules = rulesFor(options.rule, kind, offsets?.length ?? options.spread ?? 1)
  if (offsets === undefined && rules.some(needsSpread))
    throw invalidArgument(
      '--offsets',
      'the learners that bucket 0 reached, such as 0,3,7: rules with a spread count by them',
      offsets,
    )
  if (groups !== undefined && !rules.some(needsGroups)) throw unusedArgument('--groups', 'without rule groups', groups)
  if (coverage !== undefined && !rules.some(needsPeriods))
    throw unusedArgument('--coverage', 'without rule temporal', coverage)
  const imported = await importBallots(file, importOptions(options, kind, number, names))
  const { inputs, learners } = imported.ballots
  const known = imported.labels?.filter((label) => label !== null).length ?? 0
  if (requirements.length > 0 && known < inputs) throw noTrueClasses(requirements[0], 'the file', inputs, known)
  const collective = budgetsOf(options.collective)
  if (collective !== undefined && known === 0)
    throw unusedArgument(
      '--collective',
      'with a file without true classes: the bound is on right predictions',
      collective.join(),
    )
  if (offsets !== undefined) checkOffsets(offsets, options.spread, learners)
  const by = rules.some(needsPeriods) ? 'time' : 'content' // what stands for the columns
  checkRules({ rules, partitions: learners, groups, by, collective })
  const { reading } = imported
  if (reading !== undefined && !json) process.stdout.write(`${describeReading(reading)}\n`)
  for (const note of reading?.notes ?? []) noteOf(quiet)(`note: ${note}`)
  for (const rule of rules)
    await requireOwnResults(out, {
      what: 'an earlier certificate',
      isWritten: (name) => name === `imported-certificate-${rule}.json`,
      main: `imported-certificate-${rule}.json`,
      begins: /^\{"schema":"videomae\.imported-certificate\//,
    })
  for (const rule of rules) await requirePage(options.report, out, `report-${rule}.html`)
  makeFolder(out)
  const results = await certifyRules(
    imported,
    rules.map((rule) => ({
      ...{ rule, offsets },
      ...(needsGroups(rule) && groups !== undefined ? { groups } : {}),
      ...(needsPeriods(rule) ? { coverage: coverage ?? 1 } : {}),
      ...(targets.length > 0 ? { targets } : {}),
    })),
    { out, quiet, perInput, names, collective },
  )
  const pages: string[] = []
  for (const { written } of results) pages.push(...(await writePage(options.report, written)))
  const measured = results.map(({ certificate }) => ({
    ...{ run: certificate.rule.rule, inputs, summary: certificate.summary },
  }))
  const required = checkRequirements(measured, requirements)
  const conditions = [...new Set(results.flatMap(({ certificate }) => certificate.conditions))]
  if (json) {
    const shown = results.map(({ certificate, written, radii: _ }) => {
      const { rule, summary, exactRadii, targeted, collective: bounds } = certificate
      return { rule: rule.rule, learners, inputs, summary, exactRadii, targeted, collective: bounds, file: written }
    })
    endAsRequired({ read: reading, runs: shown, conditions, pages }, required)
    return
  }
  for (const result of results) {
    const { targeted = [], collective: bounds = [] } = result.certificate
    const lines = [
      textOf(result, imported),
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

function classesOf(text: string | undefined): { readonly number: number; readonly names: readonly string[] | null } {
  const names = text === undefined ? [] : listOf('--classes', text).map((name) => name.normalize('NFC'))
  const number = names.length === 1 ? Number(names[0]) : names.length
  if (!Number.isInteger(number) || number < 2)
    throw invalidArgument('--classes', 'names such as fight,noFight, or a number of classes', text)
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

interface RuleResult {
  readonly certificate: ImportedCertificate
  readonly radii: readonly number[]
  readonly written: string
}

/** Rule by rule. What is finished is kept next to the certificates until all rules are done, so that the same command continues. */
async function certifyRules(
  imported: ImportedBallots,
  rules: readonly RuleOptions[],
  about: {
    readonly out: string
    readonly quiet: boolean
    readonly perInput: boolean
    readonly names: readonly string[] | null
    readonly collective: readonly number[] | undefined
  },
): Promise<RuleResult[]> {
  const { out, quiet, perInput, names, collective } = about
  const progress = progressOf(quiet)
  const interrupt = interruptSignal(`Run the same command again: certificates of finished inputs are kept in ${out}.`)
  const results: RuleResult[] = []
  const kept: KeptCertificates[] = []
  try {
    let stored: StoredBallots | null = null
    for (const rule of rules) {
      const name = path.join(out, `imported-certificate-${rule.rule}`)
      const keep = await KeptCertificates.open(`${name}.part.jsonl`, imported.ballots, rule)
      kept.push(keep)
      const certified = await certifyInputs(imported.ballots, rule, {
        signal: interrupt.signal,
        known: keep.known,
        onCertificate: (certificate) => keep.add(certificate),
        onProgress: (done, total) => progress(`${rule.rule}: inputs`, done, total),
      }).finally(() => keep.flush())
      // With the first certificate, so that an interrupted command leaves none of them.
      if (perInput) stored ??= await storeBallots(out, imported)
      const bounds = await importedCollective(imported, rule, certified, collective, interrupt.signal)
      const certificate: ImportedCertificate = {
        ...importedCertificate(imported, rule, certified),
        ...(bounds === undefined ? {} : { collective: bounds }),
        ...{ classNames: names, ballots: stored },
      }
      const radii = certified.map(({ radius }) => radius).sort((a, b) => a - b)
      const shown = perInput ? certificate : { ...certificate, inputs: null }
      await writeFileAtomic(`${name}.json`, `${JSON.stringify(shown)}\n`)
      results.push({ certificate, radii, written: `${name}.json` })
    }
    for (const keep of kept) await keep.remove()
    return results
  } finally {
    interrupt.dispose()
  }
}

/** Keeps the ballots in a file that is named by what is in it. */
async function storeBallots(out: string, { ballots }: ImportedBallots): Promise<StoredBallots> {
  const name = `imported-${ballotsDigest(ballots).slice(0, 12)}`
  return (await writeBallots(out, name, ballots, (add) => add(ballots))).stored
}

/** One line on one budget. */
function collectiveText({ budget, changedAtMost, certifiedAccuracy }: CollectiveRow): string {
  const share = (100 * certifiedAccuracy).toFixed(1)
  return `all inputs together: ${budget} ${budget === 1 ? 'poison' : 'poisons'} can change at most ${changedAtMost} right predictions, ${share} % stay right`
}

/** What is printed of one rule. */
function textOf({ certificate, radii }: RuleResult, { ballots, reading }: ImportedBallots): string {
  const { rule, summary, exactRadii } = certificate
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
  return `${rule.rule}: ${learners} learners, ${inputs} inputs, ${scored}${exact}`
}

/**
 * The rules that are asked for; where none is, those that the file allows: with a spread where a bucket reached several learners,
 * and with a run-off where it holds more than first choices.
 *
 * A spread is never guessed, nor left out of account: with other offsets than those that the learners were trained by, one poison
 * reaches other learners, or more of them, than the rule counts.
 *
 * @param reach learners that each bucket reached
 */
function rulesFor(asked: string | undefined, kind: 'votes' | 'scores', reach: number): Rule[] {
  const spreads = reach > 1
  const usual = spreads ? defaultSpreadRules : defaultRules
  const rules = asked === undefined ? usual.filter((rule) => kind === 'scores' || !needsRankings(rule)) : rulesOf(asked)
  const ranked = rules.find(needsRankings)
  if (ranked !== undefined && kind === 'votes')
    throw invalidArgument('--rule', 'rules that first choices are enough for', ranked, `${ranked} needs --kind scores.`)
  const disjoint = rules.find((rule) => !needsSpread(rule))
  if (disjoint !== undefined && spreads)
    throw invalidArgument(
      '--rule',
      `fa, fa_exact or roe_fa where a bucket reached ${reach} learners`,
      disjoint,
      `${disjoint} counts one vote for each poison.`,
    )
  return rules
}

function checkOffsets(offsets: readonly number[], spread: number | undefined, learners: number): void {
  const shown = offsets.join(',')
  if (new Set(offsets).size !== offsets.length || offsets.some((offset) => offset >= learners))
    throw invalidArgument('--offsets', `different numbers below ${learners}, the number of learners`, shown)
  if (spread !== undefined && spread !== offsets.length)
    throw invalidArgument('--spread', `${offsets.length}, as many as there are --offsets`, spread)
  if (learners % offsets.length !== 0)
    throw invalidArgument('--offsets', `as many numbers as divide ${learners} learners`, shown)
}
