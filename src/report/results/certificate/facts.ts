/** What a page says of a certificate, whoever made it: read from `certificate.json` and the files that come with it. */
import path from 'node:path'
import { baselineOfCertificate, bucketFileNames, runName } from '../../../certify/files/certificate-file.ts'
import { looksIntoHeads, needsGroups, needsPeriods, ruleNamed } from '../../../certify/rules/list.ts'
import { bestConstantAnswer, type RobustnessSummary } from '../../../certify/rules/metrics.ts'
import { bucketCount } from '../../../certify/verify/buckets.ts'
import { readBuckets, readCertificate } from '../../../certify/verify/read-files.ts'
import type { ReadCertificate, ReadImportedCertificate, ReadRun } from '../../../certify/verify/schema.ts'
import { VideoMaeError } from '../../../core/errors.ts'
import { fileDigest } from '../../../format/file-digest.ts'
import { nullIfMissing } from '../../../format/missing.ts'
import type { SourceFile } from '../../page/model.ts'

export interface CertifiedInput {
  readonly id: string
  /** Null where the true class is not known. */
  readonly label: number | null
  readonly prediction: number
  readonly radius: number
  readonly rivals: readonly number[]
  /** For rule `groups`: the same counted in changed labels. */
  readonly labelRadius?: number
  /** For rule `temporal`: the same for the newest periods. */
  readonly earliness?: number
}

/** One rule at one number of partitions: a predictor of its own. */
export interface CertifiedRun {
  readonly name: string
  /** Runs with the same base classifiers have the same text. */
  readonly ensemble: string
  readonly learners: number
  /** The largest radius that the rule can give with so many partitions; null where it counts something else. */
  readonly possible: number | null
  /** Null where no true class is known. */
  readonly summary: RobustnessSummary | null
  /** For rule `temporal`: the same of the earliness. */
  readonly earliness: RobustnessSummary | null
  /** Accuracy of single base classifiers; null where it is not recorded. */
  readonly baseAccuracy: number | null
  /** Null where single inputs were left out of the certificate. */
  readonly inputs: readonly CertifiedInput[] | null
  readonly collective: ReadRun['collective']
  /** What it costs to make single classes come out. */
  readonly targeted: NonNullable<ReadRun['targeted']>
  /** Inputs whose radius is exact, where the rule says so; of the others it is a lower bound. */
  readonly exactRadii: number | null
  readonly warnings: readonly string[]
}

/** A file that `verify` needs. */
export interface CheckedFile {
  readonly file: string
  readonly what: string
  /** SHA-256 as the certificate states it. */
  readonly stated: string
  readonly state: 'as stated' | 'differs' | 'missing'
  /** Whether votes and radii can be verified without it: it may be held back because it is confidential. */
  readonly optional?: boolean
}

export interface CertificateFacts {
  readonly source: SourceFile
  /** Claim, unit and conditions. Null for a certificate of votes of another system, which cannot know them. */
  readonly threat: ReadCertificate['threat'] | null
  readonly by: ReadCertificate['buckets']['by'] | null
  readonly conditions: readonly string[]
  /** Whether radii count periods of time. */
  readonly periods: boolean
  readonly classNames: readonly string[] | null
  /** Always answering the most frequent class of the inputs; null where their true classes are not known. */
  readonly baseline: { readonly name: string; readonly accuracy: number } | null
  readonly training: { readonly rows: number; readonly videos: number; readonly learner: string } | null
  /** Absent where something else than videos was certified. */
  readonly data: ReadCertificate['data']
  readonly votes: ReadImportedCertificate['votes']
  /** What made the certificate; absent where it does not say. */
  readonly provenance: ReadCertificate['provenance']
  readonly runs: readonly CertifiedRun[]
  readonly files: readonly CheckedFile[]
}

/** @throws VideoMaeError what `readCertificate` throws */
export async function certificateFacts(file: string): Promise<CertificateFacts> {
  const certificate = await readCertificate(file)
  const source = { file: path.basename(file), sha256: await fileDigest(file) }
  const folder = path.dirname(file)
  return 'threat' in certificate
    ? { source, ...(await ofCertificate(folder, certificate)) }
    : { source, ...(await ofImported(folder, certificate)) }
}

async function ofCertificate(folder: string, certificate: ReadCertificate): Promise<Omit<CertificateFacts, 'source'>> {
  const { threat, buckets, classNames, trainingRows, trainingVideos, learner, data } = certificate
  const { samples, provenance } = certificate
  return {
    ...{ threat, by: buckets.by, conditions: threat.conditions, periods: buckets.by === 'time' },
    ...{ classNames, baseline: baselineOfCertificate(certificate), data, provenance, votes: null },
    training: { rows: trainingRows, videos: trainingVideos, learner: learner.kind },
    runs: certificate.runs.map((run) => ({
      name: runName(run),
      ensemble: `K=${run.partitions}${run.spread > 1 ? ` d=${run.spread}` : ''}${run.seeds > 1 ? ` D=${run.seeds}` : ''}`,
      learners: run.learners,
      possible:
        looksIntoHeads(run.rule) || needsPeriods(run.rule) || needsGroups(run.rule)
          ? null
          : Math.floor(run.partitions / 2),
      summary: run.summary,
      earliness: run.earliness ?? null,
      baseAccuracy: run.baseAccuracy,
      inputs: run.inputs,
      collective: run.collective,
      targeted: run.targeted ?? [],
      exactRadii: run.exactRadii,
      warnings: run.warnings,
    })),
    files: [...(await checkedFiles(folder, certificate.runs)), ...(await sampleFiles(folder, samples))],
  }
}

