/**
 * What a statement says of a certificate: an in-toto Statement v1 whose subjects are the files of the certificate, and whose predicate
 * is the claim with its figures. All of the predicate follows from `certificate.json`, so a verifier derives it again.
 */
import path from 'node:path'
import { z } from 'zod'
import { digestFile } from '../../format/file-digest.ts'
import { isMissing } from '../../format/missing.ts'
import { bucketFileNames, filesToVerifyFrom, runName } from '../files/certificate-file.ts'
import { bucketCount } from './buckets.ts'
import type { Differences } from './differences.ts'
import { invalidCertificate, readBeside } from './read-files.ts'
import type { ReadCertificate } from './schema.ts'

/** The file next to a certificate. */
export const statementFile = 'statement.json'
export const statementType = 'https://in-toto.io/Statement/v1'
export const predicateType = 'urn:videomae:certificate:v1'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

const statementSchema = z.strictObject({
  _type: z.literal(statementType),
  subject: z
    .array(
      z.strictObject({
        // No folder: subjects are next to the statement.
        name: z
          .string()
          .max(200)
          .regex(/^[\w-][\w.-]*$/),
        digest: z.strictObject({ sha256 }),
      }),
    )
    .min(1)
    .max(100_000),
  predicateType: z.literal(predicateType),
  predicate: z.record(z.string(), z.unknown()),
})

/** An in-toto Statement v1 about a certificate. */
export type CertificateStatement = z.infer<typeof statementSchema>

/** The claim, what it rests on, and the figures of each run; no input. */
export function predicateOf(certificate: ReadCertificate): Record<string, unknown> {
  const { threat, buckets, learner, classNames, data, options, samples, provenance, runs } = certificate
  const { encoder, ...claim } = threat
  const predicate = {
    claim: { ...claim, by: buckets.by },
    encoder,
    learner,
    options: options ?? null,
    classes: data?.classes === 'any' ? 'any' : classNames,
    training: { rows: certificate.trainingRows, videos: certificate.trainingVideos },
    leftOut: data?.leftOut.length ?? null,
    samples: samples ?? null,
    provenance: provenance ?? null,
    runs: runs.map((run) => ({
      name: runName(run),
      rule: run.rule,
      partitions: run.partitions,
      spread: run.spread,
      seeds: run.seeds,
      learnersDigest: run.learnersDigest,
      bucketManifest: run.bucketManifest,
      ensemble: run.ensemble ?? null,
      summary: run.summary,
      ...(run.earliness === undefined ? {} : { earliness: run.earliness }),
    })),
  }
  return JSON.parse(JSON.stringify(predicate)) as Record<string, unknown>
}

/**
 * Files that a statement is about, the certificate first: those that it follows from, and its ensembles. Each with the names that it may
 * have; the first that is there counts.
 */
export function subjectFiles(file: string, certificate: ReadCertificate): readonly (readonly string[])[] {
  const buckets = certificate.runs.map((run) => bucketFileNames(bucketCount(run), run.bucketManifest))
  const ensembles = certificate.runs.flatMap(({ ensemble }) => (ensemble == null ? [] : [ensemble.file]))
  const files = [path.basename(file), ...filesToVerifyFrom(certificate)].map((name) => [name])
  const all = [...files, ...buckets, ...ensembles.map((name) => [name])]
  return [...new Map(all.map((names) => [names.join('/'), names])).values()]
}

/** SHA-256 of a file in a folder; null where it is not there. */
export async function digestBeside(folder: string, name: string, signal?: AbortSignal): Promise<string | null> {
  try {
    return (await digestFile(path.join(folder, name), { signal })).digest
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/**
 * Compares a statement next to a certificate with the files and with the certificate. The signature is not checked: it is in another file,
 * and whose it should be only the reader knows.
 *
 * @param file the certificate
 * @returns null where there is no statement
 * @throws VideoMaeError `CERTIFICATE_INVALID` for a file of that name that is no statement about a certificate
 */
export async function compareAttestation(
  file: string,
  certificate: ReadCertificate,
  differences: Differences,
  signal?: AbortSignal,
): Promise<{ readonly checked: readonly string[]; readonly notChecked: readonly string[] } | null> {
  const folder = path.dirname(file)
  const document = await readBeside(folder, statementFile)
  if (document === null) return null
  const { success, error, data: statement } = statementSchema.safeParse(document)
  if (!success)
    throw invalidCertificate(
      path.join(folder, statementFile),
      'a statement about a certificate',
      z.prettifyError(error),
    )
  differences.compare(`${statementFile}: predicate`, statement.predicate, predicateOf(certificate))
  const seen = new Set<string>()
  const missing: string[] = []
  for (const { name, digest } of statement.subject) {
    if (seen.has(name)) differences.compare(`${statementFile}: subject`, name, 'each file once')
    seen.add(name)
    const found = await digestBeside(folder, name, signal)
    if (found === null) missing.push(name)
    else differences.compare(`${statementFile}: subject ${name}`, digest.sha256, found)
  }
  if (!seen.has(path.basename(file)))
    differences.compare(`${statementFile}: subject`, [...seen].join(', '), path.basename(file))
  return {
    checked: [`${statementFile}: its predicate, and the digests of those of its files that are present`],
    notChecked: [
      `the signature of ${statementFile}`,
      ...(missing.length === 0 ? [] : [`missing files that ${statementFile} names: ${missing.join(', ')}`]),
    ],
  }
}
