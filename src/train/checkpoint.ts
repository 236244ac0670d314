import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { replaceDirectory } from '../format/atomic.ts'
import { shownChecksum } from '../format/checksum.ts'
import { fileDigest } from '../format/file-digest.ts'
import { requireFiniteTensor } from '../format/finite.ts'
import { isMissing } from '../format/missing.ts'
import { readRegularText } from '../format/regular-file.ts'
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from '../format/safetensors.ts'
import type { RunDirectory } from './run-directory.ts'
import { changedSince, digestOfState, stateDigestKey } from './state-digest.ts'

const optimizerFile = 'optimizer.safetensors'
const stateFile = 'trainer-state.json'

const badFileSchema = z.strictObject({
  path: z.string(),
  id: z.string(),
  reason: z.string(),
  code: z.string(),
  epoch: z.number(),
  position: z.number(),
})

/** Absent in checkpoints of older versions. */
const meanLossSchema = z.strictObject({ sum: z.number(), count: z.int().min(1) }).optional()

/** Absent in checkpoints of older versions. */
const measuredSchema = z.strictObject({ clips: z.number(), seconds: z.number() }).optional()

const trainerStateSchema = z.strictObject({
  format: z.literal('videomae-trainer-state'),
  version: z.literal(1),
  /** Optimizer steps done. Together with the seed it is the whole random state and the position in the data. */
  step: z.int().min(0),
  seed: z.int().min(0),
  engine: z.string(),
  /** What else the numbers of the engine depend on, e.g. the processor level; absent where nothing is known. */
  engineVariant: z.string().optional(),
  /** The configuration of the run in the form recipes have. */
  configuration: z.record(z.string(), z.unknown()),
  /** The videos the run visits, so that other data is noticed. */
  data: z.strictObject({
    entries: z.int().min(0),
    digest: z.string(),
    /** Of a classifier. Absent in checkpoints of older versions. */
    labels: z.strictObject({ classes: z.array(z.string()).readonly(), digest: z.string() }).optional(),
  }),
  badFiles: z.array(badFileSchema),
  metrics: z.strictObject({
    window: z.strictObject({
      steps: z.number(),
      loss: z.number(),
      gradientNorm: z.number(),
      clips: z.number(),
      seconds: z.number(),
      waitSeconds: z.number(),
      measured: measuredSchema,
      meanLoss: meanLossSchema,
    }),
    totals: z.strictObject({
      clips: z.number(),
      seconds: z.number(),
      measured: measuredSchema,
      meanLoss: meanLossSchema,
    }),
  }),
  /** Of the other keys. Absent in checkpoints of older versions. */
  [stateDigestKey]: z.string().optional(),
  /** SHA-256 of every other file of the checkpoint. The state comes from a file: it must not name one of another folder. */
  digests: z.record(z.string(), z.string()).refine((digests) => Object.keys(digests).every(isInside), {
    error: ({ input }) => {
      const outside = Object.keys(input as object).filter((name) => !isInside(name))
      return `expected files of this folder, received ${JSON.stringify(outside)}`
    },
  }),
})

/** Whether a path with `/` stays below the folder that it starts from. */
function isInside(name: string): boolean {
  const parts = name.split('/')
  return !/[\\:\0]/.test(name) && parts.every((part) => part !== '' && part !== '.' && part !== '..')
}

/** `trainer-state.json`. */
export type TrainerState = z.output<typeof trainerStateSchema>

export interface CheckpointContent {
  /** Writes the model into a folder, in the Hugging Face layout. */
  readonly writeModel: (directory: string) => Promise<void>
  /** Moments and averages by the names of their state. */
  readonly optimizer: ReadonlyMap<string, SafetensorsTensor>
  readonly state: Omit<TrainerState, 'format' | 'version' | 'digest' | 'digests'>
}

export interface FoundCheckpoint {
  readonly path: string
  readonly state: TrainerState
}

/**
 * Writes the checkpoint of `state.step` so that a kill at any moment leaves it whole or not there at all, then removes
 * the oldest others beyond `keep` in all.
 *
 * @returns its folder
 */
export async function saveCheckpoint(run: RunDirectory, content: CheckpointContent, keep: number): Promise<string> {
  const target = run.checkpointPath(content.state.step)
  await replaceDirectory(target, async (directory) => {
    await content.writeModel(directory)
    await writeSafetensors(path.join(directory, optimizerFile), content.optimizer)
    const state: TrainerState = {
      format: 'videomae-trainer-state',
      version: 1,
      ...content.state,
      digests: await digestsOf(directory),
    }
    const complete = { ...state, [stateDigestKey]: digestOfState(state) }
    await writeFile(path.join(directory, stateFile), `${JSON.stringify(complete, null, 2)}\n`)
  })
  // Never this one, wherever its step is among those of the others: it is the only one that is known to be whole.
  const others = (await run.checkpointSteps()).filter((step) => step !== content.state.step)
  for (const step of others.slice(keep - 1)) await run.removeCheckpoint(step)
  return target
}

