import { readdir, realpath } from 'node:fs/promises'
import path from 'node:path'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { packageVersion } from '../core/package-version.ts'
import type { EngineSession } from '../engine/engine.ts'
import { lowerProgram } from '../engine/onnx/lowering/lower-program.ts'
import { loadRuntime } from '../engine/onnx/runtime.ts'
import { replaceDirectory } from '../format/atomic.ts'
import { sumsFile } from '../format/folder-sums.ts'
import { outputTaken } from '../format/onnx-target.ts'
import { readSafetensors } from '../format/safetensors.ts'
import {
  buildClassifierProgram,
  type Classifier,
  type LoadedClassifier,
  openClassifier,
  saveClassifier,
} from '../inference/classifier.ts'
import { classifierKeys } from '../inference/onnx-classifier.ts'
import { largest } from '../inference/scores.ts'
import { frameSize, tokenGrid } from '../model/configuration.ts'
import { stateDigest } from '../model/digest.ts'
import type { ModelState } from '../model/model-state.ts'
import { chooseEngine } from '../train/engine-choice.ts'
import { trainingManifestFile } from '../train/file-names.ts'
import { copyTrainingManifest } from '../train/training-manifest.ts'
import { measureRanges } from './calibration.ts'
import type { ExportInput } from './check.ts'
import { clipTensor, largestDifference } from './check.ts'
import { type ExportPrecision, withPrecision } from './classifier-precision.ts'
import { encoderMetadata, exportMismatch, renamedInput, writeDescribedModel } from './encoder.ts'
import { modelName } from './model-name.ts'
import { generatedClips } from './readable-clips.ts'
import { describeExport, type OnnxSidecar, requireExportTarget } from './sidecar.ts'
import { classOutputs, exportNames, frameInput } from './tensors.ts'

/** Where and in which form a classifier is exported. */
export interface ClassifierExportOptions {
  /** The ONNX file to write. */
  readonly out: string
  /** As for `exportEncoder`. Default `uint8`. */
  readonly input?: ExportInput
  /** Default `float32`. */
  readonly precision?: ExportPrecision
  /** Clips for the comparison with the engine, uint8 [n][T, H, W, 3], n at least 1. Default: four generated ones. */
  readonly clips?: Uint8Array
  /** Clips that bounds of activations are measured on, uint8 [n][T, H, W, 3]; `int8-static` needs them. */
  readonly calibration?: Uint8Array
  /** Largest difference of a logit that passes, for float32. Default 1e-4. */
  readonly tolerance?: number
  /** Engine to compare with; default: the best one here. */
  readonly compareWith?: string | null
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Clips of calibration and comparison that are done. */
  readonly onProgress?: (done: number, total: number) => void
}

