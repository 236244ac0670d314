/** Recomputes everything in a certificate that follows from the votes that are published with it. */
import path from 'node:path'
import { VideoMaeError } from '../../core/errors.ts'
import { scoredRadii } from '../certify.ts'
import { sha256 } from '../ensemble/hash.ts'
import { runName } from '../files/certificate-file.ts'
import { importedConditions, inPresentWords } from '../import-votes.ts'
import { ruleOptions } from '../rules/certify-ballots.ts'
import { ballotRule, exactRadii, looksIntoHeads, needsPeriods } from '../rules/list.ts'
import { bestConstantAnswer, type RobustnessSummary, summarizeRadii } from '../rules/metrics.ts'
import type { InputCertificate } from '../rules/rule.ts'
import { summarizeTargets } from '../rules/targeted-summary.ts'
import { compareAttestation } from './attestation.ts'
import { bucketCount, compareBuckets, compareLayout } from './buckets.ts'
import { compareCollective } from './collective.ts'
import { compareConsistency, compareIds, compareNames } from './consistency.ts'
import { type Difference, Differences } from './differences.ts'
import { invalidCertificate, readBuckets, readCertificate, readLearnerDigests } from './read-files.ts'
import { type Recount, recount } from './recount.ts'
import { compareSamples } from './samples.ts'
import type { ReadCertificate, ReadImportedCertificate, ReadRun } from './schema.ts'
import { compareStatement } from './statement.ts'

export interface VerifyVotesOptions {
  /** Whether a statement next to the certificate is compared with it. Default true. */
  readonly statement?: boolean
  readonly signal?: AbortSignal
  /** Called with the name of a run and the inputs of it that are done. */
  readonly onProgress?: (stage: string, done: number, total: number) => void
}

/** One rule at one K, or the one rule of an imported certificate. */
export interface VerifiedRun {
  /** Name of the run, such as `DPA+ROE K=50`. */
  readonly run: string
  /** Number of inputs. */
  readonly inputs: number
  /** Null: recomputed from its votes. Otherwise why not. */
  readonly skipped: string | null
  /** Recomputed, for `checkRequirements`. Null where the run was skipped or no true classes are known. */
  readonly summary: RobustnessSummary | null
}

/** What was recomputed of a certificate, and where it disagrees. */
export interface VerificationReport {
  /** Format and version of the report. */
  readonly schema: 'videomae.verification/1'
  /** The file that was verified. */
  readonly certificate: string
  /** The sentence that a radius must be quoted with; null for imported certificates, whose conditions say it. */
  readonly claim: string | null
  /** One for each rule and number of partitions. */
  readonly runs: readonly VerifiedRun[]
  /** Values that were compared. */
  readonly compared: number
  /** What was checked, one sentence each. */
  readonly checked: readonly string[]
  /** What no figure of this report says anything about. */
  readonly notChecked: readonly string[]
  /** At most 1000 of them. */
  readonly differences: readonly Difference[]
  /** All of them, also those that are not listed. */
  readonly differencesFound: number
}

/** Among what is not checked: `verifyCertificate` does. */
export const ensembleFiles = 'ensemble files'

/** What a certificate of videos states and no file next to it repeats. */
const notRepeated = [
  'how the data were read and divided: needs the data (--data)',
  'the number of clips, the stride and the trusted videos (options), and what made the certificate (provenance)',
]

const solvedAgain = 'collective bounds, solved again'

/**
 * Verifies a certificate from the files next to it. Nothing is trained and no video is read.
 *
 * @param file `certificate.json` or `imported-certificate-RULE.json`
 * @throws VideoMaeError `CERTIFICATE_INVALID`, `CERTIFICATE_FILE_MISSING`, `FILE_TOO_LARGE`, `FILE_NOT_REGULAR`; differences are reported,
 *   not thrown (see `assertVerified`)
 */
export async function verifyVotes(file: string, options: VerifyVotesOptions = {}): Promise<VerificationReport> {
  const certificate = await readCertificate(file)
  const verifier = new Verifier(file, options)
  if (certificate.schema === 'videomae.certificate/1') await verifier.certificate(certificate)
  else await verifier.imported(certificate)
  const { differences, runs, checked, notChecked } = verifier
  return {
    schema: 'videomae.verification/1',
    certificate: file,
    claim: certificate.schema === 'videomae.certificate/1' ? certificate.threat.claim : null,
    runs,
    compared: differences.compared,
    checked: [...checked],
    notChecked: [...notChecked],
    differences: differences.listed,
    differencesFound: differences.found,
  }
}

