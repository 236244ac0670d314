/** From votes of another program to certificate files, one for each rule. */
import path from 'node:path'
import { makeFolder } from '../core/make-folder.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { requireOwnResults } from '../format/own-results.ts'
import { checkRules } from './certify-plan.ts'
import { ballotsDigest, type StoredBallots, writeBallots } from './files/stored-votes.ts'
import { importedCollective, requireTrueClasses } from './import-collective.ts'
import { type ImportedBallots, type ImportedCertificate, importedCertificate } from './import-votes.ts'
import { certifyInputs, type RuleOptions } from './rules/certify-ballots.ts'
import { needsPeriods, type Rule } from './rules/list.ts'
import { KeptCertificates } from './votes/kept-certificates.ts'

/** Where certificates of votes are written, and what is in them. */
export interface CertifyVotesOptions {
  /** Folder of the certificates. */
  readonly out: string
  /** Names of the classes; null or left out where the file has none. */
  readonly classNames?: readonly string[] | null
  /** Whether a certificate lists its inputs, and the votes are kept with it for `verifyCertificate`. Default true. */
  readonly perInput?: boolean
  /** Numbers of poisoned samples for the bound on all inputs together; it needs true classes. Default: none. */
  readonly collective?: readonly number[]
  /** Stops between two inputs. Certificates of finished inputs are kept for the next call. */
  readonly signal?: AbortSignal
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
 * Certifies votes of another program, and writes a certificate for each rule. What is finished is kept next to the certificates until
 * all rules are done, so that the same call continues after a stop.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `RULES_NOT_COMBINED`, `OUTPUT_TAKEN`, `FILE_NOT_REGULAR`, `COLLECTIVE_OVERFLOW`; the reason of `signal`
 */
export async function certifyVotes(
  imported: ImportedBallots,
  rules: readonly RuleOptions[],
  options: CertifyVotesOptions,
): Promise<CertifiedVotes[]> {
  const { out, perInput = true, collective, classNames: names = null, signal, onProgress } = options
  checkVotesRules(imported, rules, collective)
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
      ...{ classNames: names, ballots: stored },
    }
    const shown = perInput ? certificate : { ...certificate, inputs: null }
    await writeFileAtomic(`${file}.json`, `${JSON.stringify(shown)}\n`)
    results.push({ certificate, written: `${file}.json` })
  }
  for (const keep of kept) await keep.remove()
  return results
}

/** Keeps the ballots in a file that is named by what is in it. */
async function storeBallots(out: string, { ballots }: ImportedBallots): Promise<StoredBallots> {
  const name = `imported-${ballotsDigest(ballots).slice(0, 12)}`
  return (await writeBallots(out, name, ballots, (add) => add(ballots))).stored
}
