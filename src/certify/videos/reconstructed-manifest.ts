/**
 * What a run was trained on, of which the run wrote only where its videos lay and what they were called: they are read now,
 * and nothing may show that they are not those of the training. It counts only for weights whose digests the run wrote into the
 * state next to them: any others could be in its folder. What was found is kept next to the run, for the next time.
 */
import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { fileDigest } from '../../format/file-digest.ts'
import { readRegularText } from '../../format/regular-file.ts'
import { trainingManifestFile } from '../../train/file-names.ts'
import { folderOf, openCheckpoint } from '../../train/open-checkpoint.ts'
import { entriesDigest, listSources } from '../../train/pretrain-data.ts'
import { changedSince } from '../../train/state-digest.ts'
import { readTrainingManifest, writeTrainingManifest } from '../../train/training-manifest.ts'
import { headFile, weightFiles, weightsDigest } from '../../train/weights-digest.ts'
import type { VideoEntry } from '../../video/types.ts'
import { sha256 } from '../ensemble/hash.ts'

/** What is known of one run, without the weights that it started from. */
export interface OwnTraining {
  readonly labeled: boolean
  readonly samples: readonly string[]
  /** Absent where it is not known whose labels took part. */
  readonly labelsRead?: readonly string[] | undefined
  /** Why there may be more; null where this is all. */
  readonly why: string | null
  /** Digest of the weights: null where the run did not write it down. */
  readonly start: { readonly from: string; readonly weights: string | null } | null
}

const stateSchema = z.object({
  configuration: z.record(z.string(), z.unknown()),
  data: z.object({ digest: z.string() }),
  digests: z.record(z.string(), z.string()).optional(),
})

const configurationSchema = z.object({
  data: z.object({ path: z.union([z.string(), z.array(z.string())]).nullable() }),
  model: z.object({ from: z.string().nullable() }),
  mode: z.string().optional(),
})

interface Run {
  readonly folder: string
  readonly configuration: z.output<typeof configurationSchema>
  /** Digest of the names of its videos, where a checkpoint of pretraining says it. */
  readonly list: string | null
  /** Digest of the weights, by which what was found is kept; null where nothing shows that the run trained them. */
  readonly weights: string | null
}

/**
 * @param location folder of the weights
 * @param name what the user calls them
 */
