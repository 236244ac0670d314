/**
 * Which videos an encoder was trained on, as digests of their contents: what its run wrote down, or, for a run of an earlier
 * program, what is where its configuration says, if nothing shows that it has changed since.
 */

import path from 'node:path'
import { z } from 'zod'
import { VideoMaeError } from '../../core/errors.ts'
import { parseUniqueJson } from '../../format/json.ts'
import { readRegularText } from '../../format/regular-file.ts'
import { stateDigest } from '../../model/digest.ts'
import { checkpointLocation, openCheckpoint } from '../../train/open-checkpoint.ts'
import { listSources } from '../../train/pretrain-data.ts'
import { changedSince } from '../../train/state-digest.ts'
import { namesNoWeights, recordedManifest } from '../../train/training-manifest.ts'
import { type TrainingManifestContent, trainingManifestSchema } from '../../train/training-manifest-schema.ts'
import { sha256 } from '../ensemble/hash.ts'
import { contentsOf, type OwnTraining, reconstructed, unreadable } from './reconstructed-manifest.ts'

/** What weights were trained on, with what the weights that their run started from were trained on. */
export interface TrainingManifest {
  /** SHA-256 over all of it. */
  readonly digest: string
  /** Whether training read labels. */
  readonly labeled: boolean
  /** SHA-256 of every file that took part, in this run or in one it started from. */
  readonly samples: ReadonlySet<string>
  /** Those of `samples` whose labels may have taken part in any way: all, where labels did and nothing says whose. */
  readonly labelsRead: ReadonlySet<string>
}

export type ManifestOutcome =
  | { readonly known: true; readonly manifest: TrainingManifest }
  /** `why`: one sentence. `atLeast`: what is known to have taken part, and whether labels of anything did. */
  | { readonly known: false; readonly why: string; readonly atLeast: TrainingManifest }

const earlierSchema = z.strictObject({
  schema: z.literal('videomae.training-manifest/1'),
  list: z.string().nullable().optional(),
  labeled: z.boolean(),
  samples: z.array(z.tuple([z.string(), z.string().nullable()])),
})

/**
 * The content digests of a folder, list or manifest of videos that the user names, or of a `training-manifest.json`.
 *
 * @throws VideoMaeError `TRAINED_ON_UNREADABLE` where they are not all there to be compared; what listing videos throws
 */
export async function manifestOfData(data: string, signal?: AbortSignal): Promise<TrainingManifest> {
  if (path.extname(data) === '.json') return manifestOfFile(data, signal)
  const { samples, lost, first } = await contentsOf(listSources([data]), signal)
  if (lost > 0) throw notReadable(`every video of ${data}`, unreadable(lost, first))
  return described(samples, false)
}

async function manifestOfFile(file: string, signal: AbortSignal | undefined): Promise<TrainingManifest> {
  let value: unknown
  try {
    value = parseUniqueJson(await readRegularText(file))
  } catch (error) {
    throw notReadable(`a training manifest in ${file}`, (error as Error).message)
  }
  const earlier = earlierSchema.safeParse(value)
  if (earlier.success) {
    const { samples, labeled } = earlier.data
    const without = samples.filter(([, digest]) => digest === null)
    if (without.length > 0) throw notReadable(`the contents of all files in ${file}`, `${without.length} have none`)
    return described(
      samples.map(([, digest]) => digest ?? ''),
      labeled,
    )
  }
  const changed = changedSince(value)
  if (changed !== null) throw notReadable(`a training manifest in ${file} as it was written`, changed)
  const content = trainingManifestSchema.safeParse(value)
  if (!content.success) throw notReadable(`a training manifest in ${file}`, z.prettifyError(content.error))
  const outcome = await withStart(ownOf(content.data, file, true), file, [], signal)
  if (!outcome.known) throw notReadable(`a complete training manifest in ${file}`, outcome.why)
  return outcome.manifest
}