/** The files of an exported classifier, and its sizes. */
export interface ClassifierExport {
  /** What was written: the ONNX file, the file of its weights where there is one, the description. */
  readonly files: readonly string[]
  /** Of the model. */
  readonly bytes: number
  /** What the description says, `NAME.json` next to `NAME.onnx`. */
  readonly sidecar: OnnxSidecar
  /** What the same classifier takes in float32. */
  readonly float32Bytes: number
  /** Of the weights in the file. */
  readonly precision: ExportPrecision
  /** How the file was compared with the checkpoint: the engine and the number of clips. */
  readonly check: {
    readonly engine: string
    readonly clips: number
    /** Largest difference of a logit and of a probability, and how many clips keep their class. */
    readonly logits: number
    readonly probabilities: number
    readonly sameClass: number
  }
  /** Keys and values in the ONNX file. */
  readonly metadata: Readonly<Record<string, string>>
  /** What a user should know about the checkpoint, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Writes a classifier as one ONNX file (opset 17, standard operators, any batch size): clips in, `logits` and
 * `probabilities` out, class names, sampling and preprocessing in the metadata. The written file is run and compared with
 * the engine; float32 must agree, the difference of the other precisions is measured and returned. Only then does it take
 * its place, with its description next to it: earlier files there outlive a failure.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN` where `out` or the description would replace a file of another kind, `EXPORT_MISMATCH` (exit `checkFailed`), `INVALID_ARGUMENT` for bytes that are no whole clips or
 *   `int8-static` without any, `NOT_A_CLASSIFIER`; the signal's reason when aborted
 * @example
 * ```ts
 * import { exportClassifier } from 'videomae'
 *
 * const { sidecar } = await exportClassifier('checkpoints/classifier', { out: 'classifier.onnx' })
 * sidecar.labels?.length // => 8
 * ```
 */
export async function exportClassifier(where: string, options: ClassifierExportOptions): Promise<ClassifierExport> {
  const { out, input = 'uint8', precision = 'float32', tolerance = 1e-4, signal } = options
  await requireExportTarget(out)
  const classifier = await openClassifier(where)
  const { configuration, state, labels, sampling } = classifier
  const split = (name: string, all: Uint8Array): Uint8Array[] => {
    const bytes = configuration.frames * configuration.imageSize[0] * configuration.imageSize[1] * 3
    if (all.length > 0 && all.length % bytes === 0) {
      return Array.from({ length: all.length / bytes }, (_, n) => all.subarray(n * bytes, (n + 1) * bytes))
    }
    throw invalidArgument(name, `one or more clips of ${bytes} bytes`, `${all.length} bytes`)
  }
  const checked = split('clips', options.clips ?? generatedClips(configuration))
  const layout = input === 'uint8' ? 'BTHWC' : 'BTCHW'
  // Two clips, so that the batch cannot be taken for another axis of size 1.
  const program = renamedInput(buildClassifierProgram(classifier, { batch: 2, input, layout }), exportNames[input])
  const embeddedState: ModelState = new Map(program.state.map(({ name }) => [name, state.get(name)!]))
  const digest = stateDigest(embeddedState)
  const metadata = {
    ...(await encoderMetadata(classifier.path, configuration, input, digest, sampling)),
    [classifierKeys.task]: 'classify',
    [classifierKeys.labels]: JSON.stringify(labels),
    [classifierKeys.precision]: precision,
  }
  const lowered = lowerProgram(program, { standardOnly: true, dynamicBatch: true, embeddedState, metadata })
  const measured =
    precision === 'int8-static' ? split('calibration', options.calibration ?? new Uint8Array()) : undefined
  const total = (measured?.length ?? 0) + checked.length
  let done = 0
  const onClip = () => options.onProgress?.(++done, total)
  const ranges =
    measured &&
    (await measureRanges(
      lowered,
      measured.map((clip) => clipTensor(configuration, input, clip)),
      { signal, onClip },
    ))
  const model = withPrecision(lowered, precision, ranges)
  const produced = { ...model, producerName: 'videomae', producerVersion: packageVersion() }
  const description = describeExport({
    task: 'classify',
    model: { name: modelName(classifier.path), digest },
    ...{ precision, onnx: produced, labels },
    tensors: { ...frameInput(input), ...classOutputs },
    clip: { ...configuration, size: frameSize(configuration), sampling, input },
    readout: readoutOfHead(classifier),
  })
  const { checked: check, ...written } = await writeDescribedModel(out, produced, description, async (file) => {
    const found = await compare(classifier, file, input, checked, { ...options, onClip })
    if (precision !== 'float32' || found.logits <= tolerance) return found
    throw exportMismatch(
      `Expected the logits of ${out} to agree with the ${found.engine} engine within ${tolerance}, but the largest difference is ${found.logits.toExponential(2)}.`,
    )
  })
  const weights = [lowered, model].map(({ graph }) =>
    graph.initializers.reduce((sum, { data }) => sum + data.byteLength, 0),
  )
  return {
    ...written,
    float32Bytes: written.bytes + weights[0] - weights[1],
    precision,
    check,
    metadata,
    warnings: classifier.warnings,
  }
}

/** What the last layer reads. */
function readoutOfHead({ head, configuration }: Pick<Classifier, 'head' | 'configuration'>): string {
  if (head.kind === 'readout') return head.readout
  if (head.kind === 'attentive') return 'attentive'
  return configuration.useMeanPooling ? 'mean' : 'first token'
}

export interface ClassifierDirectory {
  /** What a user should know about the checkpoint, and why transformers does not read the directory as this classifier; a sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Writes a classifier as a directory in the Hugging Face layout, which transformers reads as the same classifier unless a
 * warning says why not; `openClassifier` always does. An earlier export there is replaced.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN` for the folder that is read, `EXPORT_FOLDER` for a folder with anything else in it, and what `openClassifier` throws
 *
 * @example
 * ```ts
 * import { exportClassifierDirectory, openAnyClassifier } from 'videomae'
 *
 * await exportClassifierDirectory('checkpoints/classifier', 'exports/classifier')
 * const classifier = await openAnyClassifier('exports/classifier')
 * await classifier.close()
 * classifier.labels.length // => 8
 * ```
 */
export async function exportClassifierDirectory(where: string, out: string): Promise<ClassifierDirectory> {
  const classifier = await openClassifier(where)
  const [read, written] = await Promise.all([classifier.path, out].map((file) => realpath(file).catch(() => null)))
  if (written !== null && read === written) throw outputTaken(out, 'a folder other than the checkpoint that is read')
  const present = await readdir(out).catch((): string[] => [])
  const other = (await isExport(out)) ? present.filter((name) => !classifierFiles.has(name)) : present
  if (other.length > 0) {
    throw new VideoMaeError(
      `Expected an empty folder, or one of an earlier export, but ${path.resolve(out)} has ${other.slice(0, 8).join(', ')}.`,
      { code: 'EXPORT_FOLDER', exit: 'usage', hint: 'Choose another folder with --out.' },
    )
  }
  await replaceDirectory(out, async (folder) => {
    await saveClassifier(folder, classifier, exportMark)
    // Without it nobody could tell which labels the weights have seen.
    await copyTrainingManifest(classifier.path, folder)
  })
  return { warnings: [...classifier.warnings, ...foreignParts(classifier)] }
}

/** In the header of exported weights: the folders of a checkpoint, and of a model from elsewhere, have files of the same names. */
const exportMark = { 'videomae.export': 'classifier' }

async function isExport(folder: string): Promise<boolean> {
  const weights = await readSafetensors(path.join(folder, 'model.safetensors')).catch(() => null)
  await weights?.close()
  return weights?.metadata['videomae.export'] === exportMark['videomae.export']
}

/** What the Hugging Face layout cannot hold. */
function foreignParts({ head, configuration }: Classifier): string[] {
  const { positions, positionGrid } = configuration
  const grid = tokenGrid(configuration)
  const warnings: string[] = []
  if (head.kind === 'attentive') {
    warnings.push(
      'transformers has no attentive head and reads the directory as an encoder without a classifier; the head is in head.safetensors and classifier.json, which transformers ignores.',
    )
  }
  if (head.kind === 'readout') {
    warnings.push(
      `transformers has no readout ${head.readout} and reads the directory as an encoder without a classifier; the head is in head.safetensors and classifier.json, which transformers ignores.`,
    )
  }
  const refused =
    'its Auto classes refuse the directory (model_type videomae-extended in config.json), and VideoMAEForVideoClassification would compute something else'
  if (configuration.encoder.layerScale === true)
    warnings.push(`transformers has no LayerScale for this model: ${refused}.`)
  if (positions === 'learned') warnings.push(`transformers has no learned positions for this model: ${refused}.`)
  if (positions === 'factored') {
    warnings.push(
      'transformers has no factored positions: its Auto classes refuse the directory (model_type videomae-factored in config.json), and VideoMAEForVideoClassification would compute something else.',
    )
  } else if (positionGrid !== null && (['t', 'h', 'w'] as const).some((axis) => positionGrid[axis] !== grid[axis])) {
    warnings.push(
      `transformers does not interpolate positions from another grid (position_grid in config.json): ${refused}.`,
    )
  }
  return warnings
}

/** Everything that `exportClassifierDirectory` writes. */
const classifierFiles: ReadonlySet<string> = new Set([
  'config.json',
  'model.safetensors',
  'preprocessor_config.json',
  'clip.json',
  'classifier.json',
  'head.safetensors',
  sumsFile,
  trainingManifestFile,
])

async function compare(
  classifier: LoadedClassifier,
  file: string,
  input: ExportInput,
  clips: readonly Uint8Array[],
  { compareWith = null, signal, onClip }: ClassifierExportOptions & { readonly onClip: () => void },
): Promise<ClassifierExport['check']> {
  const { configuration, state } = classifier
  const program = buildClassifierProgram(classifier, { batch: 1 })
  const engine = await chooseEngine(compareWith)
  const { create, Tensor } = await loadRuntime()
  const exported = await create(file)
  let session: EngineSession | undefined
  let [logits, probabilities, sameClass] = [0, 0, 0]
  try {
    session = await engine.open([program])
    await session.writeState(new Map(program.state.map((item) => [item.name, state.get(item.name)!])))
    for (const clip of clips) {
      signal?.throwIfAborted()
      const { type, data, shape } = clipTensor(configuration, input, clip)
      const expected = await session.run(program.name, { frames: new Uint8Array(clip) })
      const outputs = await exported.run({ [exported.inputNames[0]]: new Tensor(type, data, shape) })
      const found = {
        logits: outputs.logits.data as Float32Array,
        probabilities: outputs.probabilities.data as Float32Array,
      }
      logits = Math.max(logits, largestDifference(found.logits, expected.logits))
      probabilities = Math.max(probabilities, largestDifference(found.probabilities, expected.probabilities))
      if (largest(found.logits) === largest(expected.logits)) sameClass++
      onClip()
    }
  } finally {
    await session?.close()
    await exported.release()
  }
  return { engine: engine.name, clips: clips.length, logits, probabilities, sameClass }
}
