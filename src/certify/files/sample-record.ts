/**
 * The record of the samples behind a certificate: who each protected sample and each input is, by its content. Two certificates whose
 * records are at hand can be compared, and partitions can be verified, without a video.
 */
import path from 'node:path'
import { writeFileAtomic } from '../../format/atomic.ts'
import { nullIfMissing } from '../../format/missing.ts'
import { outputTaken } from '../../format/onnx-target.ts'
import { startOf } from '../../format/own-results.ts'
import type { BucketKey } from '../ensemble/buckets.ts'
import type { SampleSet, TestInputs } from '../ensemble/feature-set.ts'
import { sha256 } from '../ensemble/hash.ts'
import type { StoredFile } from './stored-votes.ts'

/** All clips of one video under one label, or one input. */
export interface RecordedSample {
  /** Name of the video without the part of it that is meant; of an input its name in the certificate. */
  readonly id: string
  /** Of the content of the whole file; the features where there is no file. */
  readonly sha256: string
  /** Of the file that the video was prepared from, as its list says. */
  readonly original?: string
  /** The part of the file that is meant, `#0-1.5`. Absent for whole files. */
  readonly part?: string
  /** Name of the class. */
  readonly label: string
  /** Clips: rows of the training set. */
  readonly rows: number
  /** With partitions by source. */
  readonly group?: string
  /** With partitions by time. */
  readonly time?: number
}

/** `protected-set.json` and `certified-inputs.json`. */
export interface SampleRecord {
  /** Format and version of the record. */
  readonly schema: 'videomae.samples/1'
  /** Which samples these are: those that are protected, or the inputs that are certified. */
  readonly side: 'protected' | 'inputs'
  /** What decides the partition of a protected sample. */
  readonly by: BucketKey
  /** Protected samples sorted by all they say; inputs in the order of the certificate. */
  readonly samples: readonly RecordedSample[]
}

/** The records that a certificate names, with the SHA-256 of the files; they are next to it. */
export interface SampleFiles {
  /** The record of the protected samples. */
  readonly protectedSet: StoredFile
  /** Null where the certificate lists no inputs, or their contents are not known. */
  readonly inputs: StoredFile | null
}

/** @param used whether a row is in a partition of any run */
export function recordOfSet(set: SampleSet, by: BucketKey, used: (row: number) => boolean): SampleRecord {
  const rows = new Map<string, RecordedSample>()
  for (let row = 0; row < set.rows; row++) {
    if (!used(row)) continue
    const part = partOf(set.segments?.[row] ?? set.parts?.[row], set.digests[row])
    const sample = {
      id: set.ids[row],
      sha256: set.digests[row],
      ...originalOf(set, row),
      ...(part === '' ? {} : { part }),
      label: set.classNames[set.labels[row]],
      rows: 0,
      ...(by === 'source' && set.groups !== undefined ? { group: set.groups[row] } : {}),
      ...(by === 'time' && set.times !== undefined ? { time: set.times[row] } : {}),
    }
    const key = JSON.stringify(sample)
    rows.set(key, { ...sample, rows: (rows.get(key)?.rows ?? 0) + 1 })
  }
  const samples = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sample]) => sample)
  return { schema: 'videomae.samples/1', side: 'protected', by, samples }
}

/** Null where the contents of the inputs are not known. */
export function recordOfInputs(
  { rows, ids, labels, digests, originals }: TestInputs,
  by: BucketKey,
  classNames: readonly string[],
): SampleRecord | null {
  if (digests === undefined) return null
  const samples = Array.from({ length: rows }, (_, t): RecordedSample => {
    const [content] = digests[t].split('#', 1)
    const part = partOf(digests[t], content)
    return {
      id: ids?.[t] ?? String(t),
      sha256: content,
      ...originalOf({ originals }, t),
      ...(part === '' ? {} : { part }),
      label: classNames[labels[t]],
      rows: 1,
    }
  })
  return { schema: 'videomae.samples/1', side: 'inputs', by, samples }
}

function originalOf({ originals }: Pick<SampleSet, 'originals'>, row: number): Pick<RecordedSample, 'original'> {
  const original = originals?.[row] ?? null
  return original === null ? {} : { original }
}

/** What a digest of a part of a file has behind that of the whole file; empty for whole files. */
function partOf(segment: string | undefined, digest: string): string {
  if (segment === undefined || segment === digest) return ''
  return segment.startsWith(digest) ? segment.slice(digest.length) : segment
}

function textOf(record: SampleRecord): string {
  return `${JSON.stringify(record)}\n`
}

/** SHA-256 of the file that a record makes. */
export function digestOfRecord(record: SampleRecord): string {
  return sha256(textOf(record))
}

const fileNames = { protected: 'protected-set.json', inputs: 'certified-inputs.json' } as const

/**
 * Refuses the path of a record where another file is.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
async function requireOwnRecord(target: string): Promise<void> {
  const found = await startOf(target).catch(nullIfMissing)
  if (found !== null && found !== '' && !found.startsWith('{"schema":"videomae.samples/'))
    throw outputTaken(target, 'that of an earlier certificate')
}

/** `requireOwnRecord` for both records of a folder. */
export async function requireOwnRecords(folder: string): Promise<void> {
  for (const file of Object.values(fileNames)) await requireOwnRecord(path.join(folder, file))
}

/**
 * Writes a record next to a certificate.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN` where a file of other origin has its name
 */
export async function writeSampleRecord(folder: string, record: SampleRecord): Promise<StoredFile> {
  const file = fileNames[record.side]
  const target = path.join(folder, file)
  await requireOwnRecord(target)
  const text = textOf(record)
  await writeFileAtomic(target, text)
  return { file, sha256: sha256(text) }
}
