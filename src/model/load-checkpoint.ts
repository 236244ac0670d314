import { stat } from 'node:fs/promises'
import { dirname, extname, join } from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { requireUnchanged } from '../format/folder-sums.ts'
import { parseUniqueJson } from '../format/json.ts'
import { nullIfMissing } from '../format/missing.ts'
import { readRegularText } from '../format/regular-file.ts'
import { readSafetensors, type SafetensorsFile } from '../format/safetensors.ts'
import { classifierProblem } from './classifier-meaning.ts'
import { type ModelConfiguration, resolveConfiguration } from './configuration.ts'
import { checkArchitecture } from './foreign-models.ts'
import { type HuggingFaceConfiguration, type NormPolicy, readHuggingFaceConfiguration } from './huggingface.ts'
import {
  carriesNothing,
  huggingFaceTensors,
  kindOfNames,
  type NamingStyle,
  namingStyle,
  originalTensors,
} from './names.ts'
import { encoderPrefixOf, hintsFromModelConfig, type OriginalHints, originalConfiguration } from './original.ts'
import { type ModelKind, parameterShapes } from './parameters.ts'
import { readPreprocessing } from './preprocessing.ts'
import { fusedBias, readState, tensorNames } from './read-state.ts'
import { preprocessorFiles, requireSamePreprocessing } from './second-preprocessor.ts'
import { storedPositions } from './stored-positions.ts'
import { namesWithoutWrappers } from './stored-twice.ts'
import { harmlessTensors } from './unused-tensors.ts'

/** How weights are read that do not say everything about their model. */
export interface LoadOptions extends OriginalHints {
  /** Default `original`. */
  readonly norms?: NormPolicy
  /** Load the encoder alone: decoder, mask token and classifier are left out. */
  readonly encoderOnly?: boolean
  /** Load a classifier without its last layer, to train another one. */
  readonly dropHead?: boolean
}

