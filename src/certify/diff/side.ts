/** A certificate of a comparison, with the records next to it. */
import path from 'node:path'
import { VideoMaeError } from '../../core/errors.ts'
import type { RecordedSample } from '../files/sample-record.ts'
import { certificateFileAt, invalidCertificate, readCertificate, readSamples } from '../verify/read-files.ts'
import type { ReadCertificate, ReadSamples } from '../verify/schema.ts'

export interface Side {
  readonly file: string
  readonly folder: string
  readonly certificate: ReadCertificate
  readonly protectedSet: ReadSamples | null
  readonly inputs: ReadSamples | null
}

/**
 * @param location folder or `certificate.json`
 * @throws VideoMaeError `CERTIFICATE_FILE_MISSING`, `CERTIFICATE_INVALID`, `CERTIFICATES_NOT_COMPARABLE`
 */
export async function readSide(location: string): Promise<Side> {
  const file = await certificateFileAt(location)
  const certificate = await readCertificate(file)
  if (certificate.schema !== 'videomae.certificate/1')
    throw new VideoMaeError(`Expected certificate.json of protected data, but ${file} is of imported votes.`, {
      code: 'CERTIFICATES_NOT_COMPARABLE',
      exit: 'nothingChecked',
      hint: 'A certificate of imported votes does not say what its base classifiers were trained on.',
    })
  const folder = path.dirname(file)
  const [protectedSet, inputs] = [
    await readRecord(file, certificate, 'protectedSet'),
    await readRecord(file, certificate, 'inputs'),
  ]
  return { file, folder, certificate, protectedSet, inputs }
}

/** A record that a certificate names, as it was when it was named; null where it names none. */
async function readRecord(
  file: string,
  { samples = null, buckets: { by } }: ReadCertificate,
  key: 'protectedSet' | 'inputs',
): Promise<ReadSamples | null> {
  const stored = samples?.[key] ?? null
  if (stored === null) return null
  const location = path.join(path.dirname(file), stored.file)
  const found = await readSamples(path.dirname(file), stored.file)
  if (found === null)
    throw new VideoMaeError(`Expected ${stored.file} next to ${file}, but it is not there.`, {
      code: 'CERTIFICATE_FILE_MISSING',
      exit: 'data',
      hint: 'Keep all files of a certificate in one folder.',
    })
  const { record } = found
  if (found.sha256 !== stored.sha256)
    throw invalidCertificate(location, `SHA-256 ${stored.sha256}`, `it is ${found.sha256}`)
  const side = key === 'protectedSet' ? 'protected' : 'inputs'
  if (record.side !== side) throw invalidCertificate(location, `side ${side}`, `it is ${record.side}`)
  if (record.by !== by) throw invalidCertificate(location, `units by ${by}, as in ${file}`, `it is by ${record.by}`)
  if (key === 'protectedSet') requireUnits(location, record)
  return record
}

/** What makes samples one unit must be there: several without it would count as one. */
function requireUnits(location: string, { by, samples }: ReadSamples): void {
  // The hash of a content decides its partition.
  const [what, isThere] = {
    content: ['SHA-256', ({ sha256 }: RecordedSample) => /^[0-9a-f]{64}$/.test(sha256)],
    id: ['id', ({ id }: RecordedSample) => id !== ''],
    source: ['group', ({ group }: RecordedSample) => group !== undefined],
    time: ['time', ({ time }: RecordedSample) => time !== undefined],
  }[by] as [string, (sample: RecordedSample) => boolean]
  const without = samples.findIndex((sample) => !isThere(sample))
  if (without >= 0)
    throw invalidCertificate(
      location,
      `the ${what} of every sample`,
      `samples[${without}] (${samples[without].id}) has none`,
    )
}
