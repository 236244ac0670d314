import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { withChecksum } from '../format/checksum.ts'
import { requireFiniteTensor } from '../format/finite.ts'
import { describedBy, writeSums } from '../format/folder-sums.ts'
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from '../format/safetensors.ts'
import { Graph } from '../graph/graph.ts'
import { softmax } from '../graph/operations/losses.ts'
import { elementCount, type Program } from '../graph/program.ts'
import { buildClassifyProgram } from '../model/classify.ts'
import { type ModelConfiguration, tokenGrid } from '../model/configuration.ts'
import { type ClipOptions, clipInput } from '../model/encode-program.ts'
import { encode } from '../model/encoder.ts'
import { attentiveHead, linearHead } from '../model/heads.ts'
import { loadCheckpointDirectory } from '../model/load-checkpoint.ts'
import type { ModelState, ParameterShapes } from '../model/model-state.ts'
import { parameterShapes, shapesOf } from '../model/parameters.ts'
import { readoutSchema, readoutWidth, readTokens } from '../model/readout.ts'
import { modelFiles, saveCheckpointDirectory, weightsFile } from '../model/save-checkpoint.ts'
import { defaultTiming } from '../train/clip-timing.ts'
import { validationFile } from '../train/file-names.ts'
import { readHistory } from '../train/history.ts'
import { validationLineSchema } from '../train/history-lines.ts'
import { readJsonBesideWeights } from '../train/json-file.ts'
import { bestFolder, folderOf, type OpenedCheckpoint, openCheckpoint } from '../train/open-checkpoint.ts'
import { headFile } from '../train/weights-digest.ts'
import { classNames } from './class-names.ts'
import { type TestSampling, testSamplingSchema } from './views.ts'

/**
 * What follows the encoder: one layer on the norm of the mean over tokens, one layer on another readout of the tokens, or a learned
 * query that attends to all tokens.
 */
export type ClassifierHead =
  | { readonly kind: 'linear' }
  | { readonly kind: 'readout'; readonly readout: string }
  | { readonly kind: 'attentive'; readonly heads: number; readonly mlpWidth: number }

/** An encoder, a head and the names of the classes: everything that turns a clip into probabilities. */
export interface Classifier {
  readonly configuration: ModelConfiguration
  readonly head: ClassifierHead
  /** Parameters of encoder and head by name. */
  readonly state: ModelState
  readonly labels: readonly string[]
  /** Which frames of a video it is shown. */
  readonly sampling: TestSampling
}

const files = { sampling: 'clip.json', head: headFile, description: 'classifier.json' } as const

/** Whether an opened checkpoint is that of a classifier with its last layer, whatever kind of head it has. */
export function hasHead({ classes, path: directory }: Pick<OpenedCheckpoint, 'classes' | 'path'>): boolean {
  return classes !== null || existsSync(path.join(directory, files.description))
}

/** Of a head: a hundred times that of the largest models. */
const largestSize = 2 ** 20

const descriptionSchema = z.strictObject({
  format: z.literal('videomae-classifier'),
  version: z.literal(1),
  head: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('attentive'),
      heads: z.int().min(1).max(largestSize),
      mlpWidth: z.int().min(1).max(largestSize),
    }),
    z.strictObject({ kind: z.literal('readout'), readout: readoutSchema }),
  ]),
  labels: z
    .array(z.string())
    .min(2)
    .refine((names) => new Set(names).size === names.length, 'names that differ'),
})

/** Inputs `frames`; outputs `logits` and `probabilities`, [B, classes] each. */
export function buildClassifierProgram(
  { configuration, head, labels }: Pick<Classifier, 'configuration' | 'head' | 'labels'>,
  options: Omit<ClipOptions, 'configuration'>,
): Program {
  const clip = { ...options, configuration }
  if (head.kind === 'linear') return buildClassifyProgram({ ...clip, classes: labels.length })
  const graph = new Graph(options.name ?? 'classify')
  const logits = logitsOfTokens(graph, clip, head, labels.length)
  return graph.build({ logits, probabilities: softmax(logits) })
}