class Verifier {
  readonly differences = new Differences()
  readonly runs: VerifiedRun[] = []
  readonly checked = new Set<string>()
  readonly notChecked = new Set<string>()
  private readonly file: string
  private readonly folder: string
  private readonly options: VerifyVotesOptions

  constructor(file: string, options: VerifyVotesOptions) {
    this.file = file
    this.folder = path.dirname(file)
    this.options = options
  }

  async certificate(certificate: ReadCertificate): Promise<void> {
    const { differences } = this
    compareStatement(certificate, differences)
    compareConsistency(certificate, certificate.runs.map(runName), differences)
    this.checked.add('claim, unit, conditions and limits follow from threat, partitions and encoder as they are stated')
    const manifests = new Map<string, { readonly rows: number; readonly videos: number } | null>()
    for (const [r, run] of certificate.runs.entries()) {
      const [name, at] = [runName(run), `runs[${r}].`]
      const counted = await this.run(run, name, at, certificate.classNames.length)
      const { seed } = certificate.options ?? {}
      compareLayout({ run, name, at }, seed, counted !== null, differences)
      if (run.spread > 1 && !Number.isInteger(seed))
        this.notChecked.add('the offsets of rules with a spread: no options.seed says how they were drawn')
      const found = await readBuckets(this.folder, bucketCount(run), run.bucketManifest)
      manifests.set(found?.name ?? String(bucketCount(run)), found?.manifest ?? null)
      if (found === null) this.notChecked.add(`buckets-${bucketCount(run)}.json, which is not next to the certificate`)
      else {
        compareBuckets({ run, name, at }, found, certificate, counted, differences)
        this.checked.add('the files of partitions: digests, sizes, and which base classifiers have no training row')
      }
      await this.learners(run, name, at)
    }
    this.sameInputs(certificate)
    const samples = await compareSamples(this.file, certificate, differences)
    this.add(samples)
    const { statement = true, signal } = this.options
    if (statement) this.add(await compareAttestation(this.file, certificate, differences, signal))
    const known = [...manifests.values()].filter((manifest) => manifest !== null)
    if (known.length === manifests.size) {
      differences.compare('trainingRows', certificate.trainingRows, Math.max(...known.map(({ rows }) => rows)))
      differences.compare('trainingVideos', certificate.trainingVideos, Math.max(...known.map(({ videos }) => videos)))
    }
    for (const what of [
      'whether the votes are those of base classifiers trained on this data: needs training again, with the same data and options',
      samples.checked.length === 0
        ? 'which video belongs into which partition, the protected set, the labels of the inputs, base classifiers of one class only, the most frequent class: need the data (--data)'
        : 'whether the recorded samples are those of the data: needs the data (--data)',
      ...(certificate.options === undefined ? [] : notRepeated),
      'the encoder, what it was trained on, and the conditions of the claim',
      'table.md and certified-accuracy.svg',
      ...(certificate.runs.some(({ ensemble }) => ensemble != null) ? [ensembleFiles] : []),
    ])
      this.notChecked.add(what)
  }

