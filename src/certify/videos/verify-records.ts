/** The records of samples next to a certificate, compared with the videos themselves: contents, labels, sources and times. */
import path from 'node:path'
import type { LabeledVideo } from '../../dataset/dataset.ts'
import { type RecordedSample, recordOfInputs, recordOfSet } from '../files/sample-record.ts'
import type { Differences } from '../verify/differences.ts'
import { readSamples } from '../verify/read-files.ts'
import type { ReadCertificate } from '../verify/schema.ts'
import { videoInputsOf, videoSetOf } from './learners/video-set.ts'

type Video = LabeledVideo & { readonly class: number }

/**
 * @param train protected videos that a run reads
 * @param predicted inputs, in the order of the certificate
 * @returns what was checked, and what was not
 */
export async function compareRecords(
  file: string,
  { samples = null, buckets: { by }, options, classNames }: ReadCertificate,
  { train, predicted }: { readonly train: readonly Video[]; readonly predicted: readonly Video[] },
  differences: Differences,
): Promise<{ readonly checked: readonly string[]; readonly notChecked: readonly string[] }> {
  const again = {
    protectedSet: recordOfSet(videoSetOf(train, classNames), by, () => true).samples,
    inputs: recordOfInputs(videoInputsOf(predicted), by, classNames)?.samples ?? [],
  }
  const [checked, notChecked]: [string[], string[]] = [[], []]
  for (const key of ['protectedSet', 'inputs'] as const) {
    const stored = samples?.[key] ?? null
    const found = stored === null ? null : await readSamples(path.dirname(file), stored.file)
    const what = key === 'inputs' ? 'inputs' : 'protected videos'
    if (stored === null || found === null) {
      const known = key === 'inputs' ? '' : ', except for the partitions that their hashes give'
      notChecked.push(`the contents of the ${what}${known}: their record is not there`)
      continue
    }
    // How many clips a video has, only decoding shows.
    const counted = key === 'inputs' || (options?.clips === 1 && options.augment === undefined)
    differences.compare(
      `${stored.file}: samples, from the data`,
      byVideo(found.record.samples, counted),
      byVideo(again[key], counted),
    )
    checked.push(`the contents and labels of the ${what}, with ${stored.file}`)
  }
  return { checked, notChecked }
}

/** What is recorded of each video, or of each part of one. */
function byVideo(samples: readonly RecordedSample[], counted: boolean): Readonly<Record<string, unknown>> {
  const videos = new Map<string, unknown[]>()
  for (const { id, part = '', rows, ...content } of samples) {
    const name = `${id}${part}`
    videos.set(name, [...(videos.get(name) ?? []), { ...content, ...(counted ? { rows } : {}) }])
  }
  return Object.fromEntries(videos)
}
