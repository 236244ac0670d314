/** The files a certification writes. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { makeFolder } from '../../core/make-folder.ts'
import { writeFileAtomic } from '../../format/atomic.ts'
import { type ChartOptions, type Curve, renderChart } from '../../format/chart.ts'
import { beginsAs, requireOwnResults } from '../../format/own-results.ts'
import type { BucketKey, BucketManifest } from '../ensemble/buckets.ts'
import type { EnsembleFacts } from '../ensemble/ensemble-facts.ts'
import type { LearnerDescription } from '../ensemble/learners.ts'
import type { Periods } from '../ensemble/periods.ts'
import { type RunRule, ruleNamed } from '../rules/list.ts'
import { bestConstantAnswer, constantAnswerWarning, type RobustnessSummary, tabledRadii } from '../rules/metrics.ts'
import type { InputCertificate } from '../rules/rule.ts'
import type { TargetedSummary } from '../rules/targeted-summary.ts'
import type { ThreatStatement } from '../threat/threat.ts'
import type { SampleFiles } from './sample-record.ts'
import type { StoredBallots, StoredFlips } from './stored-votes.ts'

/** `certificate.json`. Readers refuse a schema they do not know. */
export interface CertificateFile {
  /** Format and version of the certificate. */
  readonly schema: 'videomae.certificate/1'
  /** What the radii are a promise against, its unit, conditions and limits. Never print a radius without it. */
  readonly threat: ThreatStatement
  /** What decides the bucket of a sample, and the function in words. */
  readonly buckets: { readonly by: BucketKey; readonly hash: string }
  /** The base classifier, with every value its training depends on besides the samples. */
  readonly learner: LearnerDescription
  /** Names of the classes; indices in the file count them from 0. */
  readonly classNames: readonly string[]
  /** The most frequent class of the training set, and what always answering it gets right. */
  readonly mostFrequentClass: { readonly name: string; readonly accuracy: number }
  /** The most frequent class of the inputs, and what always answering it gets right: the accuracy to beat. */
  readonly baseline?: { readonly name: string; readonly accuracy: number }
  /** In a bucket of the run that reads most: what is in no period is not counted. */
  readonly trainingRows: number
  /** Videos in a bucket of the run that reads most. */
  readonly trainingVideos: number
  /** One for each rule and number of partitions. */
  readonly runs: readonly CertificateRun[]
  /** Files that say which samples and inputs these are, by content; null where no files were kept. */
  readonly samples?: SampleFiles | null
  /** What made the certificate. */
  readonly provenance?: Provenance
}

/** The program and the kind of machine that made a certificate; the engine is among the options. */
export interface Provenance {
  /** Of this program. */
  readonly version: string
  /** Of Node.js. */
  readonly node: string
  /** Operating system and processor, for example `linux-x64`. */
  readonly platform: string
  /** Library or program that decoded the videos, with its version; null where it is not known. */
  readonly decoder?: string | null
}

/** A file that predicts new inputs with the learners of a run. */
export interface EnsembleReference {
  /** Its name; it is next to the certificate. */
  readonly file: string
  /** The digest that the file holds of its own content: SHA-256, hexadecimal. */
  readonly digest: string
}

