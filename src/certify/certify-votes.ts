/** From votes of another program to certificate files, one for each rule. */
import path from 'node:path'
import { invalidArgument, unusedArgument } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { requireOwnResults } from '../format/own-results.ts'
import { checkRules } from './certify-plan.ts'
import { ballotsDigest, type StoredBallots, writeBallots } from './files/stored-votes.ts'
import { importedCollective, requireTrueClasses } from './import-collective.ts'
import {
  type ImportedBallots,
  type ImportedCertificate,
  type ImportOptions,
  importBallots,
  importedCertificate,
} from './import-votes.ts'
import { certifyInputs, type RuleOptions } from './rules/certify-ballots.ts'
import { needsPeriods, type Rule } from './rules/list.ts'
import { KeptCertificates } from './votes/kept-certificates.ts'
import { ruleOptionsOfVotes, rulesOfVotes, type VotesRulesOptions } from './votes-rules.ts'

/** How votes are read, which rules certify them, and where the certificates are written. */
export interface CertifyVotesOptions extends VotesRulesOptions {
  /** How the file is read; required with a file. */
  readonly read?: Omit<ImportOptions, 'classNames'>
  /** Folder of the certificates. */
  readonly out: string
  /** Names of the classes, by which votes and true classes may be written; left out where they have none. */
  readonly classNames?: readonly string[]
  /** Whether a certificate lists its inputs, and the votes are kept with it for `verifyCertificate`. Default true. */
  readonly perInput?: boolean
  /** Numbers of poisoned samples for the bound on all inputs together; it needs true classes. Default: none. */
  readonly collective?: readonly number[]
  /** Stops between two inputs. Certificates of finished inputs are kept for the next call. */
  readonly signal?: AbortSignal
  /** Called when the votes are read and their rules are checked, before anything is written. */
  readonly onRead?: (imported: ImportedBallots, rules: readonly RuleOptions[]) => void | Promise<void>
  /** Called after each input. */
  readonly onProgress?: (stage: string, done: number, total: number) => void
}

/** A certificate of votes, and its file. */
export interface CertifiedVotes {
  /** With all inputs, whether or not the file lists them. */
  readonly certificate: ImportedCertificate
  /** Path of the file. */
  readonly written: string
}

const nameOf = (rule: Rule): string => `imported-certificate-${rule}`

/**
 * Refuses rules that do not fit the votes or each other.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `RULES_NOT_COMBINED`
 */
function checkVotesRules(
  { ballots, labels }: ImportedBallots,
  rules: readonly RuleOptions[],
  collective?: readonly number[],
): void {
  const names = rules.map(({ rule }) => rule)
  const by = names.some(needsPeriods) ? 'time' : 'content' // what the columns are
  const groups = rules.find((rule) => rule.groups !== undefined)?.groups
  checkRules({ rules: names, partitions: ballots.learners, groups, by, collective })
  requireTrueClasses(labels, collective)
}

/**
 * Refuses a folder where certificates would replace files of other origin.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`, `FILE_NOT_REGULAR`
 */