export async function reconstructed(
  location: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<OwnTraining> {
  const run = await openRun(location)
  const classifies = await isOfClassifier(location)
  if (run === null)
    return { labeled: classifies, samples: [], start: null, why: `${name} does not say what it was trained on` }
  const { from } = run.configuration.model
  const labeled = classifies || run.configuration.mode !== undefined
  const start = from === null || from === 'scratch' ? null : { from, weights: null }
  return { labeled, start, ...(await samplesOf(run, location, signal)) }
}

/** What weights next to a configuration say of labels, in the Hugging Face layout. */
const headSchema = z.object({
  architectures: z.array(z.string()).nullish(),
  id2label: z.record(z.string(), z.unknown()).nullish(),
})

/**
 * Whether weights say themselves that labels took part, with nothing written down of their training: they have a last layer over
 * classes, or are next to such a layer, or their configuration names classes.
 */
async function isOfClassifier(location: string): Promise<boolean> {
  const folder = folderOf(location)
  const beside = await readdir(folder).catch((): string[] => [])
  if (beside.includes(headFile) || beside.includes('classifier.json')) return true
  const { architectures, id2label } = headSchema.safeParse(await readJson(path.join(folder, 'config.json'))).data ?? {}
  // transformers gives classes that nobody has named the names LABEL_0, LABEL_1, ...
  const named = Object.values(id2label ?? {}).some((label) => !/^LABEL_\d+$/.test(String(label)))
  if (named || architectures?.some((architecture) => architecture.includes('Classification')) === true) return true
  return (await openCheckpoint(location).catch(() => null))?.kind === 'classify'
}

/** Folder, configuration and list of the run that a checkpoint belongs to. */
async function openRun(location: string): Promise<Run | null> {
  // A step-... folder brings its state; the chosen classifier of a fine-tuning run only is in the folder of its run.
  const json = await readJson(path.join(location, 'trainer-state.json'))
  const state = stateSchema.safeParse(changedSince(json) === null ? json : null)
  const told = state.success ? state.data.configuration : null
  const above = path.dirname(location)
  const candidates = [
    { folder: above, values: told },
    { folder: above, values: await readJson(path.join(above, 'config.json')) },
  ]
  for (const { folder, values } of candidates) {
    const parsed = configurationSchema.safeParse(values)
    if (!parsed.success) continue
    const list = state.success && parsed.data.mode === undefined ? state.data.data.digest : null
    const weights = values === told ? await writtenWeights(location, state.data?.digests ?? {}) : null
    return { folder, configuration: parsed.data, list, weights }
  }
  return null
}

/** Digest of the weights in a checkpoint folder; null unless every file of them is as training wrote it. */
async function writtenWeights(location: string, digests: Readonly<Record<string, string>>): Promise<string | null> {
  const files = await weightFiles(location).catch(() => null)
  if (files === null) return null
  for (const file of files) if ((await fileDigest(file)) !== digests[path.basename(file)]) return null
  return weightsDigest(location)
}

async function samplesOf(
  { folder, configuration, list, weights }: Run,
  location: string,
  signal: AbortSignal | undefined,
): Promise<Pick<OwnTraining, 'samples' | 'why'>> {
  const nothing = (why: string) => ({ samples: [], why })
  const { data, mode } = configuration
  if (data.path === null) return nothing(`${folder} names no data`)
  const split = mode === undefined ? null : await readRegularText(path.join(folder, 'split.csv')).catch(() => null)
  const visited = mode === undefined ? list : split
  if (visited === null) return nothing(`${folder} does not say which videos it visited`)
  const binding = sha256(JSON.stringify([data.path, mode ?? null, visited]))
  const kept = await readTrainingManifest(folder)
  if (weights !== null && kept?.list === binding && kept.weights?.includes(weights) === true)
    return { samples: kept.samples, why: null }
  let entries: readonly VideoEntry[]
  let same: boolean
  try {
    entries = listSources(typeof data.path === 'string' ? [data.path] : data.path)
    same =
      mode === undefined
        ? entriesDigest(entries) === list
        : partsOf(entries) === partsOf(listSources([path.join(folder, 'split.csv')]))
  } catch (error) {
    return nothing(`its videos are not at the path that ${folder} gives: ${(error as Error).message}`)
  }
  if (!same) return nothing(`the videos that ${folder} names have changed since`)
  const { samples, lost, first, newest } = await contentsOf(entries, signal)
  if (lost > 0) return { samples, why: `of ${folder}, ${unreadable(lost, first)}` }
  if (newest > (await writtenAt([path.join(folder, 'config.json'), path.join(location, 'trainer-state.json')])))
    return { samples, why: `a file that ${folder} was trained on, or its name, has changed since` }
  if (weights === null) return { samples, why: `nothing shows that ${folder} trained the weights in ${location}` }
  const labeled = mode !== undefined
  const schema = 'videomae.training-manifest/2' as const
  const content = {
    schema,
    weights: [weights],
    list: binding,
    labeled,
    samples: [...samples],
    changed: 0,
    start: null,
  }
  // A manifest that this version cannot read stays. A read-only run is read again next time.
  const isOwn = typeof kept?.list === 'string'
  if (isOwn || !existsSync(path.join(folder, trainingManifestFile)))
    await writeTrainingManifest(folder, content).catch(() => {})
  return { samples, why: null }
}

/** The parts of files that a list names, wherever it is and whatever their order. */
function partsOf(entries: readonly VideoEntry[]): string {
  const parts = entries.map(({ path: file, start, end }) => JSON.stringify([path.resolve(file), start, end]))
  return [...new Set(parts)].sort().join('\n')
}

/** The contents of files, sorted, how many cannot be read, and when a content or a name last changed (milliseconds). */
export async function contentsOf(entries: readonly VideoEntry[], signal?: AbortSignal) {
  const samples = new Set<string>()
  let [lost, newest, first] = [0, 0, '']
  // A prepared video is its original, too.
  for (const { original } of entries) if (original !== undefined) samples.add(original)
  for (const file of new Set(entries.map((entry) => entry.path))) {
    signal?.throwIfAborted()
    try {
      const { mtimeMs, ctimeMs } = await stat(file)
      samples.add(await fileDigest(file, { signal }))
      newest = Math.max(newest, mtimeMs, ctimeMs)
    } catch {
      signal?.throwIfAborted()
      if (lost++ === 0) first = file
    }
  }
  return { samples: [...samples].sort(), lost, first, newest }
}

export function unreadable(count: number, first: string): string {
  return `${count} of its training files cannot be read now; the first is ${first}`
}

/** When the first of these files was written, milliseconds. */
async function writtenAt(files: readonly string[]): Promise<number> {
  const times = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ mtimeMs }) => mtimeMs,
        () => Infinity,
      ),
    ),
  )
  return Math.min(...times)
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readRegularText(file))
  } catch {
    return null
  }
}
