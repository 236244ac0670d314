/** Certificate files of other people, read within bounds and checked field by field. */

import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { z } from 'zod'
import { VideoMaeError } from '../../core/errors.ts'
import { parseUniqueJson } from '../../format/json.ts'
import { nullIfMissing } from '../../format/missing.ts'
import { readRegularFile, readRegularText } from '../../format/regular-file.ts'
import { sha256 } from '../ensemble/hash.ts'
import { bucketFileNames } from '../files/certificate-file.ts'
import {
  bucketsSchema,
  certificateSchema,
  importedCertificateSchema,
  type ReadBuckets,
  type ReadCertificate,
  type ReadImportedCertificate,
  type ReadSamples,
  samplesSchema,
} from './schema.ts'

/** A million inputs in ten runs need less. */
const largestDocument = 400_000_000

/** The file of a certificate. @param location the file, or the folder in which `certify` wrote `certificate.json` */
export async function certificateFileAt(location: string): Promise<string> {
  const isFolder = (await stat(location).catch(() => null))?.isDirectory() === true
  return isFolder ? path.join(location, 'certificate.json') : location
}

/** @throws VideoMaeError `CERTIFICATE_INVALID` naming file and field, `CERTIFICATE_FILE_MISSING`, `FILE_TOO_LARGE`, `FILE_NOT_REGULAR` */
export async function readCertificate(file: string): Promise<ReadCertificate | ReadImportedCertificate> {
  const text = await readDocument(file)
  if (text === null)
    throw new VideoMaeError(`Expected a certificate, but there is no ${file}.`, {
      code: 'CERTIFICATE_FILE_MISSING',
      exit: 'data',
      hint: 'Name certificate.json or imported-certificate-RULE.json.',
    })
  const document = parsed(file, text)
  const schema =
    typeof document === 'object' && document !== null && 'schema' in document ? String(document.schema) : ''
  if (schema.startsWith('videomae.imported-certificate/')) return checked(file, importedCertificateSchema, document)
  return checked(file, certificateSchema, document)
}

/**
 * The record of a bucketing next to a certificate (`bucketFileNames`); null where it is not there.
 *
 * @param digest of the record, as the run has it
 * @throws VideoMaeError `CERTIFICATE_INVALID`
 */
export async function readBuckets(
  folder: string,
  buckets: number,
  digest: string,
): Promise<{ readonly name: string; readonly manifest: ReadBuckets } | null> {
  for (const name of bucketFileNames(buckets, digest)) {
    const file = path.join(folder, name)
    const text = await readDocument(file)
    if (text !== null) return { name, manifest: manifestOf(file, text, buckets) }
  }
  return null
}

function manifestOf(file: string, text: string, buckets: number): ReadBuckets {
  const manifest = checked(file, bucketsSchema, parsed(file, text))
  if (manifest.buckets !== buckets || manifest.sizes.length !== buckets)
    throw invalidCertificate(file, `${buckets} sizes of partitions`, `${manifest.sizes.length} of ${manifest.buckets}`)
  const wrong = manifest.assignment.find(([, bucket]) => bucket >= buckets)
  if (wrong !== undefined) throw invalidCertificate(file, `a partition below ${buckets} for ${wrong[0]}`, `${wrong[1]}`)
  return manifest
}

/**
 * A record of samples next to a certificate, with the SHA-256 of the file; null where it is not there.
 *
 * @throws VideoMaeError `CERTIFICATE_INVALID`
 */
export async function readSamples(
  folder: string,
  name: string,
): Promise<{ readonly record: ReadSamples; readonly sha256: string } | null> {
  const file = path.join(folder, name)
  const text = await readDocument(file)
  return text === null ? null : { record: checked(file, samplesSchema, parsed(file, text)), sha256: sha256(text) }
}

/** The digests of learners next to a certificate, one in each line; null where they are not there. */
export async function readLearnerDigests(folder: string, name: string): Promise<string | null> {
  return readRegularText(path.join(folder, name), { maxBytes: largestDocument }).catch(nullIfMissing)
}

/** A JSON document next to a certificate; null where it is not there. @throws VideoMaeError `CERTIFICATE_INVALID` */
export async function readBeside(folder: string, name: string): Promise<unknown> {
  const file = path.join(folder, name)
  const text = await readDocument(file)
  return text === null ? null : parsed(file, text)
}

/** @throws VideoMaeError `CERTIFICATE_INVALID` for bytes that are no UTF-8 */
async function readDocument(file: string): Promise<string | null> {
  const bytes = await readRegularFile(file, { maxBytes: largestDocument }).catch(nullIfMissing)
  if (bytes === null) return null
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw invalidCertificate(file, 'UTF-8', 'it has other bytes')
  }
}

function parsed(file: string, text: string): unknown {
  try {
    return parseUniqueJson(text)
  } catch (error) {
    throw invalidCertificate(file, 'JSON', error instanceof Error ? error.message : String(error))
  }
}

function checked<Schema extends z.ZodType>(file: string, schema: Schema, document: unknown): z.infer<Schema> {
  const { success, error, data } = schema.safeParse(document)
  if (success) return data
  const [issue] = error.issues
  const field = issue.path.reduce<string>(
    (where, key) =>
      typeof key === 'number' ? `${where}[${key}]` : where === '' ? String(key) : `${where}.${String(key)}`,
    '',
  )
  throw invalidCertificate(
    file,
    `a field ${field === '' ? 'of a certificate' : field} that fits its schema`,
    issue.message,
  )
}

export function invalidCertificate(file: string, expected: string, found: string): VideoMaeError {
  const shown = found.length <= 300 ? found : `${found.slice(0, 300)}...`
  return new VideoMaeError(`Expected ${expected} in ${file}, but: ${shown}.`, {
    code: 'CERTIFICATE_INVALID',
    exit: 'data',
    hint: 'docs/schema describes the files. A certificate of a later version needs that version.',
  })
}
