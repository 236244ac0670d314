/**
 * What weights were trained on, as digests of contents, written by the run itself into every checkpoint: paths and names say
 * nothing any more once files have moved or were overwritten. Certificates against data poisoning read it.
 */

import { stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { type DigestedFile, digestFile } from '../format/file-digest.ts'
import { parseUniqueJson } from '../format/json.ts'
import { isMissing } from '../format/missing.ts'
import { type FileState, fileState, readRegularText } from '../format/regular-file.ts'
import { stateDigest } from '../model/digest.ts'
import type { ModelState } from '../model/model-state.ts'
import { trainingManifestFile } from './file-names.ts'
import { emaFolder, recordFolders } from './open-checkpoint.ts'
import { changedSince, digestOfState, stateDigestKey } from './state-digest.ts'
import { type TrainingManifestContent, trainingManifestSchema } from './training-manifest-schema.ts'
import { weightsDigest } from './weights-digest.ts'

export async function writeTrainingManifest(folder: string, content: TrainingManifestContent): Promise<void> {
  const { [stateDigestKey]: _, ...others } = content
  const complete = { ...others, [stateDigestKey]: digestOfState(others) }
  await writeFileAtomic(path.join(folder, trainingManifestFile), `${JSON.stringify(complete)}\n`)
}

/**
 * The manifest in a folder; null where there is none, or one of another version.
 *
 * @throws VideoMaeError `CHECKPOINT_DAMAGED` where there is one that cannot be right
 */
export async function readTrainingManifest(folder: string): Promise<TrainingManifestContent | null> {
  const file = path.join(folder, trainingManifestFile)
  let problem: string
  try {
    const json = parseUniqueJson(await readRegularText(file))
    if (versionSchema.safeParse(json).data?.schema !== trainingManifestSchema.shape.schema.value) return null
    const changed = changedSince(json)
    const parsed = trainingManifestSchema.safeParse(json)
    if (parsed.success && changed === null) return parsed.data
    problem = parsed.success ? String(changed) : z.prettifyError(parsed.error)
  } catch (error) {
    // A pipe or a device in its place says nothing either.
    if (isMissing(error) || error instanceof VideoMaeError) return null
    if (!(error instanceof SyntaxError)) throw error
    problem = error.message
  }
  throw new VideoMaeError(`Expected ${file} as a run wrote it, but it is damaged: ${problem}`, {
    code: 'CHECKPOINT_DAMAGED',
    exit: 'data',
    hint: 'Copy it again from the run. Without this file, the training data of the weights count as unknown.',
  })
}

/**
 * Writes next to a copy of weights, in another layout, what training wrote next to the weights themselves; nothing where it wrote
 * nothing.
 *
 * @param location folder or file of the weights
 * @param copy folder with the copy
 * @throws VideoMaeError what `recordedManifest` and `weightsDigest` throw
 */
export async function copyTrainingManifest(location: string, copy: string): Promise<void> {
  const found = await recordedManifest(location)
  if (found === null) return
  const weights = found.named ? await weightsDigest(copy) : null
  await writeTrainingManifest(copy, { ...found.content, weights: weights === null ? undefined : [weights] })
}

const versionSchema = z.object({ schema: z.string() })

/** A manifest that training wrote next to weights. */
export interface RecordedManifest {
  readonly content: TrainingManifestContent
  /** Whether it names these weights. One of an earlier version names none: nothing shows that it is about these. */
  readonly named: boolean
}

/** Why a manifest that names no weights is not enough, a part of a sentence. */
export const namesNoWeights = `its ${trainingManifestFile} was written by an earlier version and does not name its weights`

/**
 * What training wrote next to the weights in `location`, or next to those that they are the average of.
 *
 * @returns null where nothing is
 * @throws VideoMaeError `TRAINING_MANIFEST_FOREIGN` where it is about other weights; `CHECKPOINT_DAMAGED`; what `weightsDigest` throws
 */
export async function recordedManifest(location: string): Promise<RecordedManifest | null> {
  for (const folder of recordFolders(location)) {
    const content = await readTrainingManifest(folder)
    if (content?.list !== null) continue
    if (content.weights === undefined) return { content, named: false }
    const found = await weightsDigest(location)
    if (found === null) return { content, named: false }
    if (!content.weights.includes(found)) throw foreign(path.join(folder, trainingManifestFile), location)
    return { content, named: true }
  }
  return null
}

function foreign(file: string, location: string): VideoMaeError {
  return new VideoMaeError(
    `Expected ${file} to describe the weights in ${location}, but it describes other weights: the weights or the file were replaced or edited.`,
    {
      code: 'TRAINING_MANIFEST_FOREIGN',
      exit: 'data',
      hint: 'Copy weights and manifest again from one checkpoint of the run. Without the file, the training data of the weights count as unknown.',
    },
  )
}

/** The manifest of weights that training continues from; null where nothing is known of these. */
async function namedManifest(location: string): Promise<TrainingManifestContent | null> {
  const found = await recordedManifest(location)
  return found?.named === true ? found.content : null
}

/** The weights in a checkpoint folder that is being written, and their average. */
async function weightsIn(folder: string): Promise<string[]> {
  const found = await Promise.all([folder, path.join(folder, emaFolder)].map(weightsDigest))
  return found.filter((digest) => digest !== null)
}

export interface TrainingRecordOptions {
  /** The files that the run may read; one may be named several times. */
  readonly files: readonly string[]
  readonly labeled: boolean
  /** Those of `files` that train nothing and choose nothing. Default none. */
  readonly heldOut?: ReadonlySet<string>
  /** By file: the SHA-256 of those that it was prepared from. They count as files of the run, too. */
  readonly originals?: ReadonlyMap<string, ReadonlySet<string>>
  /** The weights that the run starts from, as the user named them, and the folder they are in; null for fresh ones. */
  readonly start: { readonly from: string; readonly location: string; readonly state: ModelState } | null
  /** Digests of files, by path, that were read after `since` (milliseconds): these files are not read again. */
  readonly known?: { readonly digests: ReadonlyMap<string, string>; readonly since: number }
  /** Aborted: a checkpoint is saved without waiting for files that are not read yet, and so without a manifest. */
  readonly signal?: AbortSignal
  readonly onNote?: (note: string) => void
}

/** `originals` of entries: rows of one file may name several. */
export function originalsOfFiles(
  entries: readonly { readonly path: string; readonly original?: string }[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>()
  for (const { path: file, original } of entries)
    if (original !== undefined) found.set(file, (found.get(file) ?? new Set()).add(original))
  return found
}

/** Clocks of file systems tick more slowly than that of the program. Milliseconds. */
const clockMargin = 2000

/**
 * Makes the manifest of a run: notes every file's state before the first step, reads each once next to the training, and looks at
 * each checkpoint whether one has changed since it was noted. Decoders say in which state they found a file (`decoded`): a link
 * that leads to another file for a while and back changes nothing that could be seen later.
 */
export class TrainingRecord {
  private readonly options: TrainingRecordOptions
  private readonly stopped = new AbortController()
  /** Resolves when all files are read, to null where the manifest cannot be known. */
  private content: Promise<TrainingManifestContent | null> = Promise.resolve(null)
  private finished = true
  private readonly read = new Map<string, { stamp: Stamp | null; readonly digest: string | null }>()
  private readonly changed = new Set<string>()
  /** By file: its state before the first step, and other states that it was decoded in. */
  private readonly noted = new Map<string, FileState | undefined>()
  private readonly others = new Map<string, Set<FileState>>()

  constructor(options: TrainingRecordOptions) {
    this.options = options
    options.signal?.addEventListener('abort', this.giveUp, { once: true })
  }

  /**
   * Call before the first step, and `stop` behind the last.
   *
   * @param before the checkpoint that the run continues from; null where it begins
   */
  async begin(before: string | null): Promise<void> {
    const base = before === null ? await this.started() : await namedManifest(before)
    if (base === null) return // what the steps up to `before` have read is not known
    const unique = [...new Set(this.options.files)]
    const stamps = await Promise.all(unique.map(stampOf))
    for (const [i, file] of unique.entries()) this.noted.set(file, stamps[i]?.state)
    this.finished = false
    this.content = this.readAll(base, unique, stamps)
  }

  /**
   * Notes that clips of a file were trained on. Call it after `begin`.
   *
   * @param state of the file that they were decoded from, as the decoder had it open
   */
  decoded(file: string, state: FileState): void {
    if (!this.noted.has(file) || this.noted.get(file) === state) return
    const others = this.others.get(file)
    if (others === undefined) this.others.set(file, new Set([state]))
    else others.add(state)
  }

  /**
   * One file after the other: decoding needs the disk more. What is read is what the first steps have seen only if the file has
   * its stamp from before them still when it has been read.
   */
  private async readAll(
    base: TrainingManifestContent,
    files: readonly string[],
    stamps: readonly (Stamp | null)[],
  ): Promise<TrainingManifestContent | null> {
    for (const [i, file] of files.entries()) {
      if (this.stopped.signal.aborted) return null
      const { digest, state } = await this.digestOf(file, stamps[i])
      if (this.stopped.signal.aborted) return null
      this.read.set(file, { stamp: stamps[i], digest })
      if (state !== stamps[i]?.state || (await stampOf(file))?.state !== state) this.noteChange(file)
    }
    this.finished = true
    const { labeled, heldOut, originals } = this.options
    const part = (out: boolean): string[] =>
      [...this.read].flatMap(([file, { digest }]) =>
        digest === null || (heldOut?.has(file) ?? false) !== out ? [] : [digest, ...(originals?.get(file) ?? [])],
      )
    const [trained, tested] = [part(false), part(true)]
    const { withLabels: _, heldOut: __, weights: ___, labelsRead: before, ...kept } = base
    return {
      ...kept,
      labeled: base.labeled || labeled,
      samples: [...new Set([...base.samples, ...trained, ...tested])].sort(),
      // Where an earlier run with labels did not say whose they were, nobody knows it later.
      ...(base.labeled && before === undefined
        ? {}
        : { labelsRead: [...new Set([...(before ?? []), ...(labeled ? [...trained, ...tested] : [])])].sort() }),
      ...useAfter(base, { labeled, trained, heldOut: tested }),
    }
  }

  /** Ends the reading; what was written stays. */
  stop(): void {
    this.options.signal?.removeEventListener('abort', this.giveUp)
    this.stopped.abort()
  }

  /** What is read by now is kept: it may be all. */
  private readonly giveUp = (): void => this.stopped.abort()

  /**
   * Writes the manifest, once all files are read; nothing where the beginning is not known.
   *
   * @param checkpoint folder with the weights that it is about
   * @param others more folders
   */
  async write(checkpoint: string, ...others: readonly string[]): Promise<void> {
    if (!this.finished && this.options.signal?.aborted === true) return
    if (!this.finished)
      this.options.onNote?.(
        `Waiting until all files are read for ${trainingManifestFile}: ${this.read.size} are read so far.`,
      )
    const read = await this.content
    if (read === null) return
    if (!(await this.compareFiles())) return
    const content = { ...read, weights: await weightsIn(checkpoint), changed: read.changed + this.changed.size }
    for (const folder of [checkpoint, ...others]) await writeTrainingManifest(folder, content)
  }

  /** What the weights at the start are made of. */
  private async started(): Promise<TrainingManifestContent> {
    const { start, labeled } = this.options
    const known = start === null ? null : await namedManifest(start.location)
    if (known !== null) return known
    return {
      schema: 'videomae.training-manifest/2',
      list: null,
      labeled,
      samples: [],
      withLabels: [],
      heldOut: [],
      labelsRead: [],
      changed: 0,
      start: start === null ? null : { from: start.from, weights: stateDigest(start.state) },
    }
  }

  /** The digest is null where the file cannot be read. */
  private async digestOf(file: string, stamp: Stamp | null): Promise<{ digest: string | null; state?: FileState }> {
    const { known } = this.options
    const digest = known?.digests.get(file)
    if (digest !== undefined && stamp !== null && stamp.at < known!.since - clockMargin)
      return { digest, state: stamp.state }
    return (await this.readAgain(file)) ?? { digest: null, state: stamp?.state }
  }

  private readAgain(file: string): Promise<DigestedFile | null> {
    return digestFile(file, { signal: this.stopped.signal }).catch(() => null)
  }

  /**
   * Notes files that are not what they were, or that were decoded in another state; one that was only touched, or linked, is
   * read again once.
   *
   * @returns whether all were looked at: not where the reading was given up
   */
  private async compareFiles(): Promise<boolean> {
    const all = [...this.read]
    const stamps = await Promise.all(all.map(([file]) => stampOf(file)))
    for (const [i, [file, before]] of all.entries()) {
      const others = this.others.get(file)
      if (this.changed.has(file) || (stamps[i]?.state === before.stamp?.state && others === undefined)) continue
      const now = await this.readAgain(file)
      if (this.stopped.signal.aborted) return false
      const known = new Set([this.noted.get(file), before.stamp?.state, now?.state])
      const same = now !== null && now.digest === before.digest && now.state === stamps[i]?.state
      if (!same || [...(others ?? [])].some((state) => !known.has(state))) {
        this.noteChange(file)
        continue
      }
      before.stamp = stamps[i]
      this.noted.set(file, now.state)
      this.others.delete(file)
    }
    return true
  }

  private noteChange(file: string): void {
    this.changed.add(file)
    this.options.onNote?.(`warning: ${file} has changed since training began; it is unknown which content was used.`)
  }
}

/** What changes with the content of a file, without reading it. */
interface Stamp {
  readonly state: FileState
  /** When content or name last changed, milliseconds. */
  readonly at: number
}

async function stampOf(file: string): Promise<Stamp | null> {
  const found = await stat(file, { bigint: true }).catch(() => null)
  if (found === null) return null
  const { mtimeMs, ctimeMs } = found
  return { state: fileState(found), at: Number(mtimeMs > ctimeMs ? mtimeMs : ctimeMs) }
}

/** The fields of a manifest that say what part each content had. */
type UseFields = Pick<TrainingManifestContent, 'withLabels' | 'heldOut'>

/**
 * What a run adds to the manifest of the weights that it started from. A content that has both parts counts as trained on.
 *
 * @param trained SHA-256 of the files of the run that trained its weights or chose among them
 * @param heldOut of those that did not: it was only tested on them, or left them out
 */
function useAfter(
  before: Pick<TrainingManifestContent, 'labeled' | 'samples' | 'withLabels' | 'heldOut'>,
  run: { readonly labeled: boolean; readonly trained: Iterable<string>; readonly heldOut: Iterable<string> },
): UseFields {
  if (before.labeled && before.withLabels === undefined) return {}
  const withLabels = new Set(before.withLabels)
  const outBefore = new Set(before.heldOut)
  const trained = new Set(before.samples.filter((digest) => !outBefore.has(digest)))
  for (const digest of run.trained) {
    trained.add(digest)
    if (run.labeled) withLabels.add(digest)
  }
  const heldOut = new Set([...outBefore, ...run.heldOut].filter((digest) => !trained.has(digest)))
  return { withLabels: [...withLabels].sort(), heldOut: [...heldOut].sort() }
}
