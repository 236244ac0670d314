import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { sumsFile } from '../format/folder-sums.ts'
import { hubHint } from '../format/foreign-weights.ts'
import { type MaskKind, maskKinds } from '../mask/mask.ts'
import { type LoadedCheckpoint, type LoadOptions, loadCheckpointDirectory } from '../model/load-checkpoint.ts'
import { findCheckpoint } from './checkpoint.ts'
import { type ClipTiming, defaultTiming, rateSchema, storedTiming, strideSchema } from './clip-timing.ts'
import { readJsonBesideWeights } from './json-file.ts'
import { RunDirectory } from './run-directory.ts'
import { changedSince } from './state-digest.ts'

/** A model with its weights, where they came from, and how its clips were sampled. */
export interface OpenedCheckpoint extends LoadedCheckpoint {
  /** The folder or file the weights came from. */
  readonly path: string
  /** How the clips of its training were sampled; null where the files do not say. */
  readonly clip: ClipTiming | null
  /** What was hidden from the encoder in its training; null where the files do not say. */
  readonly mask: { readonly kind: MaskKind; readonly ratio: number } | null
}

/** Folder in a checkpoint that holds the average of its weights. */
export const emaFolder = 'ema'

/** Folder of a fine-tuning run that holds its chosen classifier. */
export const bestFolder = 'best'

/**
 * Opens what a user may name as a checkpoint: a checkpoint folder, the folder of a run (its newest whole checkpoint, or its
 * chosen classifier where it trained a head only), a Hugging Face directory, or a `.safetensors` file.
 *
 * @throws VideoMaeError `CHECKPOINT_NOT_FOUND`, `CHECKPOINT_DAMAGED`, `CHECKPOINT_INVALID` (also for a trainer state that is malformed), and what
 *   `loadCheckpointDirectory` throws
 */
export async function openCheckpoint(where: string, options: LoadOptions = {}): Promise<OpenedCheckpoint> {
  const kind = await stat(where).catch(() => null)
  if (kind === null) {
    throw new VideoMaeError(`Expected a checkpoint at ${where}, which does not exist.`, {
      code: 'CHECKPOINT_NOT_FOUND',
      exit: 'data',
      hint:
        hubHint(where) ??
        'Name a run folder (checkpoints/<run>), one of its step-... folders, or a Hugging Face directory.',
    })
  }
  const damaged: string[] = []
  const chosen = await checkpointLocation(where, (problem) => damaged.push(problem))
  if (chosen === where && kind.isDirectory()) await requireSaved(where)
  const loaded = await loadCheckpointDirectory(chosen, options)
  const older = damaged.map((problem) => `a newer checkpoint is damaged, so ${chosen} is used: ${problem}`)
  const trained = await trainedWith(folderOf(chosen))
  const warnings = [...older, ...loaded.warnings, ...unknownSampling(chosen, loaded)]
  return { ...loaded, warnings, path: chosen, ...trained }
}

/**
 * The folder or file that `openCheckpoint` opens for what a user names.
 *
 * @param onDamaged called for each newer checkpoint of a run that is not whole
 * @throws VideoMaeError `CHECKPOINT_DAMAGED`
 */
export async function checkpointLocation(where: string, onDamaged?: (problem: string) => void): Promise<string> {
  const folder = (await stat(where).catch(() => null))?.isDirectory() === true
  const found = folder ? await findCheckpoint(new RunDirectory(where), onDamaged) : null
  return found?.path ?? (isHeadRun(where) ? path.join(where, bestFolder) : where)
}

/** A run that was stopped before its first checkpoint has a folder, and nothing in it that could be opened. */
async function requireSaved(folder: string): Promise<void> {
  const config = path.join(folder, 'config.json')
  if (['model.safetensors', 'model.safetensors.index.json'].some((name) => existsSync(path.join(folder, name)))) return
  if (!existsSync(config)) return
  const described = await readJsonBesideWeights(config, 'Name another folder.').catch(() => null)
  // Only the configuration of a run has what was derived from it.
  if (typeof described !== 'object' || described === null || !('derived' in described)) return
  throw new VideoMaeError(`Expected a checkpoint in the run ${folder}, which has saved none yet.`, {
    code: 'CHECKPOINT_NOT_FOUND',
    exit: 'data',
    hint: 'Wait for its first step-... folder (checkpoint.every says when), or run its command again with --resume.',
  })
}

function isHeadRun(folder: string): boolean {
  return existsSync(path.join(folder, bestFolder)) && existsSync(path.join(folder, 'split.csv'))
}

/** Of what training wrote down. A key that is absent is not known; one that is there must be right. */
const trainedSchema = z.object({
  configuration: z.object({
    clip: z
      .object({ stride: strideSchema.nullish(), fps: rateSchema.nullish() })
      .transform(({ stride, fps }) =>
        (stride ?? fps ?? null) === null ? null : storedTiming({ stride: stride ?? 1, fps: fps ?? null }),
      )
      .nullish(),
    mask: z.object({ kind: z.enum(maskKinds), ratio: z.number().min(0).max(1) }).nullish(),
  }),
})

/** Of a checkpoint that is named by its folder or by its file of weights. */
export const folderOf = (location: string): string =>
  location.endsWith('.safetensors') ? path.dirname(location) : location

/**
 * Folders in which training wrote what it knows of the weights in `location`: their own, and the one above for weights that are
 * the average of those there. Nothing else in a folder further up counts: it may be about other weights.
 */
export function recordFolders(location: string): string[] {
  return path.basename(path.resolve(location)) === emaFolder ? [location, path.join(location, '..')] : [location]
}

/** A checkpoint of a run has its state next to the weights: without it, the clips of the training are not known. */
function unknownSampling(location: string, { kind }: LoadedCheckpoint): string[] {
  const folder = path.resolve(folderOf(location))
  const own = kind === 'pretrain' && existsSync(path.join(folder, sumsFile)) // of this program
  const told = recordFolders(folder).some((each) => existsSync(path.join(each, stateFile)))
  if (!own || told || existsSync(path.join(folder, 'clip.json'))) return []
  return [
    `${folder} has no ${stateFile}, which says how clips were sampled in training: published settings are used (stride ${defaultTiming.stride})`,
  ]
}

const stateFile = 'trainer-state.json'
const damagedState =
  'Name another checkpoint, or delete this file: the weights open without it, but then it is unknown how their clips were sampled and masked.'

/**
 * How clips were sampled and masked, from the trainer state next to the weights, where there is one.
 *
 * @throws VideoMaeError `CHECKPOINT_INVALID`
 */
async function trainedWith(directory: string): Promise<Pick<OpenedCheckpoint, 'clip' | 'mask'>> {
  for (const folder of recordFolders(directory)) {
    const state = await readJsonBesideWeights(path.join(folder, stateFile), damagedState)
    if (state === undefined) continue
    const changed = changedSince(state)
    if (changed !== null) throw malformed(path.join(folder, stateFile), changed)
    const parsed = trainedSchema.safeParse(state)
    if (!parsed.success) throw malformed(path.join(folder, stateFile), problemsOf(parsed.error))
    const { clip = null, mask = null } = parsed.data.configuration
    return { clip, mask }
  }
  return { clip: null, mask: null }
}

const problemsOf = ({ issues }: z.ZodError): string =>
  issues.map(({ path: field, message }) => `${field.join('.') || 'the file'}: ${message}`).join('; ')

function malformed(file: string, problem: string): VideoMaeError {
  return new VideoMaeError(`Expected ${file} as training wrote it, but ${problem}.`, {
    code: 'CHECKPOINT_INVALID',
    exit: 'data',
    hint: damagedState,
  })
}