async function requireOwnCertificates(out: string, rules: readonly Rule[]): Promise<void> {
  for (const rule of rules)
    await requireOwnResults(out, {
      what: 'an earlier certificate',
      isWritten: (name) => name === `${nameOf(rule)}.json`,
      main: `${nameOf(rule)}.json`,
      begins: /^\{"schema":"videomae\.imported-certificate\//,
    })
}

/**
 * Certifies votes of another program and writes a certificate file for each rule: what `videomae certify --votes` does.
 *
 * Everything is checked before the first file is written, and the rules before a file is read.
 *
 * @param votes a file, as `importBallots` reads it, or votes that were read
 * @returns one certificate for each rule, in the order of the rules
 * @throws VideoMaeError `INVALID_ARGUMENT`, `RULES_NOT_COMBINED`, `OUTPUT_TAKEN`, `FILE_NOT_REGULAR`, `COLLECTIVE_OVERFLOW`, and what `importBallots` throws; the reason of `signal`
 *
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs'
 * import { certifyVotes } from 'videomae/certify'
 *
 * // Two inputs, and the votes of three base classifiers.
 * writeFileSync('votes.csv', 'id,label,l0,l1,l2\na,cat,cat,cat,cat\nb,dog,dog,dog,cat\n')
 * const [{ certificate, written }] = await certifyVotes('votes.csv', {
 *   read: { kind: 'votes', classes: 2 },
 *   classNames: ['cat', 'dog'],
 *   out: 'certified-votes',
 * })
 * certificate.inputs.map(({ radius }) => radius) // => [1, 0]
 * written.endsWith('imported-certificate-dpa.json') // => true
 * ```
 */
export async function certifyVotes(
  votes: string | ImportedBallots,
  options: CertifyVotesOptions,
): Promise<CertifiedVotes[]> {
  const { out, perInput = true, collective, classNames, read, signal, onProgress } = options
  const kind = typeof votes === 'string' ? readingOf(read).kind : kindOf(votes, read)
  const names = rulesOfVotes(options, kind)
  const imported = typeof votes === 'string' ? await importBallots(votes, { ...readingOf(read), classNames }) : votes
  const { ballots } = imported
  if (classNames !== undefined && classNames.length !== ballots.classes)
    throw invalidArgument('classNames', `${ballots.classes} names`, classNames.length)
  const shownNames = classNames ?? namesInFile(ballots.classes, read?.firstClass)
  const rules = ruleOptionsOfVotes(names, options, ballots, shownNames)
  checkVotesRules(imported, rules, collective)
  await options.onRead?.(imported, rules)
  await requireOwnCertificates(
    out,
    rules.map(({ rule }) => rule),
  )
  makeFolder(out)
  const results: CertifiedVotes[] = []
  const kept: KeptCertificates[] = []
  let stored: StoredBallots | null = null
  for (const rule of rules) {
    const file = path.join(out, nameOf(rule.rule))
    const keep = await KeptCertificates.open(`${file}.part.jsonl`, imported.ballots, rule)
    kept.push(keep)
    const certified = await certifyInputs(imported.ballots, rule, {
      signal,
      known: keep.known,
      onCertificate: (certificate) => keep.add(certificate),
      onProgress: (done, total) => onProgress?.(`${rule.rule}: inputs`, done, total),
    }).finally(() => keep.flush())
    // With the first certificate, so that an interrupted command leaves none of them.
    if (perInput) stored ??= await storeBallots(out, imported)
    const bounds = await importedCollective(imported, rule, certified, collective, signal)
    const certificate: ImportedCertificate = {
      ...importedCertificate(imported, rule, certified),
      ...(bounds === undefined ? {} : { collective: bounds }),
      ...{ classNames: classNames ?? null, ballots: stored },
    }
    const shown = perInput ? certificate : { ...certificate, inputs: null }
    await writeFileAtomic(`${file}.json`, `${JSON.stringify(shown)}\n`)
    results.push({ certificate, written: `${file}.json` })
  }
  for (const keep of kept) await keep.remove()
  return results
}

/** @throws VideoMaeError `INVALID_ARGUMENT` where nothing says what a file has */
function readingOf(read: CertifyVotesOptions['read']): Omit<ImportOptions, 'classNames'> {
  if (read === undefined) throw invalidArgument('read', 'kind and number of classes of the file', read)
  return read
}

/** What votes that were read are. @throws VideoMaeError `INVALID_ARGUMENT` where `read` would have no effect */
function kindOf({ ballots }: ImportedBallots, read: CertifyVotesOptions['read']): ImportOptions['kind'] {
  if (read !== undefined) throw unusedArgument('read', 'with votes that were read', read.kind)
  return ballots.places === ballots.classes ? 'scores' : 'votes'
}

/** What classes without names are called in the file: their numbers there. */
export function namesInFile(classes: number, firstClass = 0): string[] {
  return Array.from({ length: classes }, (_, c) => String(c + firstClass))
}

/** Keeps the ballots in a file that is named by what is in it. */
async function storeBallots(out: string, { ballots }: ImportedBallots): Promise<StoredBallots> {
  const name = `imported-${ballotsDigest(ballots).slice(0, 12)}`
  return (await writeBallots(out, name, ballots, (add) => add(ballots))).stored
}
