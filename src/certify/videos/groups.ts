/**
 * An encoder for each group of videos, for a certificate about whole videos where no trusted encoder exists: a poisoned
 * video may change the encoder of its own group, and so all the heads on it, but no other group.
 */
import path from 'node:path'
import { z } from 'zod'
import { unusedArgument, VideoMaeError } from '../../core/errors.ts'
import { fileDigestOf, type LabeledVideo } from '../../dataset/dataset.ts'
import { writeFileAtomic } from '../../format/atomic.ts'
import { csvField } from '../../format/csv.ts'
import { fileDigest } from '../../format/file-digest.ts'
import { nullIfMissing } from '../../format/missing.ts'
import { outputTaken } from '../../format/onnx-target.ts'
import { readRegularText } from '../../format/regular-file.ts'
import type { RunConfiguration } from '../../train/configuration.ts'
import { pretrain } from '../../train/pretrain.ts'
import { assignBuckets, type BucketKey } from '../ensemble/buckets.ts'
import { sha256 } from '../ensemble/hash.ts'
import type { EncoderProvenance, EncoderTrust } from '../threat/threat.ts'
import type { FeatureSource } from './feature-source.ts'
import { videoSetOf } from './learners/video-set.ts'
import { digestOf, type ProvenanceOptions } from './provenance.ts'
import { type TrainingManifest, trainingManifestOf } from './training-manifest.ts'

/**
 * [videos] the group of each protected video: a function of its content, id or source alone.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for a number of groups that is no count, or a video without what `by` names
 */
export function groupsOf(
  videos: readonly LabeledVideo[],
  classNames: readonly string[],
  by: BucketKey,
  groups: number,
): Int32Array {
  return assignBuckets(videoSetOf(videos, classNames), { by, buckets: groups }).bucketOf
}

/** The videos that the encoder of a group is trained on. */
export interface GroupList {
  /** A CSV. */
  readonly list: string
  /** SHA-256 of the list and of all that its files hold. */
  readonly contents: string
}

/** SHA-256 of every list that was written into a folder: others may be called `group-0.csv`, too. */
const recordFile = 'group-lists.json'
const recordStart = '{"schema":"videomae.group-lists/1"'
const recordSchema = z.object({ schema: z.literal('videomae.group-lists/1'), written: z.array(z.string()) })

/**
 * Writes `group-0.csv`, `group-1.csv`, ...: the protected videos of each group, without labels; and `group-lists.json`, by which they are
 * known.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN` where a file of other origin has one of these names; nothing is written then
 */
export async function writeGroupLists(
  folder: string,
  videos: readonly LabeledVideo[],
  groupOf: Int32Array,
  groups: number,
): Promise<GroupList[]> {
  const lists = Array.from({ length: groups }, (_, group) => {
    const mine = videos.filter((_, i) => groupOf[i] === group)
    // In the order of their contents: the list of a group must not depend on how the data was listed.
    const sorted = mine
      .map((video) => ({ ...video, digest: video.digest ?? '' }))
      .toSorted((a, b) => compareTexts(a.digest, b.digest) || compareTexts(a.path, b.path))
    const rows = sorted.map(
      ({ path: file, start, end }) => `${csvField(path.resolve(file))},${start ?? ''},${end ?? ''}`,
    )
    const text = `path,start,end\n${rows.join('\n')}\n`
    const contents = sha256(JSON.stringify([text, sorted.map(({ digest }) => digest)]))
    return { list: path.join(folder, `group-${group}.csv`), contents, text }
  })
  const own = new Set([...(await writtenBefore(folder)), ...lists.map(({ text }) => sha256(text))])
  for (const { list } of lists) {
    const found = await fileDigest(list).catch(nullIfMissing)
    if (found !== null && !own.has(found)) throw outputTaken(list, 'a list of an encoder group, as it was written')
  }
  // First: what a kill leaves behind is known.
  const record = { schema: 'videomae.group-lists/1', written: [...own] }
  await writeFileAtomic(path.join(folder, recordFile), `${JSON.stringify(record)}\n`)
  for (const { list, text } of lists) await writeFileAtomic(list, text)
  return lists.map(({ list, contents }) => ({ list, contents }))
}

/** @throws VideoMaeError `OUTPUT_TAKEN` where a file of other origin has the name of the record */
async function writtenBefore(folder: string): Promise<readonly string[]> {
  const file = path.join(folder, recordFile)
  const text = await readRegularText(file).catch(nullIfMissing)
  if (text === null) return []
  if (!text.startsWith(recordStart)) throw outputTaken(file, 'the record of earlier lists')
  try {
    return recordSchema.parse(JSON.parse(text)).written
  } catch {
    throw outputTaken(file, 'the record of earlier lists')
  }
}

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}

/**
 * Pretrains an encoder on each list, one after the other; finished ones are kept, an interrupted one continues. The folder of a run is
 * named after the contents of its videos: where these change under the same names, no earlier run is gone on with.
 *
 * @returns the folders of the runs
 * @throws VideoMaeError as `pretrain`
 */