/**
 * The newest checkpoint of a run whose files have the digests they were written with; null where the run has none.
 *
 * @param onDamaged called for each newer one that is not whole
 * @throws VideoMaeError `CHECKPOINT_DAMAGED` when there are checkpoints, but none of them is whole, or a newer one has keys that
 *   this version does not know
 */
export async function findCheckpoint(
  run: RunDirectory,
  onDamaged: (problem: string) => void = () => {},
): Promise<FoundCheckpoint | null> {
  let problems: string[] = []
  // A run that continues removes its oldest checkpoints, perhaps all of those that were listed.
  for (let removed = true, looks = 0; removed && looks < 10; looks++) {
    removed = false
    problems = []
    for (const step of await run.checkpointSteps()) {
      const directory = run.checkpointPath(step)
      const found = await readCheckpoint(directory, step)
      if (typeof found !== 'string') {
        for (const problem of problems) onDamaged(problem)
        return { path: directory, state: found }
      }
      if (existsSync(directory)) problems.push(`${directory}: ${found}`)
      else removed = true
    }
  }
  if (problems.length === 0) return null
  for (const problem of problems) onDamaged(problem)
  throw new VideoMaeError(`Expected a whole checkpoint in ${run.path} but found none:\n${problems.join('\n')}`, {
    code: 'CHECKPOINT_DAMAGED',
    exit: 'data',
    hint: 'Start a new run in another folder with --out.',
  })
}

/** The trainer state, or what is wrong with the checkpoint. @throws VideoMaeError `CHECKPOINT_DAMAGED` for unknown keys */
async function readCheckpoint(directory: string, step: number): Promise<TrainerState | string> {
  let json: unknown
  try {
    json = JSON.parse(await readRegularText(path.join(directory, stateFile)))
  } catch (error) {
    return `${stateFile}: ${problemOf(error)}`
  }
  const changed = changedSince(json)
  if (changed !== null) return `${stateFile}: ${changed}`
  const parsed = trainerStateSchema.safeParse(json)
  const unknown = parsed.error?.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key].join('.')) : [],
  )
  // Not one that is damaged: a run that went on from an older one would replace it.
  if (unknown !== undefined && unknown.length > 0)
    throw new VideoMaeError(
      `Expected only known keys in ${path.join(directory, stateFile)}, but received ${unknown.join(', ')}.`,
      {
        code: 'CHECKPOINT_DAMAGED',
        exit: 'data',
        hint: 'A later version may have written it: use that version. To read only its weights, name its folder.',
      },
    )
  if (!parsed.success) return `${stateFile}: ${z.prettifyError(parsed.error)}`
  // With a folder of another name a run would continue at another step, with other data.
  if (parsed.data.step !== step)
    return `${stateFile}: expected step ${step}, which its folder is named after, but received ${parsed.data.step}`
  for (const [name, digest] of Object.entries(parsed.data.digests)) {
    const actual = await fileDigest(path.join(directory, name)).catch(problemOf)
    if (actual !== digest) return `${name}: expected SHA-256 ${shownChecksum(digest)} but received ${actual}`
  }
  return parsed.data
}

/**
 * What is wrong with a file that was read.
 *
 * @throws what says that it cannot be read *now* (rights, open files, a disk or network that fails): the checkpoint may be whole
 */
function problemOf(error: unknown): string {
  if ((error as NodeJS.ErrnoException).syscall !== undefined && !isMissing(error)) throw error
  return (error as Error).message
}

/**
 * Moments and averages of a checkpoint by the names of their state.
 *
 * @throws VideoMaeError `WEIGHTS_NOT_FINITE`, and what `readSafetensors` throws
 */
export async function readOptimizerState(directory: string): Promise<Map<string, Float32Array>> {
  const file = await readSafetensors(path.join(directory, optimizerFile))
  try {
    const values = new Map<string, Float32Array>()
    for (const name of file.names) {
      const read = await file.readFloat32(name)
      requireFiniteTensor(path.join(directory, optimizerFile), name, read)
      values.set(name.replace(/^average\//, 'ema/'), read) // the name that earlier versions wrote
    }
    return values
  } finally {
    await file.close()
  }
}

async function digestsOf(directory: string): Promise<Record<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .sort()
  const digests: Record<string, string> = {}
  for (const file of files) digests[file.split(path.sep).join('/')] = await fileDigest(path.join(directory, file))
  return digests
}