async function ofImported(
  folder: string,
  imported: ReadImportedCertificate,
): Promise<Omit<CertificateFacts, 'source'>> {
  const {
    rule,
    learners,
    classNames,
    conditions,
    summary,
    inputs,
    exactRadii,
    votes,
    ballots,
    targeted = [],
    collective = null,
  } = imported
  const { title, layout } = ruleNamed(rule.rule)
  return {
    ...{ threat: null, by: null, conditions, periods: layout === 'periods' },
    ...{
      classNames,
      baseline: baselineOfVotes(imported),
      training: null,
      data: undefined,
      provenance: undefined,
      votes,
    },
    runs: [
      {
        ...{
          name: `${title}, ${learners} base classifiers`,
          ensemble: '',
          learners,
          possible: null,
          summary,
          inputs,
          exactRadii,
        },
        ...{ earliness: null, baseAccuracy: null, collective, targeted, warnings: votes?.notes ?? [] },
      },
    ],
    files: await checked(folder, ballots == null ? [] : [[ballots.file, votesOfAll, ballots.sha256]]),
  }
}

/** The best constant answer to the inputs that have a true class. */
function baselineOfVotes({ classNames, inputs }: ReadImportedCertificate): CertificateFacts['baseline'] {
  const labels = (inputs ?? []).flatMap(({ label }) => label ?? [])
  if (labels.length === 0) return null
  const most = bestConstantAnswer(labels)
  return { name: classNames?.[most.class] ?? `class ${most.class}`, accuracy: most.accuracy }
}

const votesOfAll = 'votes of every base classifier on every input'

async function checkedFiles(folder: string, runs: readonly ReadRun[]): Promise<CheckedFile[]> {
  const named = runs.flatMap(({ ballots, flips, learnersFile, learnersDigest }): [string, string, string][] => [
    ...(ballots == null ? [] : [[ballots.file, votesOfAll, ballots.sha256] as [string, string, string]]),
    ...(flips == null
      ? []
      : [[flips.file, 'label flips that change each vote', flips.sha256] as [string, string, string]]),
    ...(learnersFile == null
      ? []
      : [[learnersFile, 'SHA-256 of each base classifier', learnersDigest] as [string, string, string]]),
  ])
  return [...(await checked(folder, named)), ...(await bucketFiles(folder, runs))]
}

/** @param named name, meaning and stated digest, several times where runs share a file */
async function checked(
  folder: string,
  named: readonly (readonly [file: string, what: string, stated: string])[],
): Promise<CheckedFile[]> {
  const result: CheckedFile[] = []
  for (const [file, what, stated] of new Map(named.map((entry) => [entry.slice(0, 3).join(' '), entry])).values()) {
    const found = await fileDigest(path.join(folder, file)).catch(nullIfMissing)
    result.push({ file, what, stated, state: found === null ? 'missing' : found === stated ? 'as stated' : 'differs' })
  }
  return result
}

async function sampleFiles(folder: string, samples: ReadCertificate['samples']): Promise<CheckedFile[]> {
  if (samples == null) return []
  const { protectedSet, inputs } = samples
  const found = await checked(folder, [
    [protectedSet.file, 'protected videos, by content', protectedSet.sha256],
    ...(inputs === null ? [] : [[inputs.file, 'inputs, by content', inputs.sha256] as const]),
  ])
  return found.map((file) => ({ ...file, optional: true }))
}

/** Records of partitions. Their digest is that of the list in them, which is compared here as the file states it. */
async function bucketFiles(folder: string, runs: readonly ReadRun[]): Promise<CheckedFile[]> {
  const wanted = new Map(runs.map((run) => [`${bucketCount(run)} ${run.bucketManifest}`, run]))
  const result: CheckedFile[] = []
  for (const run of wanted.values()) {
    const { bucketManifest: stated } = run
    const [, usual] = bucketFileNames(bucketCount(run), stated)
    const what = 'which video is in which partition (SHA-256 of the list in it)'
    const found = await readBuckets(folder, bucketCount(run), stated).catch((error: unknown) => {
      if (error instanceof VideoMaeError) return undefined
      throw error
    })
    if (found === null) result.push({ file: usual, what, stated, state: 'missing' })
    else if (found === undefined) result.push({ file: usual, what, stated, state: 'differs' })
    else
      result.push({ file: found.name, what, stated, state: found.manifest.digest === stated ? 'as stated' : 'differs' })
  }
  return result
}
