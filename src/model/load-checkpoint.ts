import { stat } from 'node:fs/promises'
import { dirname, extname, join } from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { readRegularText } from '../format/regular-file.ts'
import { readSafetensors, type SafetensorsFile } from '../format/safetensors.ts'
import { elementCount, sameShape } from '../graph/program.ts'
import { type ModelConfiguration, resolveConfiguration } from './configuration.ts'
import { type NormPolicy, readHuggingFaceConfiguration } from './huggingface.ts'
import {
  carriesNothing,
  type FileTensor,
  fileShape,
  huggingFaceTensors,
  kindOfNames,
  namingStyle,
  originalTensors,
  stripWrappers,
} from './names.ts'
import { hintsFromModelConfig, type OriginalHints, originalConfiguration } from './original.ts'
import { type ModelKind, parameterShapes } from './parameters.ts'

export interface LoadOptions extends OriginalHints {
  /** Default `original`. */
  readonly norms?: NormPolicy
  /** Load the encoder alone: decoder, mask token and classifier are left out. */
  readonly encoderOnly?: boolean
  /** Load a classifier without its last layer, to train another one. */
  readonly dropHead?: boolean
}

export interface LoadedCheckpoint {
  readonly configuration: ModelConfiguration
  readonly kind: ModelKind
  readonly state: Map<string, Float32Array>
  /** Classes of a classifier with its last layer, else null. */
  readonly classes: number | null
  /** Their names; null where the files have none. */
  readonly labels: readonly string[] | null
  /** Tensors of the file that the model has no use for (apart from those left out on request). */
  readonly unexpected: readonly string[]
  /** What a user should know about these files, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Loads a model: a directory with `model.safetensors` (or shards) and `config.json` as Hugging Face has them, or a
 * directory or `.safetensors` file with an original VideoMAE / VideoMAE V2 state dict.
 *
 * @throws VideoMaeError `TENSOR_MISSING` naming all missing tensors, `TENSOR_SHAPE`, `CHECKPOINT_INVALID`, and what
 *   `readSafetensors` throws
 */
export async function loadCheckpointDirectory(path: string, options: LoadOptions = {}): Promise<LoadedCheckpoint> {
  if (extname(path).toLowerCase() === '.onnx' && (await isFile(path))) throw notOnnx(path)
  const file = await readSafetensors(path)
  try {
    const directory = (await isDirectory(path)) ? path : dirname(path)
    return await loadFrom(path, file, await readDescriptions(directory), options)
  } finally {
    await file.close()
  }
}

/** Read as safetensors, its first bytes would be a header of absurd size, and the file damaged. */
function notOnnx(path: string): VideoMaeError {
  return new VideoMaeError(
    `Expected a checkpoint at ${path} but found an ONNX file, which is an exported model: it runs, but nothing is trained or exported from it.`,
    {
      code: 'CHECKPOINT_INVALID',
      exit: 'data',
      hint: 'Name what it was exported from: a run folder, one of its checkpoints, or a Hugging Face directory.',
    },
  )
}

interface Descriptions {
  readonly config: unknown
  readonly preprocessor: unknown
}

async function loadFrom(
  path: string,
  file: SafetensorsFile,
  { config, preprocessor }: Descriptions,
  options: LoadOptions,
): Promise<LoadedCheckpoint> {
  const inFile = new Map(file.names.map((name) => [stripWrappers(name), name]))
  const names = [...inFile.keys()]
  const style = namingStyle(names)
  if (style === null) {
    throw new VideoMaeError(`Expected the tensors of a VideoMAE model in ${path}, which has others.`, {
      code: 'CHECKPOINT_INVALID',
      exit: 'data',
      hint: `It begins with ${file.names.slice(0, 3).join(', ')}.`,
    })
  }
  const shapeOf = (name: string) => {
    const raw = inFile.get(name)
    return raw === undefined ? null : file.info(raw).shape
  }
  const kind = kindOfNames(names)
  const headShape = shapeOf('classifier.weight') ?? shapeOf('head.weight')
  const described =
    style === 'huggingface'
      ? readHuggingFaceConfiguration(requireConfig(path, config), preprocessor, kind, options.norms)
      : {
          configuration: originalConfiguration(shapeOf, { ...hintsFromModelConfig(config), ...defined(options) }),
          labels: null,
          attentionBias: true,
          warnings: [],
        }
  const configuration = withHints(described.configuration, style === 'huggingface' ? options : {})

  const classes = kind === 'classify' && headShape !== null ? headShape[0] : null
  const loadedKind: ModelKind = options.encoderOnly === true ? 'encoder' : kind
  const loadedConfiguration = { ...configuration, encoderNorm: hasEncoderNorm(configuration, kind, loadedKind) }
  const loadedClasses = loadedKind === 'classify' && options.dropHead !== true ? classes : null
  const tensorsOf = style === 'huggingface' ? huggingFaceTensors : originalTensors
  const { state, used } = await readState(path, file, inFile, tensorsOf, {
    configuration: loadedConfiguration,
    kind: loadedKind,
    classes: loadedClasses,
    attentionBias: described.attentionBias,
  })

  // What the whole model would have used counts as left out, not as unexpected.
  for (const parameter of parameterShapes(configuration, kind, classes).keys()) {
    for (const name of candidates(tensorsOf(parameter))) used.add(name)
  }
  const { labels } = described
  const warnings = [...described.warnings]
  const fits = labels === null || labels.length === classes
  if (!fits && kind === 'classify' && classes !== null) {
    warnings.push(
      `config.json names ${labels.length} classes, but the classifier has ${classes}; the names are left out.`,
    )
  }
  return {
    configuration: loadedConfiguration,
    kind: loadedKind,
    state,
    classes: loadedClasses,
    labels: loadedClasses !== null && fits ? labels : null,
    unexpected: names.filter((name) => !used.has(name) && !carriesNothing(name)),
    warnings,
  }
}

/** A classifier with mean pooling has no norm behind its encoder; taken alone, its encoder has none either. */
function hasEncoderNorm(configuration: ModelConfiguration, kind: ModelKind, loaded: ModelKind): boolean {
  return loaded === 'encoder' && kind === 'classify' ? !configuration.useMeanPooling : configuration.encoderNorm
}

interface StateRequest {
  readonly configuration: ModelConfiguration
  readonly kind: ModelKind
  readonly classes: number | null
  readonly attentionBias: boolean
}

async function readState(
  path: string,
  file: SafetensorsFile,
  inFile: ReadonlyMap<string, string>,
  tensorsOf: (parameter: string) => readonly FileTensor[],
  { configuration, kind, classes, attentionBias }: StateRequest,
): Promise<{ state: Map<string, Float32Array>; used: Set<string> }> {
  const state = new Map<string, Float32Array>()
  const used = new Set<string>()
  const missing: string[] = []
  for (const [parameter, shape] of parameterShapes(configuration, kind, classes)) {
    const tensors = tensorsOf(parameter)
    const expected = fileShape(parameter, shape, tensors.length, configuration)
    // Nothing is allocated before the file is known to hold as much: its config.json may ask for anything.
    const found = tensors.map((tensor) => {
      const name = candidates([tensor]).find((candidate) => inFile.has(candidate))
      if (name === undefined) return null
      const raw = inFile.get(name)!
      const actual = file.info(raw).shape
      if (!sameShape(actual, expected)) throw shapeMismatch(path, raw, expected, actual)
      return { name, raw }
    })
    const zero = !attentionBias && /\.attn\.[qv]_bias$/.test(parameter)
    if (!zero) {
      const absent = tensors.filter((_, i) => found[i] === null).map(({ name }) => name)
      missing.push(...absent)
      if (absent.length > 0) continue
    }
    const values = new Float32Array(elementCount(shape))
    for (const [i, tensor] of found.entries()) {
      if (tensor === null) continue
      values.set(await file.readFloat32(tensor.raw), i * elementCount(expected))
      used.add(tensor.name)
    }
    state.set(parameter, values)
  }
  if (missing.length > 0) {
    throw new VideoMaeError(
      `Expected ${missing.length} more tensors in ${path}: ${missing.slice(0, 12).join(', ')}${missing.length > 12 ? ', ...' : ''}.`,
      {
        code: 'TENSOR_MISSING',
        exit: 'data',
        hint: 'The file belongs to another kind or size of model than its config.json says, or was cut down.',
      },
    )
  }
  return { state, used }
}

function candidates(tensors: readonly FileTensor[]): readonly string[] {
  return tensors.flatMap(({ name, aliases }) => [name, ...aliases])
}

async function readDescriptions(directory: string): Promise<Descriptions> {
  const config = await readJson(join(directory, 'config.json'))
  for (const name of ['preprocessor_config.json', 'video_preprocessor_config.json']) {
    const preprocessor = await readJson(join(directory, name))
    if (preprocessor !== null) return { config, preprocessor }
  }
  return { config, preprocessor: null }
}

async function readJson(path: string): Promise<unknown> {
  let text: string
  try {
    text = await readRegularText(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    return JSON.parse(text)
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
  throw new VideoMaeError(`Expected a config.json beside the Hugging Face tensors of ${path}, but there is none.`, {
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
    normaliseTargets: hints.normaliseTargets ?? configuration.normaliseTargets,
    imageSize: hints.imageSize ?? configuration.imageSize,
    frames: hints.frames ?? configuration.frames,
  })
}

/** The hints that are set, so that unset ones do not hide others when spread. */
function defined(options: LoadOptions): OriginalHints {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function shapeMismatch(path: string, name: string, expected: readonly number[], found: readonly number[]) {
  return new VideoMaeError(
    `Expected shape [${expected.join(', ')}] for tensor ${name} in ${path}, found [${found.join(', ')}].`,
    { code: 'TENSOR_SHAPE', exit: 'data' },
  )
}
