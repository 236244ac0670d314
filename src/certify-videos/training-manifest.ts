/**
 * Which videos an encoder was trained on, as digests of their contents. Runs do not write this down, because reading every
 * byte would slow them; it is made when a certificate asks for it, and kept beside the run.
 */
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { sha256 } from '../certify/data/hash.ts'
import { fileDigest } from '../finetune/dataset.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { findCheckpoint } from '../train/checkpoint.ts'
import { entriesDigest, listSources } from '../train/pretrain-data.ts'
import { RunDirectory } from '../train/run-directory.ts'
import type { VideoEntry } from '../video/index.ts'

export const trainingManifestFile = 'training-manifest.json'

const manifestSchema = z.object({
  schema: z.literal('videomae.training-manifest/1'),
  /** The list of videos that the run visited, as its checkpoints name it; null where they do not. */
  list: z.string().nullable(),
  /** Whether labels took part. */
  labelled: z.boolean(),
  /** [id, SHA-256 of the file], sorted; null for a file that cannot be read now. */
  samples: z.array(z.tuple([z.string(), z.string().nullable()])),
})

/** `training-manifest.json`, with what the weights that the run started from were trained on. */
export interface TrainingManifest {
  /** SHA-256 over all of it. */
  readonly digest: string
  readonly labelled: boolean
  /** SHA-256 of every file that took part, in this run or in one it started from. */
  readonly samples: ReadonlySet<string>
}

export type ManifestOutcome =
  | { readonly known: true; readonly manifest: TrainingManifest }
  /** One sentence. */
  | { readonly known: false; readonly why: string }

/** The content digests of a folder, list or manifest of videos that the user names, or of a `training-manifest.json`. */
export async function manifestOfData(data: string, signal?: AbortSignal): Promise<TrainingManifest> {
  if (path.extname(data) === '.json') {
    const { samples, labelled } = manifestSchema.parse(JSON.parse(await readFile(data, 'utf8')))
    return described(samples, labelled)
  }
  return described(await digestsOf(listSources([data]), signal), false)
}

const stateSchema = z.object({
  configuration: z.record(z.string(), z.unknown()),
  data: z.object({ digest: z.string() }),
})

const configurationSchema = z.object({
  data: z.object({ path: z.union([z.string(), z.array(z.string())]).nullable() }),
  model: z.object({ from: z.string().nullable() }),
  mode: z.string().optional(),
})

/**
 * What a checkpoint was trained on, itself and through the weights it started from. Videos are found where the
 * configuration says, relative to the current directory, and must be the same list.
 */
export async function trainingManifestOf(checkpoint: string, signal?: AbortSignal): Promise<ManifestOutcome> {
  const run = await openRun(checkpoint)
  if (run === null) return { known: false, why: `${checkpoint} does not say what it was trained on` }
  const { folder, configuration, list } = run
  const labelled = configuration.mode !== undefined
  const own = await ownSamples(folder, configuration.data.path, { list, labelled, signal })
  if (typeof own === 'string') return { known: false, why: own }
  const { from } = configuration.model
  if (from === null || from === 'scratch') return { known: true, manifest: described(own, labelled) }
  const before = await trainingManifestOf(from, signal)
  if (!before.known) return { known: false, why: `${folder} started from other weights, and ${before.why}` }
  const { manifest } = before
  const inherited = [...manifest.samples].map((digest): Sample => [`${manifest.digest}/${digest}`, digest])
  return { known: true, manifest: described([...own, ...inherited], labelled || manifest.labelled) }
}

type Sample = readonly [string, string | null]

/** Folder, configuration and list of the run that a checkpoint belongs to. */
async function openRun(checkpoint: string) {
  const found = (await stat(checkpoint).catch(() => null))?.isDirectory()
    ? await findCheckpoint(new RunDirectory(checkpoint)).catch(() => null)
    : null
  const place = path.resolve(found?.path ?? checkpoint)
  // A step-... folder brings its state; the chosen classifier of a fine-tuning run only lies in the folder of its run.
  const state = stateSchema.safeParse(await readJson(path.join(place, 'trainer-state.json')))
  const candidates = [
    { folder: path.dirname(place), values: state.success ? state.data.configuration : null },
    { folder: place, values: await readJson(path.join(place, 'config.json')) },
    { folder: path.dirname(place), values: await readJson(path.join(place, '..', 'config.json')) },
  ]
  for (const { folder, values } of candidates) {
    const parsed = configurationSchema.safeParse(values)
    if (!parsed.success) continue
    // The list of a fine-tuning run is that of its split: its whole data counts as seen instead.
    const list = state.success && parsed.data.mode === undefined ? state.data.data.digest : null
    return { folder, configuration: parsed.data, list }
  }
  return null
}

async function ownSamples(
  folder: string,
  data: string | readonly string[] | null,
  { list, labelled, signal }: { list: string | null; labelled: boolean; signal: AbortSignal | undefined },
): Promise<readonly Sample[] | string> {
  const file = path.join(folder, trainingManifestFile)
  const kept = manifestSchema.safeParse(await readJson(file))
  if (kept.success && kept.data.list === list) return kept.data.samples
  if (data === null) return `${folder} names no data`
  let entries: readonly VideoEntry[]
  try {
    entries = listSources(typeof data === 'string' ? [data] : data)
  } catch (error) {
    return `its videos are not where ${folder} says: ${(error as Error).message}`
  }
  if (list !== null && entriesDigest(entries) !== list) return `the videos that ${folder} names are others by now`
  const samples = await digestsOf(entries, signal)
  const body = { schema: 'videomae.training-manifest/1', list, labelled, samples }
  await writeFileAtomic(file, `${JSON.stringify(body)}\n`).catch(() => {}) // a read-only run is read again next time
  return samples
}

async function digestsOf(entries: readonly VideoEntry[], signal?: AbortSignal): Promise<Sample[]> {
  const known = new Map<string, string | null>()
  const samples: Sample[] = []
  for (const { path: file, id } of entries) {
    signal?.throwIfAborted()
    const digest = known.get(file) ?? (await fileDigest(file).catch(() => null))
    known.set(file, digest)
    samples.push([id, digest])
  }
  return samples.sort(([a], [b]) => (a < b ? -1 : 1))
}

function described(samples: readonly Sample[], labelled: boolean): TrainingManifest {
  const digests = samples.flatMap(([, digest]) => (digest === null ? [] : [digest]))
  const body = [...new Set(digests)].sort()
  return { digest: sha256(JSON.stringify([labelled, body])), labelled, samples: new Set(body) }
}

/** Both together, for weights that two sources of knowledge describe. */
export function joinManifests(a: TrainingManifest, b: TrainingManifest): TrainingManifest {
  return {
    digest: sha256([a.digest, b.digest].join('\n')),
    labelled: a.labelled || b.labelled,
    samples: new Set([...a.samples, ...b.samples]),
  }
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch {
    return null
  }
}