function notReadable(expected: string, found: string): VideoMaeError {
  return new VideoMaeError(`Expected ${expected}, but ${found}.`, {
    code: 'TRAINED_ON_UNREADABLE',
    exit: 'data',
    hint: 'Name videos that can all be read, or the training-manifest.json that the run wrote when they could be read.',
  })
}

/**
 * What a checkpoint was trained on, itself and through the weights it started from. Relative paths of a configuration count
 * from the current directory.
 */
export function trainingManifestOf(checkpoint: string, signal?: AbortSignal): Promise<ManifestOutcome> {
  return manifestBehind(checkpoint, [], signal)
}

/** @param above checkpoints that started from this one */
async function manifestBehind(
  checkpoint: string,
  above: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ManifestOutcome> {
  const location = path.resolve(await checkpointLocation(checkpoint).catch(() => checkpoint))
  if (above.includes(location))
    return unknown(`${checkpoint} is named as its own starting checkpoint`, described([], false))
  const recorded = await recordedManifest(location)
  const own =
    recorded === null
      ? await reconstructed(location, checkpoint, signal)
      : ownOf(recorded.content, checkpoint, recorded.named)
  return withStart(own, checkpoint, [...above, location], signal)
}

/** @param named whether it is known to be about the weights in question */
function ownOf(
  { labeled, samples, labelsRead, changed, start }: TrainingManifestContent,
  name: string,
  named: boolean,
): OwnTraining {
  const moved = changed === 0 ? null : `${changed} of the files that ${name} was trained on changed during training`
  return { labeled, samples, labelsRead, start, why: named ? moved : namesNoWeights }
}

/** One run together with what came before it. */
async function withStart(
  own: OwnTraining,
  name: string,
  above: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ManifestOutcome> {
  const mine = described(own.samples, own.labeled, own.labelsRead)
  if (own.start === null) return own.why === null ? { known: true, manifest: mine } : unknown(own.why, mine)
  const { from, weights } = own.start
  if (weights !== null && weights !== (await weightsAt(from)))
    return unknown(own.why ?? `the weights that ${name} started from are no longer at ${from}`, mine)
  const before = await manifestBehind(from, above, signal)
  const all = before.known ? before.manifest : before.atLeast
  const both = described([...mine.samples, ...all.samples], mine.labeled || all.labeled, [
    ...mine.labelsRead,
    ...all.labelsRead,
  ])
  if (own.why !== null) return unknown(own.why, both)
  if (before.known) return { known: true, manifest: both }
  return unknown(`${name} started from other weights: ${before.why}`, both)
}

/** Digest of the weights of a checkpoint; null where there are none. */
async function weightsAt(checkpoint: string): Promise<string | null> {
  try {
    return stateDigest((await openCheckpoint(checkpoint)).state)
  } catch {
    return null
  }
}

function unknown(why: string, atLeast: TrainingManifest): ManifestOutcome {
  return { known: false, why, atLeast }
}

function described(
  samples: Iterable<string>,
  labeled: boolean,
  labelsRead: Iterable<string> | undefined = undefined,
): TrainingManifest {
  const body = [...new Set(samples)].sort()
  const read = new Set(labeled ? (labelsRead ?? body) : [])
  return { digest: sha256(JSON.stringify([labeled, body])), labeled, samples: new Set(body), labelsRead: read }
}

/**
 * Both together, for weights that two sources of knowledge describe.
 *
 * @param b where labels took part in `a`, those of `b` may have been among them
 */
export function joinManifests(a: TrainingManifest, b: TrainingManifest): TrainingManifest {
  return {
    digest: sha256([a.digest, b.digest].join('\n')),
    labeled: a.labeled || b.labeled,
    samples: new Set([...a.samples, ...b.samples]),
    labelsRead: new Set([...a.labelsRead, ...b.labelsRead, ...(a.labeled ? b.samples : [])]),
  }
}
