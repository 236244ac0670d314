import { existsSync } from 'node:fs'
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { largestResize, type Resize } from '../core/frame-size.ts'
import { Turns } from '../core/turns.ts'
import { loadRuntime } from '../engine/onnx/runtime.ts'
import { requireAsDescribed } from '../format/as-described.ts'
import { checksumKey } from '../format/checksum.ts'
import { requireFiniteTensor } from '../format/finite.ts'
import { float16ToFloat32 } from '../format/half.ts'
import { type OnnxModel, readModel } from '../format/onnx.ts'
import { isUsableMean, isUsableStd, meanExpected, stdExpected } from '../model/pixel-range.ts'
import { pixelValues } from '../model/pixel-values.ts'
import { IdleProcesses } from '../video/idle-processes.ts'
import { usualBatch } from './defaults.ts'
import { exportedRunNeed, requireClipRunMemory } from './memory.ts'
import { type ClassifierEngineOptions, type ClipClassifier, gatheredFor } from './predict-videos.ts'
import { type TestSampling, testSamplingSchema } from './views.ts'

/** Names of a classifier's metadata in an ONNX file. All values are strings. */
export const classifierKeys = {
  task: 'videomae.task',
  labels: 'videomae.labels',
  sampling: 'videomae.sampling',
  precision: 'videomae.precision',
} as const

/** How pictures are scaled before a frame is cut out of their middle, where that is not just to cover it. */
export const resizeKey = 'videomae.resize'

const perChannel = z.array(z.number()).length(3)
const side = z.int().min(1)
const resized = side.max(largestResize)
const resizeSchema = z.union([
  z.strictObject({ shortEdge: resized }),
  z.strictObject({ height: resized, width: resized }),
])

