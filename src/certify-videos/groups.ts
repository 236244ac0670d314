/**
 * An encoder for each group of videos, for a certificate about whole videos where no trusted encoder exists: a poisoned
 * video may change the encoder of its own group, and so all the heads on it, but no other group.
 */
import path from 'node:path'
import { assignBuckets, type BucketKey } from '../certify/data/buckets.ts'
import { sha256 } from '../certify/data/hash.ts'
import type { EncoderProvenance } from '../certify/threat.ts'
import { VideoMaeError } from '../core/errors.ts'
import type { LabelledVideo } from '../finetune/dataset.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { csvField } from '../format/csv.ts'
import type { RunConfiguration } from '../train/configuration.ts'
import { pretrain } from '../train/pretrain.ts'
import type { FeatureSource } from './feature-source.ts'
import { fileDigestOf } from './file-digest-of.ts'
import { videoSetOf } from './learners/video-set.ts'
import { digestOf } from './provenance.ts'
import { type TrainingManifest, trainingManifestOf } from './training-manifest.ts'

/** [videos] the group of each protected video: a function of its content, id or source alone. */
export function groupsOf(
  videos: readonly LabelledVideo[],
  classNames: readonly string[],
  by: BucketKey,
  groups: number,
): Int32Array {
  return assignBuckets(videoSetOf(videos, classNames), { by, buckets: groups }).bucketOf
}

/** Writes `group-0.csv`, `group-1.csv`, ...: the protected videos of each group, without labels. @returns their paths */
export async function writeGroupLists(
  folder: string,
  videos: readonly LabelledVideo[],
  groupOf: Int32Array,
  groups: number,
): Promise<string[]> {
  const lists: string[] = []
  for (let group = 0; group < groups; group++) {
    const mine = videos.filter((_, i) => groupOf[i] === group)
    // In the order of their contents: the list of a group must not depend on how the data was listed.
    const sorted = mine.toSorted((a, b) => ((a.digest ?? '') < (b.digest ?? '') ? -1 : 1))
    const rows = sorted.map(
      ({ path: file, start, end }) => `${csvField(path.resolve(file))},${start ?? ''},${end ?? ''}`,
    )
    const list = path.join(folder, `group-${group}.csv`)
    await writeFileAtomic(list, `path,start,end\n${rows.join('\n')}\n`)
    lists.push(list)
  }
  return lists
}

/**
 * Pretrains an encoder on each list, one after the other; finished ones are kept, an interrupted one goes on.
 *
 * @returns the folders of the runs
 * @throws VideoMaeError as `pretrain`
 */
export async function pretrainGroups(
  lists: readonly string[],
  configuration: RunConfiguration,
  folder: string,
  options: { readonly signal?: AbortSignal; readonly onNote?: (note: string) => void },
): Promise<string[]> {
  const runs: string[] = []
  for (const [group, list] of lists.entries()) {
    const out = path.join(folder, `encoder-${group}`)
    options.onNote?.(`encoder ${group} of ${lists.length}: ${list}`)
    const data = { ...configuration.data, path: list }
    try {
      await pretrain({ ...configuration, data }, { out, resume: true, signal: options.signal })
    } catch (error) {
      options.signal?.throwIfAborted() // the caller's words for going on
      throw error
    }
    runs.push(out)
  }
  return runs
}

/**
 * What the encoders of all groups were trained on, checked: each may know protected videos of its own group only.
 *
 * @throws VideoMaeError `GROUP_ENCODER_MISMATCH` naming the first encoder that knows more, or whose training is not known
 */
export async function groupProvenance(
  sources: readonly FeatureSource[],
  videos: readonly LabelledVideo[],
  groupOf: Int32Array,
  options: { readonly scaledOn: readonly string[]; readonly signal?: AbortSignal },
): Promise<EncoderProvenance> {
  // Copies of one content may lie in several groups, where these are made by id or source.
  const groupsOfDigest = new Map<string, Set<number>>()
  for (const [i, video] of videos.entries()) {
    const digest = fileDigestOf(video)
    groupsOfDigest.set(digest, (groupsOfDigest.get(digest) ?? new Set()).add(groupOf[i]))
  }
  const manifests: TrainingManifest[] = []
  for (const [group, source] of sources.entries()) {
    if (source.kind !== 'encoder') continue // it has learned nothing
    const outcome = await trainingManifestOf(source.path, options.signal)
    if (!outcome.known) throw mismatch(group, source, `what it was trained on is not known: ${outcome.why}`)
    const strays = [...outcome.manifest.samples].flatMap((digest) => {
      const mine = groupsOfDigest.get(digest)
      return mine === undefined || mine.has(group) ? [] : [mine]
    })
    if (strays.length > 0) {
      const groups = [...new Set(strays.flatMap((others) => [...others]))].sort((a, b) => a - b).join(', ')
      throw mismatch(group, source, `${strays.length} of its training videos are in group ${groups}`)
    }
    manifests.push(outcome.manifest)
  }
  const { scaledOn } = options
  const samples = new Set([...manifests.flatMap((manifest) => [...manifest.samples]), ...scaledOn])
  const labelled = manifests.some(
    (manifest) => manifest.labelled && [...manifest.samples].some((digest) => groupsOfDigest.has(digest)),
  )
  return {
    digest: sha256(sources.map((source) => digestOf(source, scaledOn)).join('\n')),
    trust: scaledOn.some((digest) => groupsOfDigest.has(digest)) ? 'protected_set' : 'per_group',
    labelsUsed: labelled,
    trainedOn: { manifest: sha256(manifests.map(({ digest }) => digest).join('\n')), samples },
  }
}

function mismatch(group: number, source: FeatureSource, why: string): VideoMaeError {
  return new VideoMaeError(
    `Expected encoder ${group} (${source.name}) to have seen protected videos of group ${group} only, but ${why}.`,
    {
      code: 'GROUP_ENCODER_MISMATCH',
      exit: 'checkFailed',
      hint: 'Name the encoders in the order of their groups, each pretrained on its list; --stage groups writes the lists.',
    },
  )
}