/** One rule at one number of partitions. */
export interface CertificateRun {
  /** The rule that counts the votes. */
  readonly rule: RunRule
  /** K: a poisoned sample touches one K-th of the learners. */
  readonly partitions: number
  /** d of Finite Aggregation, 1 without. */
  readonly spread: number
  /** DPA*: learners of each partition whose scores make one ballot; 1 without. */
  readonly seeds: number
  /** Ballots cast: K times d. */
  readonly learners: number
  /** [d] spread of Finite Aggregation; none for `temporal`. */
  readonly offsets: readonly number[]
  /** Encoder groups; null where the rule does not count them. */
  readonly groups: number | null
  /** For `temporal`: bounds of the periods, and how many each learner is trained on. */
  readonly periods?: Periods
  /** SHA-256 of the bucket manifest, 64 hex digits. */
  readonly bucketManifest: string
  /** SHA-256 over the digests of all learners: training again must give it again. */
  readonly learnersDigest: string
  /** Null where the learners are not kept: they are no matrices on features, or the rule needs the training set. */
  readonly ensemble: EnsembleReference | null
  /** Learners without a training sample. */
  readonly emptyLearners: number
  /** Learners whose samples are all of one class. */
  readonly singleClassLearners: number
  /** Training rows of a learner. */
  readonly samples: EnsembleFacts['samples']
  /** What makes the ensemble look stronger than it is; print them next to the radii. */
  readonly warnings: readonly string[]
  /** Share of single learners' first choices that are right. */
  readonly baseAccuracy: number
  /** Votes not cast, over all inputs. */
  readonly abstentions: number
  /** Accuracy and radii over all inputs. */
  readonly summary: RobustnessSummary
  /** For `fa_exact`: inputs whose radius is exact; of the others it is a lower bound. Null for the other rules. */
  readonly exactRadii: number | null
  /** What it costs to make single classes come out; not there where no classes were asked for. */
  readonly targeted?: readonly TargetedSummary[]
  /** For `temporal`, whose radius is the duration: the same of the earliness. */
  readonly earliness?: RobustnessSummary
  /**
   * The whole test set under one poisoned training set of this budget: right predictions that may change at most, and the
   * share of inputs that stay right. Null when not asked for.
   */
  readonly collective:
    | readonly { readonly budget: number; readonly changedAtMost: number; readonly certifiedAccuracy: number }[]
    | null
  /** The certificate of each input, with its id and true class; null where only the summary was asked for. */
  readonly inputs: readonly ({ readonly id: string; readonly label: number } & InputCertificate)[] | null
  /** The votes that all of this follows from, for `verifyCertificate`; null where they were not kept. */
  readonly ballots: StoredBallots | null
  /** For `dpa_white_box`: what it counts besides the votes; null where it was not kept. */
  readonly flips?: StoredFlips | null
  /** File with the SHA-256 of each learner, one in each line; `learnersDigest` is the SHA-256 of the file. Null where not kept. */
  readonly learnersFile: string | null
}

/** For example `DPA*+ROE K=50 D=3`: the star and D where each partition has several learners. */
export function runName({ rule, partitions, spread, seeds, periods }: CertificateRunKey): string {
  const { title } = ruleNamed(rule)
  const name = seeds > 1 ? title.replace(/^\w+/, '$&*') : title
  const covers = periods === undefined ? '' : ` n=${periods.coverage}`
  return `${name} K=${partitions}${covers}${spread > 1 ? ` d=${spread}` : ''}${seeds > 1 ? ` D=${seeds}` : ''}`
}

type CertificateRunKey = Pick<CertificateRun, 'rule' | 'partitions' | 'spread' | 'seeds' | 'periods'>

/** What a run certifies, each with a name: its radii, or for `temporal` durations and earlinesses. */
function summariesOf(run: CertificateRun): [name: string, summary: RobustnessSummary][] {
  const name = runName(run)
  if (run.earliness === undefined) return [[name, run.summary]]
  return [
    [`${name}, duration`, run.summary],
    [`${name}, earliness`, run.earliness],
  ]
}

/** Certified accuracy against the radius, one stepped curve a run. */
export function certifiedAccuracyCurve(name: string, summary: RobustnessSummary): Curve {
  const points = summary.certifiedAccuracy.map((accuracy, r) => [r, accuracy] as const)
  return { name, shape: 'steps', points: [...points, [summary.certifiedAccuracy.length, 0]] }
}

/**
 * Certified accuracy over the number of poisoned samples, one curve for each rule, as SVG.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for a certificate without runs, or with an unknown rule
 */
export function certificateChart(certificate: CertificateFile, options: Partial<ChartOptions> = {}): string {
  const { threat, buckets } = certificate
  const unit = { label_flip: 'label flips', general: 'insertions and deletions', source: 'sources', temporal: '' }
  return renderChart({
    title: 'Certified accuracy',
    xLabel: buckets.by === 'time' ? 'poisoned periods' : `poisoned samples (${unit[threat.threat]})`,
    yLabel: 'certified accuracy',
    yRange: [0, 1],
    xTicks: 'whole',
    curves: certificate.runs.flatMap(summariesOf).map(([name, summary]) => certifiedAccuracyCurve(name, summary)),
    ...options,
  })
}

/**
 * One line a run, as a Markdown table: certified accuracy at some radii up to the largest, median and mean radius.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for an unknown rule
 */