interface Description {
  readonly labels: readonly string[]
  readonly sampling: TestSampling
  readonly input: 'uint8' | 'float32'
  readonly frames: number
  readonly imageSize: readonly [number, number]
  readonly resize: Resize | undefined
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

/**
 * Opens an exported classifier with nothing but the file: labels, sampling and preprocessing are in its metadata.
 *
 * @throws VideoMaeError `NOT_A_CLASSIFIER`, `WEIGHTS_NOT_FINITE`, `ONNX_INVALID`, `OUT_OF_MEMORY` where `given` does not fit
 */
export async function openOnnxClassifier(
  file: string,
  { batch = usualBatch.classifier, threads, given }: Pick<ClassifierEngineOptions, 'batch' | 'threads' | 'given'> = {},
): Promise<ClipClassifier> {
  if (!existsSync(file)) {
    throw new VideoMaeError(`Expected a classifier at ${file}, which does not exist.`, {
      code: 'CHECKPOINT_NOT_FOUND',
      exit: 'data',
      hint: 'Write one with `videomae export RUN --classifier`.',
    })
  }
  const described = await requireAsDescribed(file)
  const model = await readModel(file)
  const description = describe(file, model)
  for (const { name, type, data } of model.graph.initializers) {
    if (type === 'float32') requireFiniteTensor(file, name, data as Float32Array)
    if (type === 'float16') requireFiniteTensor(file, name, float16ToFloat32(data as Uint16Array))
  }
  const { labels, input, frames, resize } = description
  const [height, width] = description.imageSize
  const clipBytes = frames * height * width * 3
  if (given !== undefined) {
    const weights = model.graph.initializers.reduce((sum, { data }) => sum + data.byteLength, 0)
    const clips = { ...given, clipBytes, gathered: gatheredFor(batch, given.views) }
    requireClipRunMemory(exportedRunNeed(weights, batch, clips))
  }
  const { create, Tensor } = await loadRuntime()
  const options = { logSeverityLevel: 3, ...(threads === undefined ? {} : { intraOpNumThreads: threads }) } as const
  const session = await create(file, options).catch((cause: unknown) => Promise.reject(notRunnable(file, cause)))
  const processes = new IdleProcesses()
  const [inputName] = session.inputNames
  const tensorOf = (clips: Uint8Array, count: number) =>
    input === 'uint8'
      ? new Tensor('uint8', clips, [count, frames, height, width, 3])
      : new Tensor('float32', pixelValues(clips, { ...description, channels: 3 }), [count, frames, 3, height, width])
  async function probabilitiesOf(clips: Uint8Array): Promise<Float32Array> {
    if (closed) throw new VideoMaeError(`The classifier of ${file} is closed.`, { code: 'ENGINE_CLOSED' })
    const count = clips.length / clipBytes
    const all = new Float32Array(count * labels.length)
    for (let from = 0; from < count; from += batch) {
      const here = Math.min(batch, count - from)
      const part = new Uint8Array(clips.subarray(from * clipBytes, (from + here) * clipBytes)) // never a Buffer
      const { probabilities } = await session
        .run({ [inputName]: tensorOf(part, here) }, ['probabilities'])
        .catch((cause: unknown) => Promise.reject(notRunnable(file, cause)))
      all.set(checkedProbabilities(file, probabilities.data, here * labels.length), from * labels.length)
    }
    return all
  }
  const turns = new Turns()
  let closed = false
  return {
    labels,
    frames,
    size: resize === undefined ? { height, width } : { height, width, resize },
    sampling: description.sampling,
    batch,
    warnings: described || model.metadata?.[checksumKey] !== undefined ? [] : [withoutChecksum(file)],
    probabilities: (clips) => turns.run(() => probabilitiesOf(clips)),
    processes,
    async close() {
      closed = true
      await turns.ended()
      await processes.close()
      await session.release()
    },
  }
}

function withoutChecksum(file: string): string {
  return `${file} has no checksum, because another program or an earlier version wrote it: changes of the file cannot be detected.`
}

/** What ONNX Runtime says of a file that is no valid model, or that does not compute what it declares. */
function notRunnable(file: string, cause: unknown): VideoMaeError {
  const [reason] = (cause instanceof Error ? cause.message : String(cause)).split('\n')
  return new VideoMaeError(`Expected a model in ${file} that ONNX Runtime can run: ${reason}`, {
    code: 'ONNX_INVALID',
    exit: 'data',
    hint: 'Export it from its checkpoint again.',
    cause,
  })
}

/** @throws VideoMaeError `ONNX_INVALID` unless there are `count` finite numbers */
function checkedProbabilities(file: string, data: unknown, count: number): Float32Array {
  if (data instanceof Float32Array && data.length === count && data.every(Number.isFinite)) return data
  throw notRunnable(file, new Error(`expected ${count} finite probabilities of type float32`))
}

/** Bytes of a clip of the largest classifier that is run: 1 GiB. Pixels of several clips are held at once. */
const largestClip = 2 ** 30

/**
 * The metadata says how clips are made for the model; the model says what it takes and gives. Where they differ the file
 * has been put together by somebody else, and its answers would mean something else.
 */
function requireAgreement(description: Description, { graph }: OnnxModel): void {
  const { frames, imageSize, input, labels } = description
  const [height, width] = imageSize
  const bytes = frames * height * width * 3
  if (bytes > largestClip) {
    throw new Error(`its clips of ${frames} frames of ${height} x ${width} would take ${bytes} bytes`)
  }
  const weights = new Set(graph.initializers.map(({ name }) => name))
  const inputs = graph.inputs.filter(({ name }) => !weights.has(name))
  if (inputs.length !== 1) throw new Error(`it has ${inputs.length} inputs, not one`)
  const expected = input === 'uint8' ? [frames, height, width, 3] : [frames, 3, height, width]
  const [{ type, shape }] = inputs
  const fits = shape.length === 5 && expected.every((size, i) => shape[i + 1] === size || shape[i + 1] === '')
  if (type !== input || !fits) {
    throw new Error(
      `its metadata says ${input}[n, ${expected.join(', ')}], but its input is ${type}[${shape.join(', ')}]`,
    )
  }
  const output = graph.outputs.find(({ name }) => name === 'probabilities')
  if (output === undefined) throw new Error('it has no output called probabilities')
  const classes = output.shape.at(-1)
  if (typeof classes === 'number' && classes !== labels.length) {
    throw new Error(`it names ${labels.length} classes, but gives ${classes} probabilities`)
  }
}

function perChannelOf(
  metadata: Readonly<Record<string, string>>,
  key: string,
  usable: (value: number) => boolean,
  expected: string,
): number[] {
  const values = perChannel.parse(JSON.parse(metadata[key]))
  if (!values.every(usable)) throw new Error(`its ${key} is ${values.join(', ')}, not ${expected}`)
  return values
}

function describe(file: string, model: OnnxModel): Description {
  const metadata = model.metadata ?? {}
  try {
    if (metadata[classifierKeys.task] !== 'classify') throw new Error('it is not marked as a classifier')
    const description: Description = {
      labels: z.array(z.string()).min(1).parse(JSON.parse(metadata[classifierKeys.labels])),
      sampling: testSamplingSchema.parse(JSON.parse(metadata[classifierKeys.sampling])),
      input: z.enum(['uint8', 'float32']).parse(metadata['videomae.input']),
      frames: z.coerce.number().int().min(1).parse(metadata['videomae.frames']),
      imageSize: z.tuple([side, side]).parse(JSON.parse(metadata['videomae.image_size'])),
      resize: metadata[resizeKey] === undefined ? undefined : resizeSchema.parse(JSON.parse(metadata[resizeKey])),
      mean: perChannelOf(metadata, 'videomae.mean', isUsableMean, meanExpected),
      std: perChannelOf(metadata, 'videomae.std', isUsableStd, stdExpected),
    }
    requireAgreement(description, model)
    return description
  } catch (cause) {
    const problem = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message
    throw new VideoMaeError(
      `Expected a classifier that \`videomae export\` wrote in ${file}: ${problem.split('\n')[0]}.`,
      { code: 'NOT_A_CLASSIFIER', exit: 'data', hint: 'Export it from its checkpoint again.', cause },
    )
  }
}