/** Heads that the Hugging Face layout cannot hold read the tokens themselves. */
function logitsOfTokens(
  graph: Graph,
  clip: ClipOptions,
  head: Exclude<ClassifierHead, { kind: 'linear' }>,
  classes: number,
) {
  const { configuration, layout } = clip
  const tokens = encode(configuration, clipInput(graph, clip), { finalNorm: configuration.encoderNorm, layout })
  if (head.kind === 'readout') return linearHead(readTokens(tokens, tokenGrid(configuration), head.readout), classes)
  const { heads, mlpWidth } = head
  return attentiveHead(tokens, { classes, heads, mlpWidth, epsilon: configuration.headNormEpsilon })
}

/** Names and shapes of a classifier's parameters. */
export function classifierShapes({
  configuration,
  head,
  labels,
}: Omit<Classifier, 'state' | 'sampling'>): ParameterShapes {
  if (head.kind === 'linear') return parameterShapes(configuration, 'classify', labels.length)
  const graph = new Graph('parameters')
  logitsOfTokens(graph, { configuration, batch: 1 }, head, labels.length)
  return shapesOf(graph.states())
}

/**
 * Writes a classifier into a folder: in the Hugging Face layout (`VideoMAEForVideoClassification`) where its head is
 * linear; with another head, which that layout cannot hold, the encoder in that layout and the head next to it.
 * Not atomic.
 *
 * @param metadata strings for the header of `model.safetensors`
 */