export function certificateTable(certificate: CertificateFile): string {
  const shown = certificate.runs.flatMap((run) => summariesOf(run).map(([name, summary]) => ({ run, name, summary })))
  const largest = shown.reduce((most, { summary }) => Math.max(most, summary.certifiedAccuracy.length - 1), 0)
  const radii = tabledRadii(largest).filter((r) => r > 0)
  const share = (value: number): string => `${(100 * value).toFixed(1)}%`
  const rows = shown.map(({ run, name, summary }) => [
    name,
    share(run.baseAccuracy),
    share(summary.cleanAccuracy),
    ...radii.map((r) => share(summary.certifiedAccuracy[r] ?? 0)),
    summary.medianRadius ?? 'none (below 50%)',
    summary.averageCertifiedRadius.toFixed(1),
    run.abstentions,
  ])
  const head = [
    ...['run', 'one base classifier right', 'ensemble right'],
    ...radii.map((r) => `right and r >= ${r}`),
    ...['median r', 'mean r', 'abstentions'],
  ]
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line), ''].join('\n')
}

/**
 * The best constant answer to the inputs. A certificate of an earlier version lacks it: then it follows from the inputs. Null where that
 * version did not list them.
 */
export function baselineOfCertificate({
  baseline,
  classNames,
  runs,
}: {
  readonly baseline?: CertificateFile['baseline']
  readonly classNames: readonly string[]
  readonly runs: readonly { readonly inputs: readonly { readonly label: number }[] | null }[]
}): { readonly name: string; readonly accuracy: number } | null {
  if (baseline !== undefined) return baseline
  const inputs = runs.find(({ inputs }) => inputs !== null && inputs.length > 0)?.inputs ?? null
  if (inputs === null) return null
  const most = bestConstantAnswer(inputs.map(({ label }) => label))
  return { name: classNames[most.class] ?? `class ${most.class}`, accuracy: most.accuracy }
}

/**
 * What is next to the table: the accuracy to beat, and what makes an ensemble look stronger than it is.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for an unknown rule
 */
export function certificateRemarks(certificate: CertificateFile): readonly string[] {
  const baseline = baselineOfCertificate(certificate)
  const { classNames, runs } = certificate
  return [
    ...(baseline === null
      ? []
      : [
          `baseline: always answering ${baseline.name}, the most frequent class of the tested inputs, is right for ${(100 * baseline.accuracy).toFixed(1)}%`,
        ]),
    ...warningsOf(runs.map((run) => ({ run, warnings: accuracyWarnings(run, baseline, (c) => classNames[c]) }))),
    ...warningsOf(runs.map((run) => ({ run, warnings: run.warnings }))),
    ...sameResults(runs),
    ...runs.flatMap((run) => [
      ...(run.exactRadii === null || run.exactRadii === run.summary.inputs
        ? []
        : [`${runName(run)}: ${run.exactRadii} of ${run.summary.inputs} radii are exact, the others are lower bounds`]),
    ]),
  ]
}

/** That an ensemble is not better than a constant answer, or is one. */
export function accuracyWarnings(
  {
    summary,
    inputs,
  }: {
    readonly summary: RobustnessSummary | null
    readonly inputs: readonly { readonly prediction: number }[] | null
  },
  baseline: CertificateFile['baseline'] | null,
  nameOf: (index: number) => string,
): string[] {
  const weak =
    baseline == null || summary === null ? null : constantAnswerWarning(summary.cleanAccuracy, baseline, summary.inputs)
  const constant =
    inputs !== null && inputs.length > 1 && inputs.every(({ prediction }) => prediction === inputs[0].prediction)
      ? `it predicts ${nameOf(inputs[0].prediction)} for every input`
      : null
  return [weak, constant].filter((text) => text !== null)
}

/** Rules that come to the same for every input, which is usual with two classes. */
function sameResults(runs: readonly CertificateRun[]): string[] {
  const groups = new Map<string, string[]>()
  for (const run of runs) {
    if (run.inputs === null) continue
    const key = JSON.stringify([
      ...[run.partitions, run.spread, run.seeds],
      run.inputs.map(({ prediction, radius }) => [prediction, radius]),
    ])
    groups.set(key, [...(groups.get(key) ?? []), runName(run)])
  }
  return [...groups.values()]
    .filter((names) => names.length > 1)
    .map((names) => `${names.join(' and ')}: the same prediction and radius for every input`)
}

/** Each warning once, with the names of the runs that it is about: rules that count the votes of the same learners have the same ones. */
function warningsOf(
  of: readonly { readonly run: CertificateRunKey; readonly warnings: readonly string[] }[],
): string[] {
  const names = new Map<string, string[]>()
  for (const { run, warnings } of of)
    for (const warning of warnings) names.set(warning, [...(names.get(warning) ?? []), runName(run)])
  return [...names].map(([warning, about]) => `warning: ${about.join(', ')}: ${warning}`)
}

