import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { packageVersion } from '../core/package-version.ts'
import { RandomStream } from '../core/random.ts'
import { automatic } from '../engine/automatic.ts'
import { lowerProgram } from '../engine/onnx/lowering/lower-program.ts'
import { withChecksum } from '../format/checksum.ts'
import { type OnnxModel, writeCheckedModel } from '../format/onnx.ts'
import { hasHead, recordedSampling } from '../inference/classifier.ts'
import { classifierKeys, resizeKey } from '../inference/onnx-classifier.ts'
import type { TestSampling } from '../inference/views.ts'
import { frameSize, type ModelConfiguration } from '../model/configuration.ts'
import { stateDigest } from '../model/digest.ts'
import { buildEncodeProgram } from '../model/encode-program.ts'
import { chooseEngine } from '../train/engine-choice.ts'
import { openCheckpoint } from '../train/open-checkpoint.ts'
import { checkExport, type ExportCheck, type ExportInput } from './check.ts'
import { clipsOfTwoMotions } from './clips.ts'
import { modelName } from './model-name.ts'
import { describeExport, type OnnxSidecar, requireExportTarget, weightsLicense, writeSidecar } from './sidecar.ts'
import { exportNames, featureOutputs, frameInput } from './tensors.ts'

/** Where and in which form an encoder is exported. */
export interface ExportOptions {
  /** The ONNX file to write. */
  readonly out: string
  /**
   * `uint8` (default): input `frames` uint8 [batch, T, H, W, 3], normalized inside. `float32`: input `pixel_values`
   * float32 [batch, T, 3, H, W], normalized by the caller, as Hugging Face processors give it.
   */
  readonly input?: ExportInput
  /** Clips for the comparison with the training engine, uint8 [n][T, H, W, 3], n at least 1. Default: two generated ones. */
  readonly clips?: Uint8Array
  /** Largest difference that passes, relative to the largest magnitude of the output. Default 1e-4. */
  readonly tolerance?: number
  /** Engine to compare with. Default `onnx`; `reference` is float64 and shares no code with the file, but is slow. */
  readonly compareWith?: string
  /** Stops between two clips of the comparison; nothing is written then. */
  readonly signal?: AbortSignal
}

