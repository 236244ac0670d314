import { readFile } from 'node:fs/promises'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { lowerProgram } from '../engine/onnx/lower.ts'
import {
  buildClassifierProgram,
  type OpenedClassifier,
  openClassifier,
  saveClassifier,
} from '../finetune/classifier.ts'
import { classifierKeys } from '../finetune/onnx-classifier.ts'
import { replaceDirectory } from '../format/atomic.ts'
import { writeModel } from '../format/onnx.ts'
import { stateDigest } from '../model/digest.ts'
import type { ModelState } from '../model/index.ts'
import { chooseEngine } from '../train/engine-choice.ts'
import { pixelValues } from './check.ts'
import { type ExportPrecision, withPrecision } from './classifier-precision.ts'
import { describe, type ExportInput, exportNames, packageVersion, renamedInput } from './encoder.ts'

export interface ClassifierExportOptions {
  /** The ONNX file to write. */
  readonly out: string
  /** As for `exportEncoder`. Default `uint8`. */
  readonly input?: ExportInput
  /** Default `float32`. */
  readonly precision?: ExportPrecision
  /** Clips for the comparison with the engine, uint8 [n][T, H, W, 3], n at least 1. */
  readonly clips: Uint8Array
  /** Largest difference of a logit that passes, for float32. Default 1e-4. */
  readonly tolerance?: number
  /** Engine to compare with; default: the best one here. */
  readonly compareWith?: string | null
}

export interface ClassifierExport {
  readonly files: readonly string[]
  readonly bytes: number
  readonly precision: ExportPrecision
  readonly check: {
    readonly engine: string
    readonly clips: number
    /** Largest difference of a logit and of a probability, and how many clips keep their class. */
    readonly logits: number
    readonly probabilities: number
    readonly sameClass: number
  }
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * Writes a classifier as one ONNX file (opset 17, standard operators, any batch size): clips in, `logits` and
 * `probabilities` out, class names, sampling and preprocessing in the metadata. The written file is run and compared with
 * the engine; float32 must agree, the difference of the other precisions is measured and returned.
 *
 * @throws VideoMaeError `EXPORT_MISMATCH` (exit `checkFailed`), `NOT_A_CLASSIFIER`
 */
export async function exportClassifier(where: string, options: ClassifierExportOptions): Promise<ClassifierExport> {
  const { out, input = 'uint8', precision = 'float32', clips, tolerance = 1e-4 } = options
  const classifier = await openClassifier(where)
  const { configuration, state, labels, sampling } = classifier
  const clipBytes = configuration.frames * configuration.imageSize[0] * configuration.imageSize[1] * 3
  if (clips.length === 0 || clips.length % clipBytes !== 0) {
    throw invalidArgument('clips', `one or more clips of ${clipBytes} bytes`, `${clips.length} bytes`)
  }
  const layout = input === 'uint8' ? 'BTHWC' : 'BTCHW'
  // Two clips, so that the batch cannot be taken for another axis of size 1.
  const program = renamedInput(buildClassifierProgram(classifier, { batch: 2, input, layout }), exportNames[input])
  const embeddedState: ModelState = new Map(program.state.map(({ name }) => [name, state.get(name)!]))
  const { stride, fps } = sampling
  const metadata = {
    ...(await describe(classifier.path, configuration, input, stateDigest(embeddedState), { stride, fps })),
    [classifierKeys.task]: 'classify',
    [classifierKeys.labels]: JSON.stringify(labels),
    [classifierKeys.sampling]: JSON.stringify(sampling),
    [classifierKeys.precision]: precision,
  }
  const lowered = lowerProgram(program, { standardOnly: true, dynamicBatch: true, embeddedState, metadata })
  const model = withPrecision(lowered, precision)
  const files = await writeModel(out, { ...model, producerName: 'videomae', producerVersion: await packageVersion() })
  const check = await compare(classifier, out, input, clips, options.compareWith ?? null)
  if (precision === 'float32' && !(check.logits <= tolerance)) {
    throw new VideoMaeError(
      `Expected the logits of ${out} to agree with the ${check.engine} engine within ${tolerance}, but the largest difference is ${check.logits.toExponential(2)}.`,
      {
        code: 'EXPORT_MISMATCH',
        exit: 'checkFailed',
        hint: 'Do not use the file; please report this with the checkpoint.',
      },
    )
  }
  const bytes = (await Promise.all(files.map(async (file) => (await readFile(file)).length))).reduce((a, b) => a + b)
  return { files, bytes, precision, check, metadata }
}

/** Writes a classifier as a directory that Hugging Face's transformers reads (an attentive head stands beside it). */
export async function exportClassifierDirectory(where: string, out: string): Promise<void> {
  const classifier = await openClassifier(where)
  await replaceDirectory(out, (folder) => saveClassifier(folder, classifier))
}

async function compare(
  classifier: OpenedClassifier,
  file: string,
  input: ExportInput,
  clips: Uint8Array,
  name: string | null,
): Promise<ClassifierExport['check']> {
  const { configuration, state } = classifier
  const {
    frames,
    imageSize: [height, width],
  } = configuration
  const clipBytes = frames * height * width * 3
  const count = clips.length / clipBytes
  const program = buildClassifierProgram(classifier, { batch: 1 })
  const engine = await chooseEngine(name)
  const session = await engine.open([program])
  const { InferenceSession, Tensor } = await import('onnxruntime-node')
  const exported = await InferenceSession.create(file)
  let [logits, probabilities, sameClass] = [0, 0, 0]
  try {
    await session.writeState(new Map(program.state.map((item) => [item.name, state.get(item.name)!])))
    for (let n = 0; n < count; n++) {
      const clip = new Uint8Array(clips.subarray(n * clipBytes, (n + 1) * clipBytes)) // never a Buffer
      const expected = await session.run(program.name, { frames: clip })
      const tensor =
        input === 'uint8'
          ? new Tensor('uint8', clip, [1, frames, height, width, 3])
          : new Tensor('float32', pixelValues(configuration, clip), [1, frames, 3, height, width])
      const outputs = await exported.run({ [exported.inputNames[0]]: tensor })
      const found = {
        logits: outputs.logits.data as Float32Array,
        probabilities: outputs.probabilities.data as Float32Array,
      }
      logits = Math.max(logits, largestDifference(found.logits, expected.logits))
      probabilities = Math.max(probabilities, largestDifference(found.probabilities, expected.probabilities))
      const best = (row: Float32Array): number => row.indexOf(Math.max(...row))
      if (best(found.logits) === best(expected.logits)) sameClass++
    }
  } finally {
    await exported.release()
    await session.close()
  }
  return { engine: engine.name, clips: count, logits, probabilities, sameClass }
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let largest = 0
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i])
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
  }
  return largest
}