/**
 * Where the record of a bucketing may be, most specific first. The second name is the usual one; the first is for folders with
 * several bucketings into the same number of buckets, such as one with encoder groups and one without.
 *
 * @param digest of the record, as the run has it (`bucketManifest`)
 */
export function bucketFileNames(buckets: number, digest: string): readonly [specific: string, usual: string] {
  return [`buckets-${buckets}-${digest.slice(0, 12)}.json`, `buckets-${buckets}.json`]
}

/**
 * Names of the files that `verifyCertificate` reads besides the buckets: votes, flips, digests of learners and records of samples.
 * Publish them together.
 */
export function filesToVerifyFrom({
  runs,
  samples,
}: {
  readonly runs: readonly Partial<Pick<CertificateRun, 'ballots' | 'flips' | 'learnersFile'>>[]
  readonly samples?: SampleFiles | null
}): readonly string[] {
  const names = runs.flatMap(({ ballots, flips, learnersFile }) => [
    ballots?.file,
    flips?.file,
    learnersFile ?? undefined,
  ])
  const records = [samples?.protectedSet.file, samples?.inputs?.file]
  return [...new Set([...names, ...records].filter((name) => name !== undefined))]
}

/** Files that a certification writes before its certificate. */
const writtenBefore =
  /^((ballots|flips|learners|ensemble)-k\d+-d\d+[\w-]*\.(npy|txt|safetensors)|(protected-set|certified-inputs)\.json)$/

const bucketFile = /^buckets-\d+(-[0-9a-f]{12})?\.json$/

/**
 * Files next to a certificate that are called like those of a certificate, and are not of this one: an earlier one with other numbers of
 * partitions leaves them. They stay, as they may be of use.
 *
 * @param files paths of those that the certificate came with
 */
export async function leftFromEarlier(folder: string, files: readonly string[]): Promise<readonly string[]> {
  const own = new Set(files.map((file) => path.basename(file)))
  const names = await readdir(folder)
  return names.filter((name) => !own.has(name) && (bucketFile.test(name) || writtenBefore.test(name))).sort()
}

/**
 * Refuses a folder where a certificate would replace files of other origin.
 *
 * @param votesToo whether votes, digests of learners and ensembles will be written there as well
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
export function requireCertificateFolder(folder: string, votesToo = false): Promise<void> {
  return requireOwnResults(folder, {
    what: 'that of an earlier certificate',
    isWritten: (name) =>
      ['certificate.json', 'certified-accuracy.svg', 'table.md'].includes(name) ||
      bucketFile.test(name) ||
      (votesToo && writtenBefore.test(name)),
    main: 'certificate.json',
    begins: /^\{"schema":"videomae\.certificate\//,
    // Written last. Learners are there before.
    mayLackMain: (other) => hasLearners(path.join(other, 'learners')),
  })
}

/** Whether a folder has trained learners in it. A folder of others may be called learners, too. */
async function hasLearners(folder: string): Promise<boolean> {
  for (const name of await readdir(folder).catch((): string[] => [])) {
    const plan = path.join(folder, name, 'plan.json')
    if (await beginsAs(plan, /^\{"schema":"videomae\.learners\//).catch(() => false)) return true
  }
  return false
}

/**
 * Writes `certificate.json`, `certified-accuracy.svg`, `table.md` and one `buckets-LEARNERS.json` for each bucketing (see
 * `bucketFileNames`); each file appears whole or not at all.
 *
 * @returns paths of the files, the certificate first
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
export async function writeCertificate(
  directory: string,
  certificate: CertificateFile,
  manifests: readonly BucketManifest[],
): Promise<readonly string[]> {
  await requireCertificateFolder(directory)
  makeFolder(directory)
  const files: string[] = []
  const write = async (name: string, text: string): Promise<void> => {
    await writeFileAtomic(path.join(directory, name), text)
    files.unshift(path.join(directory, name))
  }
  for (const manifest of manifests) {
    const [specific, usual] = bucketFileNames(manifest.buckets, manifest.digest)
    const alone = manifests.every(({ buckets, digest }) => buckets !== manifest.buckets || digest === manifest.digest)
    await write(alone ? usual : specific, `${JSON.stringify(manifest)}\n`)
  }
  await write('certified-accuracy.svg', certificateChart(certificate))
  const remarks = certificateRemarks(certificate).map((remark) => `* ${remark}\n`)
  await write('table.md', `${certificateTable(certificate)}\n${remarks.join('')}`)
  await write('certificate.json', `${JSON.stringify(certificate)}\n`)
  return files
}