/** The files of an exported encoder, and its sizes. */
export interface ExportResult {
  /** What was written: the ONNX file, the file of its weights where there is one, the description. */
  readonly files: readonly string[]
  /** Of the model. */
  readonly bytes: number
  /** What the description says, `NAME.json` next to `NAME.onnx`. */
  readonly sidecar: OnnxSidecar
  /** What the file takes: bytes or floats. */
  readonly input: ExportInput
  /** How the file was compared with the checkpoint. */
  readonly check: ExportCheck
  /** What a user should know about the checkpoint, one sentence each. */
  readonly warnings: readonly string[]
  /** Keys and values in the ONNX file. */
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * Writes the encoder of a checkpoint as ONNX (opset 17, standard operators, any batch size), runs the written file and
 * compares it with the training engine. Only then does it take its place, with its description next to it: earlier files there outlive
 * a failure.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN` where `out` or the description would replace a file of another kind; `EXPORT_MISMATCH` (exit `checkFailed`) when the difference is above the tolerance; the signal's reason
 *   when aborted
 * @example
 * ```ts
 * import { exportEncoder } from 'videomae'
 *
 * const { files } = await exportEncoder('checkpoints/encoder', { out: 'encoder.onnx' })
 * files // => ['encoder.onnx', 'encoder.json']
 * ```
 */
export async function exportEncoder(checkpoint: string, options: ExportOptions): Promise<ExportResult> {
  const { out, input = 'uint8', tolerance = 1e-4, compareWith = automatic, signal } = options
  await requireExportTarget(out)
  const opened = await openCheckpoint(checkpoint, { encoderOnly: false })
  const { configuration, kind, state } = opened
  const clips = options.clips ?? clipsOfTwoMotions(configuration, new RandomStream('export'))
  const clipBytes = clipSize(configuration)
  if (clips.length === 0 || clips.length % clipBytes !== 0) {
    throw invalidArgument('clips', `one or more clips of ${clipBytes} bytes`, `${clips.length} bytes`)
  }
  const layout = input === 'uint8' ? 'BTHWC' : 'BTCHW'
  const program = renamedInput(
    // Two clips, so that the batch cannot be taken for another axis of size 1.
    buildEncodeProgram({ configuration, kind, batch: 2, input, layout }),
    exportNames[input],
  )
  const embeddedState = new Map(program.state.map(({ name }) => [name, state.get(name)!]))
  const sampling = await recordedSampling(opened.path, opened.clip)
  const digest = stateDigest(embeddedState)
  const metadata = await encoderMetadata(opened.path, configuration, input, digest, sampling)
  const model = lowerProgram(program, { standardOnly: true, dynamicBatch: true, embeddedState, metadata })
  const engine = await chooseEngine(compareWith)
  const produced = { ...model, producerName: 'videomae', producerVersion: packageVersion() }
  const description = describeExport({
    task: 'features',
    model: { name: modelName(opened.path), digest },
    onnx: produced,
    tensors: { ...frameInput(input), ...featureOutputs(configuration) },
    clip: { ...configuration, size: frameSize(configuration), sampling, input },
    readout: 'mean',
  })
  const written = await writeDescribedModel(out, produced, description, async (file) => {
    const found = await checkExport({ file, configuration, kind, state: embeddedState, input, clips, engine, signal })
    if (found.largestDifference <= tolerance) return found
    const largest = found.largestDifference.toExponential(2)
    throw exportMismatch(
      `Expected the exported file ${out} to agree with the ${engine.name} engine within ${tolerance}, but the largest difference is ${largest}.`,
    )
  })
  const { checked: check, ...rest } = written
  const headless =
    'The checkpoint is a classifier. The file has its encoder, but not its head or its labels: `export --classifier` writes these, too.'
  const warnings = hasHead(opened) ? [...opened.warnings, headless] : opened.warnings
  return { ...rest, input, check, metadata, warnings }
}

/**
 * `writeCheckedModel` with a checksum in the model and the description next to it: they take their places together.
 *
 * @returns paths written, bytes of the model, what the description says, and what `check` found
 */
export async function writeDescribedModel<T>(
  out: string,
  model: OnnxModel,
  description: Omit<OnnxSidecar, 'files'>,
  check: (file: string) => Promise<T>,
): Promise<{
  readonly files: readonly string[]
  readonly bytes: number
  readonly sidecar: OnnxSidecar
  readonly checked: T
}> {
  const sidecars: OnnxSidecar[] = []
  const complete = { ...model, metadata: { ...model.metadata, ...withChecksum } }
  const { files, checked } = await writeCheckedModel(out, complete, check, {
    async describe(written) {
      const { file, sidecar } = await writeSidecar(written, description)
      sidecars.push(sidecar)
      return file
    },
  })
  const [sidecar] = sidecars
  return { files, bytes: sidecar.files.reduce((sum, { bytes }) => sum + bytes, 0), sidecar, checked }
}

/** A file that computes something else than the checkpoint; it has not been put in its place. */
export function exportMismatch(message: string): VideoMaeError {
  return new VideoMaeError(message, {
    code: 'EXPORT_MISMATCH',
    exit: 'checkFailed',
    hint: 'No file was written, and an existing file was not changed. Please report this with the checkpoint.',
  })
}

function clipSize({ frames, imageSize: [height, width], channels }: ModelConfiguration): number {
  return frames * height * width * channels
}

/** A program whose one input has another name. */
export function renamedInput<T extends { readonly inputs: readonly { name: string; tensor: number }[] }>(
  program: T,
  name: string,
): T {
  return { ...program, inputs: program.inputs.map(({ tensor }) => ({ name, tensor })) }
}

/** Frames of segments have no fixed distance. */
function timingOf({ kind, stride, fps }: TestSampling): Record<string, string> {
  if (kind === 'segments') return {}
  return { 'videomae.stride': String(stride), ...(fps === null ? {} : { 'videomae.fps': String(fps) }) }
}

/** What someone who has only the file needs to know. All values are strings; lists are JSON. */
export async function encoderMetadata(
  source: string,
  { mean, std, frames, imageSize, resize, patch, tubelet, encoder }: ModelConfiguration,
  input: ExportInput,
  digest: string,
  sampling: TestSampling | null,
): Promise<Record<string, string>> {
  return {
    'videomae.version': packageVersion(),
    'videomae.model': modelName(source),
    'videomae.digest': digest,
    'videomae.input': input,
    'videomae.frames': String(frames),
    'videomae.image_size': JSON.stringify(imageSize),
    ...(resize === undefined ? {} : { [resizeKey]: JSON.stringify(resize) }),
    'videomae.mean': JSON.stringify(mean),
    'videomae.std': JSON.stringify(std),
    'videomae.patch': String(patch),
    'videomae.tubelet': String(tubelet),
    'videomae.width': String(encoder.width),
    ...(sampling === null ? {} : { [classifierKeys.sampling]: JSON.stringify(sampling), ...timingOf(sampling) }),
    'videomae.license': weightsLicense,
  }
}
