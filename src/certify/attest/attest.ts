/** Writes the statement about a certificate, ready to be signed. */

import { stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import { writeFileAtomic } from '../../format/atomic.ts'
import { parseUniqueJson } from '../../format/json.ts'
import { nullIfMissing } from '../../format/missing.ts'
import { outputTaken } from '../../format/onnx-target.ts'
import { readRegularText } from '../../format/regular-file.ts'
import { assertFollows } from '../verify/assert-verified.ts'
import {
  type CertificateStatement,
  digestBeside,
  predicateOf,
  predicateType,
  statementFile,
  statementType,
  subjectFiles,
} from '../verify/attestation.ts'
import { certificateFileAt, readCertificate } from '../verify/read-files.ts'
import type { ReadCertificate } from '../verify/schema.ts'
import { assertVideoAudit } from '../videos/audit-videos.ts'
import { verifyCertificate } from '../videos/verify-videos.ts'

/** What a statement says besides what the certificate says. */
export interface AttestOptions {
  /** `audit.json`, where it is not next to the certificate. */
  readonly audit?: string
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Called with the name of a stage and its progress. */
  readonly onProgress?: (stage: string, done: number, total: number) => void
}

/** An in-toto statement about a certificate, and the files that it leaves out. */
export interface Attestation {
  /** What is signed. */
  readonly statement: CertificateStatement
  /** Files that the certificate names and that are not next to it: the statement is not about these. */
  readonly missing: readonly string[]
  /** The file that was written. */
  readonly file: string
}

/**
 * Verifies a certificate and writes `statement.json` next to it: an in-toto Statement v1 with the SHA-256 of the certificate, of the files
 * that it follows from, of its ensembles and of an audit. Signing it signs all of them (`cosign sign-blob statement.json`).
 *
 * @param location folder or `certificate.json`
 * @throws VideoMaeError `CERTIFICATE_DIFFERS` for a certificate that does not follow from its files, `ENSEMBLE_INVALID`, `AUDIT_FAILED`
 *   for an audit with violations, `AUDIT_NOTHING_CHECKED`, `AUDIT_MISMATCH` for one of other base classifiers, `OUTPUT_TAKEN`, `CERTIFICATE_INVALID`, `CERTIFICATE_FILE_MISSING`
 */
export async function attestCertificate(location: string, options: AttestOptions = {}): Promise<Attestation> {
  const { signal, onProgress } = options
  const file = await certificateFileAt(location)
  const certificate = await readCertificate(file)
  if (certificate.schema !== 'videomae.certificate/1')
    throw invalidArgument('certificate', 'a certificate of protected data, not of imported votes', file)
  const folder = path.dirname(file)
  const target = path.join(folder, statementFile)
  await requireOwnStatement(target)
  // What is signed should at least follow from its own files. An earlier statement is replaced.
  assertFollows(await verifyCertificate(file, { signal, onProgress, statement: false }))
  const subject: CertificateStatement['subject'] = []
  const missing: string[] = []
  for (const names of subjectFiles(file, certificate)) {
    const found = await firstBeside(folder, names, signal)
    if (found === null) missing.push(names[names.length - 1])
    else if (!subject.some(({ name }) => name === found.name)) subject.push(found)
  }
  const beside = path.join(folder, 'audit.json')
  const audit = options.audit ?? ((await stat(beside).catch(nullIfMissing)) === null ? null : beside)
  if (audit !== null) {
    await requirePassed(audit, certificate)
    const digest = await digestBeside(path.dirname(audit), path.basename(audit), signal)
    if (digest !== null) subject.push({ name: path.basename(audit), digest: { sha256: digest } })
  }
  const statement: CertificateStatement = {
    _type: statementType,
    subject,
    predicateType,
    predicate: predicateOf(certificate),
  }
  await writeFileAtomic(target, `${JSON.stringify(statement)}\n`)
  return { statement, missing, file: target }
}

/**
 * Others write in-toto statements, too, and may sign them next to a certificate.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
async function requireOwnStatement(file: string): Promise<void> {
  const text = await readRegularText(file).catch(nullIfMissing)
  if (text === null || text === '') return
  const { success } = z.looseObject({ predicateType: z.literal(predicateType) }).safeParse(jsonOf(text))
  if (!success) throw outputTaken(file, 'an earlier statement about a certificate')
}

/** Null for what is no JSON. */
function jsonOf(text: string): unknown {
  try {
    return parseUniqueJson(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** The first of some names that is in a folder; null where none is. */
async function firstBeside(
  folder: string,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<CertificateStatement['subject'][number] | null> {
  for (const name of names) {
    const digest = await digestBeside(folder, name, signal)
    if (digest !== null) return { name, digest: { sha256: digest } }
  }
  return null
}

const count = z.number().int().nonnegative()
const attacked = z
  .looseObject({
    checkedPredictions: count,
    violations: z.array(z.looseObject({ what: z.string(), acts: z.array(z.string()) })),
  })
  .nullable()
  .optional()
const auditSchema = z.looseObject({
  schema: z.literal('videomae.audit/1'),
  rule: z.string(),
  partitions: z.number(),
  spread: z.number(),
  seeds: z.number(),
  learner: z.looseObject({ kind: z.string() }),
  /** Absent in audits of earlier versions. */
  learnersDigest: z.string().nullable().optional(),
  encoder: z.string().optional(),
  protectedSet: z.string().optional(),
  inputs: count,
  reproducible: z.boolean(),
  checkedPredictions: count,
  violations: z.array(z.looseObject({ trial: z.number(), what: z.string() })),
  attacks: z.looseObject({ within: count, triedWithin: count }),
  lists: attacked,
  labelFlips: attacked,
})
type Audit = z.infer<typeof auditSchema>

/** An audit that found something or checked nothing, or is of other base classifiers, says nothing good of this certificate. */
async function requirePassed(file: string, certificate: ReadCertificate): Promise<void> {
  const { success, data: audit } = auditSchema.safeParse(jsonOf(await readRegularText(file)))
  if (!success) throw invalidArgument('audit', 'audit.json of `videomae audit`', file)
  const other = otherThan(certificate, audit)
  if (other !== null)
    throw new VideoMaeError(`Expected an audit of a run of the certificate, but ${file} ${other}.`, {
      code: 'AUDIT_MISMATCH',
      exit: 'data',
      hint: 'Run `videomae audit` with the data, the encoder and the options of the certificate.',
    })
  assertVideoAudit(audit)
}

/** In what an audit is not of any run of a certificate; null where it is. */
function otherThan({ runs, learner, threat, samples }: ReadCertificate, audit: Audit): string | null {
  const run = runs.find(
    ({ rule, partitions, spread, seeds }) =>
      rule === audit.rule && partitions === audit.partitions && spread === audit.spread && seeds === audit.seeds,
  )
  // With rule `groups` the scale of each group stands for its encoder.
  const { scale: _, ...audited } = audit.learner
  if (run === undefined || JSON.stringify(learner) !== JSON.stringify(audited))
    return `is about ${audit.rule} with K = ${audit.partitions} and ${audit.learner.kind}`
  const { learnersDigest, encoder, protectedSet } = audit
  if (learnersDigest === undefined) return 'does not name its base classifiers: an earlier version wrote it'
  if (learnersDigest !== null)
    return learnersDigest === run.learnersDigest
      ? null
      : 'is about other base classifiers: other data, encoder or options'
  if (encoder !== threat.encoder.digest) return 'is about another encoder'
  return protectedSet === samples?.protectedSet.sha256 ? null : 'is about other protected videos or labels'
}