  async imported(certificate: ReadImportedCertificate): Promise<void> {
    const { differences } = this
    const { rule, inputs, ballots = null, votes, classNames } = certificate
    const reading = votes?.reordered === true
    const conditions = importedConditions(rule, certificate.learners, reading)
    differences.compare('conditions', certificate.conditions.map(inPresentWords), conditions)
    this.checked.add('the conditions follow from the rule')
    const name = rule.rule
    compareNames(classNames ?? [], differences)
    compareIds(inputs, '', { run: name }, differences)
    this.notChecked.add('the conditions, and whether the votes are those that the other system cast')
    if (inputs === null || ballots === null) {
      this.skip(name, inputs === null ? 'it lists no inputs (--no-per-input)' : 'it names no stored votes')
      return
    }
    const classes = classNames?.length ?? votes?.classes ?? ballots.classes
    const fits = this.fits({ learners: certificate.learners, classes, inputs: inputs.length }, ballots, name, '')
    if (!fits) return
    const { collective } = certificate
    const keepRight = collective !== undefined
    const counted = await this.count({ ballots, flips: null, rule, inputs, run: name, at: '', keepRight })
    const { certificates } = counted
    const known = certificates.flatMap((each, t) =>
      inputs[t].label === null ? [] : [{ each, label: inputs[t].label }],
    )
    const radii = scoredRadii(
      known.map(({ each }) => each),
      known.map(({ label }) => label),
    )
    const summary = known.length === 0 ? null : summarizeRadii(radii)
    this.runs.push({ run: name, inputs: certificates.length, skipped: null, summary })
    differences.compare('summary', certificate.summary, summary)
    differences.compare('exactRadii', certificate.exactRadii, exactRadii(rule.rule, certificates))
    const { targets } = rule
    const targeted =
      targets &&
      summarizeTargets(
        targets,
        certificates,
        inputs.map(({ label }) => label),
      )
    differences.compare('targeted', certificate.targeted, targeted)
    if (collective !== undefined && counted.right !== null) {
      const stated = { collective, run: rule.rule, name, at: '', inputs: known.length }
      if (await compareCollective(stated, rule, counted.right, differences, this.options.signal))
        this.checked.add(solvedAgain)
    }
    if (votes === null) return
    differences.compare('votes.inputs', votes.inputs, inputs.length)
    differences.compare('votes.learners', votes.learners, ballots.learners)
    differences.compare('votes.classes', votes.classes, ballots.classes)
    differences.compare('votes.abstentions', votes.abstentions, sumOf(certificates))
    differences.compare(
      'votes.unknownLabels',
      votes.unknownLabels,
      votes.labels === null ? 0 : inputs.length - known.length,
    )
    this.notChecked.add(`${votes.file}, the file that the votes were read from`)
  }

  private add(outcome: { readonly checked: readonly string[]; readonly notChecked: readonly string[] } | null): void {
    for (const what of outcome?.checked ?? []) this.checked.add(what)
    for (const what of outcome?.notChecked ?? []) this.notChecked.add(what)
  }

  private skip(run: string, skipped: string, inputs = 0): void {
    this.runs.push({ run, inputs, skipped, summary: null })
  }

  /** Whether votes and list of inputs are of one size; what differs is noted. */
  private fits(
    stated: { readonly learners: number; readonly classes: number; readonly inputs: number },
    ballots: NonNullable<ReadRun['ballots']>,
    run: string,
    at: string,
  ): boolean {
    const before = this.differences.found
    for (const key of ['inputs', 'learners', 'classes'] as const)
      this.differences.compare(`${at}ballots.${key}`, ballots[key], stated[key], { run })
    if (ballots.places !== 1) this.differences.compare(`${at}ballots.places`, ballots.places, ballots.classes, { run })
    if (this.differences.found === before) return true
    this.skip(run, 'its votes are of another size than it says')
    return false
  }

  private async count(job: Omit<Parameters<typeof recount>[0], 'folder'>): Promise<Recount> {
    const { signal, onProgress } = this.options
    const run = job.run ?? ''
    const counted = await recount(
      { ...job, folder: this.folder, signal, onProgress: (done, total) => onProgress?.(run, done, total) },
      this.differences,
    ).catch((error: unknown) => {
      // What does not fit was stated by the file, and not typed by a user.
      if (!(error instanceof VideoMaeError && error.code === 'INVALID_ARGUMENT')) throw error
      throw invalidCertificate(
        this.file,
        `values of ${job.at === '' ? 'the rule' : job.at.slice(0, -1)} that fit its votes`,
        error.message,
      )
    })
    this.checked.add('prediction, radius, rivals and abstentions of every input, from the votes')
    this.checked.add('accuracies, medians and certified accuracies, from the radii')
    return counted
  }