export async function saveClassifier(
  directory: string,
  classifier: Classifier,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { configuration, head, labels, sampling } = classifier
  const state = classifier.state
  const described = [...modelFiles, ...(head.kind === 'linear' ? [] : [files.description]), files.sampling]
  const ofWeights = { ...describedBy(described), ...metadata }
  if (head.kind === 'linear') {
    await saveCheckpointDirectory(directory, {
      configuration,
      kind: 'classify',
      state,
      classes: labels.length,
      labels,
      metadata: ofWeights,
    })
  } else {
    await saveCheckpointDirectory(directory, { configuration, kind: 'encoder', state, metadata: ofWeights })
    const tensors = new Map<string, SafetensorsTensor>()
    for (const [name, shape] of classifierShapes(classifier)) {
      if (!name.startsWith('encoder.')) tensors.set(name, { shape, data: state.get(name)! })
    }
    await writeSafetensors(path.join(directory, files.head), tensors, withChecksum)
    await writeJson(path.join(directory, files.description), {
      format: 'videomae-classifier',
      version: 1,
      head,
      labels,
    })
  }
  await writeJson(path.join(directory, files.sampling), sampling)
  const weights = head.kind === 'linear' ? [weightsFile] : [weightsFile, files.head]
  await writeSums(directory, described, weights)
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`)
}

export interface LoadedClassifier extends Classifier {
  readonly path: string
  readonly warnings: readonly string[]
}

/**
 * Opens a classifier: the folder of a fine-tuning run (its best checkpoint), one of its checkpoints, or a Hugging Face
 * directory of a classifier.
 *
 * @throws VideoMaeError `NOT_A_CLASSIFIER`, `MODEL_UNSUPPORTED` for one whose outputs mean something else, and what `openCheckpoint`
 *   throws
 */
export async function openClassifier(where: string): Promise<LoadedClassifier> {
  const best = path.join(where, bestFolder)
  const directory = existsSync(best) ? best : where
  if (directory === where) await requireNoneChosen(where)
  if (existsSync(path.join(directory, files.description))) return openWithHead(directory)
  const opened = await openCheckpoint(directory)
  if (opened.kind !== 'classify' || opened.classes === null) {
    throw new VideoMaeError(`Expected a classifier at ${where} but found ${describeKind(opened)}.`, {
      code: 'NOT_A_CLASSIFIER',
      exit: 'data',
      hint: 'Train one from it with `videomae finetune DATA --from ...`.',
    })
  }
  if (opened.classifierProblem !== null) throw unsupportedClassifier(where, opened.classifierProblem)
  const { configuration, state, path: from } = opened
  const labels = await classNames(from, opened.labels, opened.classes)
  const sampling = await readSampling(from, opened.clip)
  // Of a run that was stopped before it chose one.
  const newest = from === directory ? [] : [`${where} has no ${bestFolder}/: its newest checkpoint ${from} is used`]
  const warnings = [...newest, ...opened.warnings]
  return { configuration, head: { kind: 'linear' }, state, labels, sampling, path: from, warnings }
}

/**
 * A run whose classifier was chosen on validation videos has it in `best/`: its newest checkpoint is another one.
 *
 * @throws VideoMaeError `CHECKPOINT_INVALID`
 */
async function requireNoneChosen(run: string): Promise<void> {
  const passes = await readHistory(path.join(run, validationFile), validationLineSchema)
  // Weights that were lost when a run was resumed cannot be chosen.
  if (passes.every(({ lost }) => lost === true)) return
  throw new VideoMaeError(
    `Expected the chosen classifier of the run ${run} in ${path.join(run, bestFolder)}, but there is none.`,
    {
      code: 'CHECKPOINT_INVALID',
      exit: 'data',
      hint: 'Restore the folder from a copy, or name the checkpoint (step-...) that you want to use.',
    },
  )
}

function unsupportedClassifier(where: string, problem: string): VideoMaeError {
  return new VideoMaeError(
    `Expected a classifier with named, mutually exclusive classes at ${where}, but ${problem}.`,
    {
      code: 'MODEL_UNSUPPORTED',
      exit: 'data',
      hint: 'Correct config.json if it is wrong. `videomae features` and `videomae finetune` can still use its encoder.',
    },
  )
}

function describeKind({ kind }: OpenedCheckpoint): string {
  if (kind === 'pretrain') return 'a pretrained model'
  return kind === 'encoder' ? 'an encoder' : 'a classifier without its last layer'
}

async function openWithHead(directory: string): Promise<LoadedClassifier> {
  const description = path.join(directory, files.description)
  const hint = 'The head cannot be opened without it: restore the folder from a copy, or train the head again.'
  const parsed = descriptionSchema.safeParse(await readJsonBesideWeights(description, hint))
  const invalid = (problem: string): VideoMaeError =>
    new VideoMaeError(`Expected ${files.description} of a classifier in ${directory}: ${problem}`, {
      code: 'CHECKPOINT_INVALID',
      exit: 'data',
      hint,
    })
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error))
  const { head, labels } = parsed.data
  const encoder = await loadCheckpointDirectory(directory)
  const { configuration } = encoder
  const { width } = configuration.encoder
  if (head.kind === 'readout') {
    try {
      readoutWidth(head.readout, tokenGrid(configuration), width)
    } catch (error) {
      throw invalid((error as Error).message)
    }
  } else if (width % head.heads !== 0)
    throw invalid(`head.heads is ${head.heads}, which does not divide the width of ${width}.`)
  const state = new Map(encoder.state)
  const file = await readSafetensors(path.join(directory, files.head))
  try {
    await file.requireIntact()
    for (const [name, shape] of classifierShapes({ configuration, head, labels })) {
      if (name.startsWith('encoder.')) continue
      const values = await file.readFloat32(name)
      requireFiniteTensor(path.join(directory, files.head), name, values)
      if (values.length !== elementCount(shape)) {
        throw new VideoMaeError(`Expected shape [${shape.join(', ')}] for ${name} in ${directory}/${files.head}.`, {
          code: 'TENSOR_SHAPE',
          exit: 'data',
        })
      }
      state.set(name, values)
    }
  } finally {
    await file.close()
  }
  const sampling = await readSampling(directory, null)
  return { configuration, head, state, labels, sampling, path: directory, warnings: encoder.warnings }
}

/**
 * `recordedSampling`, else VideoMAE's defaults.
 *
 * @throws VideoMaeError `CHECKPOINT_INVALID`
 */
export async function readSampling(directory: string, clip: OpenedCheckpoint['clip']): Promise<TestSampling> {
  return (await recordedSampling(directory, clip)) ?? { kind: 'dense', ...defaultTiming }
}

/**
 * `clip.json`, else what the training of a checkpoint says; null where neither is there.
 *
 * @throws VideoMaeError `CHECKPOINT_INVALID`
 */
export async function recordedSampling(
  directory: string,
  clip: OpenedCheckpoint['clip'],
): Promise<TestSampling | null> {
  const file = path.join(folderOf(directory), files.sampling)
  const hint = 'Restore the file from a copy, or write it again, e.g. {"kind":"dense","stride":4,"fps":null}.'
  const content = await readJsonBesideWeights(file, hint)
  if (content === undefined) return clip === null ? null : { kind: 'dense', ...clip }
  const parsed = testSamplingSchema.safeParse(content)
  if (parsed.success) return parsed.data
  throw new VideoMaeError(`Expected the sampling of clips in ${file}: ${z.prettifyError(parsed.error)}`, {
    code: 'CHECKPOINT_INVALID',
    exit: 'data',
    hint,
  })
}