export async function pretrainGroups(
  lists: readonly GroupList[],
  configuration: RunConfiguration,
  folder: string,
  options: { readonly signal?: AbortSignal; readonly onNote?: (note: string) => void },
): Promise<string[]> {
  const runs: string[] = []
  for (const [group, { list, contents }] of lists.entries()) {
    const out = path.join(folder, `encoder-${group}-${contents.slice(0, 12)}`)
    options.onNote?.(`encoder ${group} of ${lists.length}: ${list}`)
    const data = { ...configuration.data, path: list }
    try {
      await pretrain({ ...configuration, data }, { out, resume: true, signal: options.signal })
    } catch (error) {
      options.signal?.throwIfAborted() // the caller's words for continuing
      throw error
    }
    runs.push(out)
  }
  return runs
}

/**
 * What the encoders of all groups were trained on, checked: each on the protected videos of its own group, all of them and nothing
 * else, by their contents. One of other data would be another encoder than the group makes, and what becomes of it under an attack
 * nobody could say.
 *
 * @throws VideoMaeError `GROUP_ENCODER_MISMATCH` naming the first encoder of other data, or whose training is not known
 */
export async function groupProvenance(
  sources: readonly FeatureSource[],
  videos: readonly LabeledVideo[],
  groupOf: Int32Array,
  options: { readonly scaledOn: readonly string[]; readonly labelsUsed?: boolean; readonly signal?: AbortSignal },
): Promise<EncoderProvenance> {
  // Copies of one content may be in several groups, where these are made by id or source.
  const groupsOfDigest = new Map<string, Set<number>>()
  for (const [i, video] of videos.entries()) {
    const digest = fileDigestOf(video)
    groupsOfDigest.set(digest, (groupsOfDigest.get(digest) ?? new Set()).add(groupOf[i]))
  }
  const manifests: TrainingManifest[] = []
  for (const [group, source] of sources.entries()) {
    if (source.kind !== 'encoder') continue // it has learned nothing
    const outcome = await trainingManifestOf(source.path, options.signal)
    if (!outcome.known) throw mismatch(group, source, `its training data are unknown: ${outcome.why}`)
    requireOwnGroup(group, source, outcome.manifest.samples, groupsOfDigest)
    manifests.push(outcome.manifest)
  }
  const { scaledOn } = options
  const samples = new Set([...manifests.flatMap((manifest) => [...manifest.samples]), ...scaledOn])
  return {
    digest: sha256(sources.map((source) => digestOf(source, scaledOn)).join('\n')),
    trust: trustOfGroups(scaledOn, groupsOfDigest),
    labelsUsed: options.labelsUsed === true || manifests.some(({ labeled }) => labeled),
    trainedOn: { manifest: sha256(manifests.map(({ digest }) => digest).join('\n')), samples },
  }
}

/**
 * Encoders of groups have one origin: the videos of their groups. What a user says of it could only contradict that.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function requireOwnProvenance({ trust, trainedOn }: Pick<ProvenanceOptions, 'trust' | 'trainedOn'>): void {
  const hint =
    'Each encoder is trained on the videos of its group. Its training manifest is checked, so nothing needs to be declared.'
  if (trust !== undefined) throw unusedArgument('trust', 'with several encoders', trust, hint)
  if (trainedOn !== undefined) throw unusedArgument('trainedOn', 'with several encoders', trainedOn, hint)
}

/** A scale that a protected video fixes is shared by the encoders of all groups. */
export function trustOfGroups(
  scaledOn: readonly string[],
  protectedDigests: { readonly has: (digest: string) => boolean },
): EncoderTrust {
  return scaledOn.some((digest) => protectedDigests.has(digest)) ? 'protected_set' : 'per_group'
}

function requireOwnGroup(
  group: number,
  source: FeatureSource,
  samples: ReadonlySet<string>,
  groupsOfDigest: ReadonlyMap<string, ReadonlySet<number>>,
): void {
  const strays: number[] = []
  let foreign = 0
  for (const digest of samples) {
    const groups = groupsOfDigest.get(digest)
    if (groups === undefined) foreign++
    else if (!groups.has(group)) strays.push(...groups)
  }
  if (strays.length > 0) {
    const others = [...new Set(strays)].sort((a, b) => a - b).join(', ')
    throw mismatch(group, source, `${strays.length} of its training videos are in group ${others}`)
  }
  if (foreign > 0) throw mismatch(group, source, `${foreign} of its training videos are not protected videos`)
  const unseen = [...groupsOfDigest].filter(([digest, groups]) => groups.has(group) && !samples.has(digest)).length
  if (unseen > 0) throw mismatch(group, source, `it was not trained on ${unseen} of the videos of the group`)
}

function mismatch(group: number, source: FeatureSource, why: string): VideoMaeError {
  return new VideoMaeError(
    `Expected encoder ${group} (${source.name}) to be trained on the protected videos of group ${group} and on nothing else, but ${why}.`,
    {
      code: 'GROUP_ENCODER_MISMATCH',
      exit: 'checkFailed',
      hint: 'Name the encoders in the order of their groups, each pretrained from fresh weights on its current list; --stage groups writes the lists.',
    },
  )
}