  private async run(run: ReadRun, name: string, at: string, classes: number): Promise<Recount | null> {
    const { differences } = this
    const { inputs, ballots = null, flips = null, rule } = run
    const targets = run.targeted?.map((each) => each.class)
    if (inputs === null) this.skip(name, 'it lists no inputs (--no-per-input)')
    else if (ballots === null) this.skip(name, 'it names no stored votes', inputs.length)
    else if (looksIntoHeads(rule) && flips === null) this.skip(name, 'it names no stored flips', inputs.length)
    if (inputs === null || ballots === null || (looksIntoHeads(rule) && flips === null)) return null
    const stated = { learners: run.learners, classes, inputs: inputs.length }
    if (!this.fits(stated, ballots, name, at)) return null
    const counted = await this.count({
      ...{
        ballots,
        inputs,
        at,
        run: name,
        rule: ruleOptions(ballotRule(rule), run, targets),
        keepRight: run.collective !== null,
      },
      flips: looksIntoHeads(rule) ? flips : null,
    })
    const { certificates } = counted
    const labels = inputs.map(({ label }) => label)
    const about = { run: name }
    const summary = summarizeRadii(scoredRadii(certificates, labels))
    this.runs.push({ run: name, inputs: certificates.length, skipped: null, summary })
    differences.compare(`${at}summary`, run.summary, summary, about)
    const earliness = needsPeriods(rule)
      ? summarizeRadii(scoredRadii(certificates, labels, ({ earliness: newest = 0 }) => newest))
      : undefined
    differences.compare(`${at}earliness`, run.earliness, earliness, about)
    differences.compare(
      `${at}targeted`,
      run.targeted,
      targets && summarizeTargets(targets, certificates, labels),
      about,
    )
    differences.compare(`${at}exactRadii`, run.exactRadii, exactRadii(rule, certificates), about)
    differences.compare(`${at}abstentions`, run.abstentions, sumOf(certificates), about)
    const votes = inputs.length * run.learners
    differences.compare(`${at}baseAccuracy`, run.baseAccuracy, counted.rightVotes / votes, about)
    if (run.collective !== null && counted.right !== null) {
      const stated = { collective: run.collective, run: rule, name, at, inputs: inputs.length }
      const { signal } = this.options
      const solved = await compareCollective(
        stated,
        ruleOptions(ballotRule(rule), run),
        counted.right,
        differences,
        signal,
      )
      if (solved) this.checked.add(solvedAgain)
    }
    return counted
  }

  private async learners(
    { learnersFile = null, learnersDigest, learners }: ReadRun,
    run: string,
    at: string,
  ): Promise<void> {
    const text = learnersFile === null ? null : await readLearnerDigests(this.folder, learnersFile)
    if (text === null) {
      this.notChecked.add('the digests of single base classifiers, which are not next to the certificate')
      return
    }
    this.differences.compare(`${at}learnersDigest`, learnersDigest, sha256(text), { run })
    this.differences.compare(`${learnersFile}: lines`, text.split('\n').length, learners, { run })
    this.checked.add('the digest of all base classifiers follows from their digests')
  }

  /** All runs are about the same inputs, and what the most frequent class gets right follows from their labels. */
  private sameInputs({ runs, mostFrequentClass, baseline, classNames }: ReadCertificate): void {
    const listed = runs.flatMap((run, r) => (run.inputs === null ? [] : [{ r, run: runName(run), inputs: run.inputs }]))
    const [first, ...others] = listed
    if (first === undefined) return
    const who = (inputs: readonly { readonly id: string; readonly label: number }[]) =>
      inputs.map(({ id, label }) => ({ id, label }))
    for (const { r, run, inputs } of others)
      this.differences.compare(`runs[${r}].inputs`, who(inputs), who(first.inputs), { run })
    for (const { r, run, inputs } of listed)
      for (const [t, { id, label }] of inputs.entries())
        if (label >= classNames.length)
          this.differences.compare(`runs[${r}].inputs[${t}].label`, label, `below ${classNames.length}`, {
            run,
            input: id,
          })
    const most = classNames.indexOf(mostFrequentClass.name)
    const right = first.inputs.reduce((sum, { label }) => sum + (label === most ? 1 : 0), 0)
    this.differences.compare('mostFrequentClass.accuracy', mostFrequentClass.accuracy, right / first.inputs.length)
    if (baseline === undefined) return
    const constant = bestConstantAnswer(first.inputs.map(({ label }) => label))
    this.differences.compare('baseline.name', baseline.name, classNames[constant.class])
    this.differences.compare('baseline.accuracy', baseline.accuracy, constant.accuracy)
  }
}

function sumOf(certificates: readonly InputCertificate[]): number {
  return certificates.reduce((sum, { abstentions }) => sum + abstentions, 0)
}