/** A model with its weights. */
export interface LoadedCheckpoint {
  /** The model. */
  readonly configuration: ModelConfiguration
  /** What the weights are of: a pretraining model, an encoder or a classifier. */
  readonly kind: ModelKind
  /** Weights by name, row-major. */
  readonly state: Map<string, Float32Array>
  /** Classes of a classifier with its last layer, else null. */
  readonly classes: number | null
  /** Their names; null where the files have none. */
  readonly labels: readonly string[] | null
  /**
   * Why the outputs of a classifier are not the logits of named classes that exclude each other; null where they are. Its encoder can
   * be used all the same.
   */
  readonly classifierProblem: string | null
  /** Tensors of the file that the model has no use for (apart from those left out on request); `warnings` names them. */
  readonly unexpected: readonly string[]
  /** What a user should know about these files, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Loads a model: a directory with `model.safetensors` (or shards) and `config.json` as Hugging Face has them, or a
 * directory or `.safetensors` file with an original VideoMAE / VideoMAE V2 state dict.
 *
 * @throws VideoMaeError `TENSOR_MISSING` naming all missing tensors, `TENSOR_SHAPE`, `TENSOR_AMBIGUOUS`, `CHECKPOINT_INVALID`, `WEIGHTS_NOT_FINITE`,
 *   `MODEL_UNSUPPORTED` for a model that is not computed here, and what `readSafetensors` throws
 */
export async function loadCheckpointDirectory(path: string, options: LoadOptions = {}): Promise<LoadedCheckpoint> {
  if (extname(path).toLowerCase() === '.onnx' && (await isFile(path))) throw notOnnx(path)
  const file = await readSafetensors(path)
  try {
    await file.requireIntact()
    const directory = (await isDirectory(path)) ? path : dirname(path)
    await requireUnchanged(directory, file.metadata)
    return await loadFrom(path, file, await readDescriptions(directory), options)
  } finally {
    await file.close()
  }
}

/** Read as safetensors, its first bytes would be a header of absurd size, and the file damaged. */
function notOnnx(path: string): VideoMaeError {
  return new VideoMaeError(
    `Expected a checkpoint at ${path} but found an ONNX file. An exported model can be run, but not trained or exported.`,
    {
      code: 'CHECKPOINT_INVALID',
      exit: 'data',
      hint: 'Name the checkpoint that it was exported from: a run folder, one of its checkpoints, or a Hugging Face directory.',
    },
  )
}

interface Descriptions {
  readonly config: unknown
  readonly preprocessor: unknown
  /** A second file of the same kind, null where there is none: it may say nothing else. */
  readonly secondPreprocessor: unknown
}

async function loadFrom(
  path: string,
  file: SafetensorsFile,
  { config, preprocessor, secondPreprocessor }: Descriptions,
  options: LoadOptions,
): Promise<LoadedCheckpoint> {
  const inFile = await namesWithoutWrappers(path, file)
  const names = [...inFile.keys()]
  const style = namingStyle(names)
  if (style === null) throw otherTensors(path, file, config)
  const shapeOf = (name: string) => {
    const raw = inFile.get(name)
    return raw === undefined ? null : file.info(raw).shape
  }
  const kind = kindOfNames(names)
  const headShape = shapeOf('classifier.weight') ?? shapeOf('head.weight')
  const classes = kind === 'classify' && headShape !== null ? headShape[0] : null
  const described = describeModel({ path, config, preprocessor, names, shapeOf, kind, style }, options)
  if (secondPreprocessor !== null)
    requireSamePreprocessing(path, preprocessor, secondPreprocessor, described.configuration, options)
  const loadedKind: ModelKind = options.encoderOnly === true ? 'encoder' : kind
  const { configuration, fixed } = await storedPositions(path, file, inFile, described.configuration, {
    style,
    prefix: encoderPrefixOf(shapeOf),
    wantsDecoder: loadedKind === 'pretrain',
  })
  const loadedConfiguration = { ...configuration, encoderNorm: hasEncoderNorm(configuration, kind, loadedKind) }
  const loadedClasses = loadedKind === 'classify' && options.dropHead !== true ? classes : null
  const tensorsOf = style === 'huggingface' ? huggingFaceTensors : originalTensors

  // What the whole model would use counts as left out, not as unexpected.
  const used = new Set(fixed)
  for (const parameter of parameterShapes(configuration, kind, classes).keys()) {
    for (const name of tensorNames(tensorsOf(parameter))) used.add(name)
    const fused = style === 'original' ? fusedBias(parameter) : null
    if (fused !== null) for (const name of tensorNames(originalTensors(fused))) used.add(name)
  }
  const unexpected = harmlessTensors(
    path,
    names.filter((name) => !used.has(name) && !carriesNothing(name)),
    { kind, encoderOnly: loadedKind === 'encoder' },
  )
  const state = await readState(path, file, inFile, tensorsOf, {
    configuration: loadedConfiguration,
    kind: loadedKind,
    classes: loadedClasses,
  })
  const { labels, warnings } = described
  const problem = classes === null || style === 'original' ? null : classifierProblem(config, classes)
  return {
    configuration: loadedConfiguration,
    kind: loadedKind,
    state,
    classes: loadedClasses,
    labels: loadedClasses !== null && labels?.length === classes ? labels : null,
    classifierProblem: problem ?? (classes === 1 ? classifierProblem(null, 1) : null),
    unexpected,
    warnings: unexpected.length === 0 ? warnings : [...warnings, unusedWarning(unexpected)],
  }
}

interface Found extends Omit<Descriptions, 'secondPreprocessor'> {
  readonly path: string
  readonly names: readonly string[]
  readonly shapeOf: (name: string) => readonly number[] | null
  readonly kind: ModelKind
  readonly style: NamingStyle
}

/** The configuration that the files give, before stored positions are looked at. */
function describeModel(
  { path, config, preprocessor, names, shapeOf, kind, style }: Found,
  options: LoadOptions,
): HuggingFaceConfiguration {
  if (style === 'original') {
    const { hints, warnings } = hintsFromModelConfig(config)
    const configuration = originalConfiguration(shapeOf, { ...hints, ...defined(options) })
    const pixels = readPreprocessing(preprocessor, configuration)
    const { mean, std } = { mean: options.mean ?? pixels.mean, std: options.std ?? pixels.std }
    const resize = pixels.resize ?? undefined
    return {
      configuration: resolveConfiguration({ ...configuration, mean, std, resize }),
      labels: null,
      warnings: [...warnings, ...pixels.warnings],
    }
  }
  const described = readHuggingFaceConfiguration(requireConfig(path, config), preprocessor, kind, options.norms)
  const { encoder, decoder } = described.configuration
  // A file says by its tensors whether its blocks have scales; where the configuration says so, they must be there.
  const scaled = (part: string) => names.some((name) => name.includes(part) && /(lambda_1|lambda1|gamma_1)$/.test(name))
  const configuration = withHints(
    {
      ...described.configuration,
      encoder: { ...encoder, layerScale: encoder.layerScale ?? (scaled('encoder.layer.') || undefined) },
      decoder: { ...decoder, layerScale: scaled('decoder_layers.') || undefined },
    },
    options,
  )
  return { ...described, configuration }
}

function otherTensors(path: string, file: SafetensorsFile, config: unknown): VideoMaeError | never {
  checkArchitecture(config)
  return new VideoMaeError(`Expected the tensors of a VideoMAE model in ${path}, but it has other tensors.`, {
    code: 'CHECKPOINT_INVALID',
    exit: 'data',
    hint: `It begins with ${file.names.slice(0, 3).join(', ')}.`,
  })
}

function unusedWarning(unexpected: readonly string[]): string {
  const shown = unexpected.slice(0, 6).join(', ')
  const count = unexpected.length
  return `${count} tensor${count === 1 ? ' is' : 's are'} not used, because the model does not need ${count === 1 ? 'it' : 'them'}: ${shown}${count > 6 ? ', ...' : ''}.`
}

/** A classifier with mean pooling has no norm behind its encoder; taken alone, its encoder has none either. */
function hasEncoderNorm(configuration: ModelConfiguration, kind: ModelKind, loaded: ModelKind): boolean {
  return loaded === 'encoder' && kind === 'classify' ? !configuration.useMeanPooling : configuration.encoderNorm
}

async function readDescriptions(directory: string): Promise<Descriptions> {
  const config = await readJson(join(directory, 'config.json'))
  const image = await readJson(join(directory, preprocessorFiles[0]))
  const video = await readJson(join(directory, preprocessorFiles[1]))
  return image === null
    ? { config, preprocessor: video, secondPreprocessor: null }
    : { config, preprocessor: image, secondPreprocessor: video }
}

async function readJson(path: string): Promise<unknown> {
  let text: string
  try {
    text = await readRegularText(path)
  } catch (error) {
    return nullIfMissing(error)
  }
  try {
    return parseUniqueJson(text)
  } catch (cause) {
    throw new VideoMaeError(`Expected JSON in ${path}: ${(cause as Error).message}.`, {
      code: 'CHECKPOINT_INVALID',
      exit: 'data',
      cause,
    })
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() === true
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory()
}

function requireConfig(path: string, config: unknown): unknown {
  if (config !== null) return config
  throw new VideoMaeError(`Expected a config.json next to the Hugging Face tensors of ${path}, but there is none.`, {
    code: 'CHECKPOINT_INVALID',
    exit: 'data',
    hint: 'Copy the config.json that belongs to the weights into the same directory.',
  })
}

/** Overrides of what a Hugging Face configuration says; sizes of frames come with positions and stay. */
function withHints(configuration: ModelConfiguration, hints: OriginalHints): ModelConfiguration {
  const { encoder, decoder } = configuration
  return resolveConfiguration({
    ...configuration,
    encoder: { ...encoder, heads: hints.encoderHeads ?? encoder.heads },
    decoder: { ...decoder, heads: hints.decoderHeads ?? decoder.heads },
    mean: hints.mean ?? configuration.mean,
    std: hints.std ?? configuration.std,
    normalizeTargets: hints.normalizeTargets ?? configuration.normalizeTargets,
    imageSize: hints.imageSize ?? configuration.imageSize,
    frames: hints.frames ?? configuration.frames,
  })
}

/** The hints that are set, so that unset ones do not hide others when spread. */
function defined(options: LoadOptions): OriginalHints {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
