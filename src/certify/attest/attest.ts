/** Writes the statement about a certificate, ready to be signed. */

import { stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import { writeFileAtomic } from '../../format/atomic.ts'
import { parseUniqueJson } from '../../format/json.ts'
import { nullIfMissing } from '../../format/missing.ts'
import { outputTaken } from '../../format/onnx-target.ts'
import { startOf } from '../../format/own-results.ts'
import { readRegularText } from '../../format/regular-file.ts'
import { assertFollows } from '../verify/assert-verified.ts'
import {
  type CertificateStatement,
  digestBeside,
  predicateOf,
  predicateType,
  statementFile,
  statementType,
  subjectNames,
} from '../verify/attestation.ts'
import { readCertificate } from '../verify/read-files.ts'
import { verifyVotes } from '../verify/verify-votes.ts'

export interface AttestOptions {
  /** `audit.json`, where it is not beside the certificate. */
  readonly audit?: string
  readonly signal?: AbortSignal
  readonly onProgress?: (stage: string, done: number, total: number) => void
}

export interface Attestation {
  readonly statement: CertificateStatement
  /** The file that was written. */
  readonly file: string
}

/**
 * Verifies a certificate and writes `statement.json` beside it: an in-toto Statement v1 with the SHA-256 of the certificate, of the files
 * that it follows from, of its ensembles and of an audit. Signing it signs all of them (`cosign sign-blob statement.json`).
 *
 * @param place folder or `certificate.json`
 * @throws VideoMaeError `CERTIFICATE_DIFFERS` for a certificate that does not follow from its files, `AUDIT_FAILED` for an audit with
 *   violations, `AUDIT_MISMATCH` for one of other base learners, `OUTPUT_TAKEN`, `CERTIFICATE_INVALID`, `CERTIFICATE_FILE_MISSING`
 */
export async function attestCertificate(place: string, options: AttestOptions = {}): Promise<Attestation> {
  const { signal, onProgress } = options
  const isFolder = (await stat(place).catch(() => null))?.isDirectory() === true
  const file = isFolder ? path.join(place, 'certificate.json') : place
  const certificate = await readCertificate(file)
  if (certificate.schema !== 'videomae.certificate/1')
    throw invalidArgument('certificate', 'a certificate of protected data, not of imported votes', file)
  const folder = path.dirname(file)
  const target = path.join(folder, statementFile)
  const start = await startOf(target).catch(nullIfMissing)
  if (start !== null && start !== '' && !start.startsWith(`{"_type":${JSON.stringify(statementType)}`))
    throw outputTaken(target, 'an earlier statement')
  // What is signed should at least follow from its own files. An earlier statement is replaced.
  assertFollows(await verifyVotes(file, { signal, onProgress, statement: false }))
  const subject: CertificateStatement['subject'] = []
  for (const name of subjectNames(file, certificate)) {
    const digest = await digestBeside(folder, name, signal)
    if (digest !== null) subject.push({ name, digest: { sha256: digest } })
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
  return { statement, file: target }
}

const attacked = z
  .looseObject({ violations: z.array(z.unknown()) })
  .nullable()
  .optional()
const auditSchema = z.looseObject({
  schema: z.literal('videomae.audit/1'),
  rule: z.string(),
  partitions: z.number(),
  spread: z.number(),
  seeds: z.number(),
  learner: z.looseObject({ kind: z.string() }),
  reproducible: z.boolean(),
  violations: z.array(z.unknown()),
  lists: attacked,
  labelFlips: attacked,
})

/** An audit that found something, or is of another ensemble, says nothing good of this certificate. */
async function requirePassed(
  file: string,
  { runs, learner }: Extract<Awaited<ReturnType<typeof readCertificate>>, { schema: 'videomae.certificate/1' }>,
): Promise<void> {
  let parsed: unknown = null
  try {
    parsed = parseUniqueJson(await readRegularText(file))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  const { success, data: audit } = auditSchema.safeParse(parsed)
  if (!success) throw invalidArgument('audit', 'audit.json of `videomae audit`', file)
  const found =
    audit.violations.length + (audit.lists?.violations.length ?? 0) + (audit.labelFlips?.violations.length ?? 0)
  if (found > 0 || !audit.reproducible)
    throw new VideoMaeError(`Expected an audit without violations, but ${file} has ${found}.`, {
      code: 'AUDIT_FAILED',
      exit: 'checkFailed',
      hint: 'Do not sign this certificate; report the case with its seed.',
    })
  const same = runs.some(
    (run) =>
      run.rule === audit.rule &&
      run.partitions === audit.partitions &&
      run.spread === audit.spread &&
      run.seeds === audit.seeds,
  )
  if (!same || JSON.stringify(learner) !== JSON.stringify(audit.learner))
    throw new VideoMaeError(
      `Expected an audit of a run of the certificate, but ${file} is of ${audit.rule} with K = ${audit.partitions} and ${audit.learner.kind}.`,
      {
        code: 'AUDIT_MISMATCH',
        exit: 'data',
        hint: 'Run `videomae audit` with the options of the certificate.',
      },
    )
}
