import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import type { Engine, EngineOptions } from '../engine/engine.ts'
import { splitMask } from '../mask/mask.ts'
import { buildClassifyProgram } from '../model/classify.ts'
import { clipShape, tokensPerClip } from '../model/configuration.ts'
import { type LoadedCheckpoint, loadCheckpointDirectory } from '../model/load-checkpoint.ts'
import { buildPretrainProgram } from '../model/pretrain.ts'
import { toHuggingFaceTensors } from '../model/save-checkpoint.ts'
import { gradientOutput, type OptimizerOptions } from '../model/training-programs.ts'

/** Largest differences that count as agreement between two float32 implementations. */
export const parityTolerances = { logits: 1e-4, loss: 1e-4, gradientNorm: 1e-3, adamwLoss: 1e-4 } as const

export interface ParityLine {
  /** What was compared, e.g. `gradient norms`. */
  readonly quantity: string
  /** How many values. */
  readonly values: number
  /** Largest relative difference; see `runParity`. NaN where a value is not finite. */
  readonly difference: number
  /** Where it is largest. */
  readonly worst: string
  readonly tolerance: number
  readonly passed: boolean
}

export interface ParityReport {
  readonly engine: string
  readonly directory: string
  readonly lines: readonly ParityLine[]
  readonly passed: boolean
}

const pretrainExpectation = z.object({
  loss: z.number(),
  logits_shape: z.array(z.number().int().positive()).length(3),
  grad_norms: z.record(z.string(), z.number()),
  adamw: z.object({
    lr: z.number(),
    betas: z.tuple([z.number(), z.number()]),
    eps: z.number(),
    weight_decay: z.number(),
    losses: z.array(z.number()).min(1),
  }),
})
const classifyExpectation = z.object({ logits: z.array(z.array(z.number())).min(1) })
const clipDescription = z.object({ shape: z.array(z.number().int().positive()).length(5) })
const maskFile = z.array(z.array(z.union([z.literal(0), z.literal(1)]))).min(1)

/**
 * Compares an engine with what the original implementation computed: a directory with `pretrain/` and `classify/`
 * (Hugging Face layout), `clip.u8` + `clip.json`, `mask.json`, `pretrain_logits.f32`, `pretrain_expected.json`,
 * `classify_expected.json`. Compared are the pretraining logits and loss, the gradient norm of every tensor, the losses
 * before each AdamW step, and the classifier's logits.
 *
 * Logits differ by `max |a - b| / max |b|` over the tensor, numbers by `|a - b| / |b|`.
 *
 * @throws VideoMaeError `PARITY_INVALID` for a directory of another form
 */
export async function runParity(directory: string, engine: Engine, options?: EngineOptions): Promise<ParityReport> {
  const { shape } = await readExpected(directory, 'clip.json', clipDescription)
  const frames = new Uint8Array(await readFile(join(directory, 'clip.u8')))
  const clips = { frames, batch: shape[0] }
  const pretrain = await loadCheckpointDirectory(join(directory, 'pretrain'))
  const classify = await loadCheckpointDirectory(join(directory, 'classify'))
  for (const { configuration } of [pretrain, classify]) {
    const wanted = clipShape(configuration, clips.batch)
    if (wanted.join() !== shape.join()) {
      throw invalid(directory, `clips of shape [${shape.join(', ')}], but the model takes [${wanted.join(', ')}]`)
    }
  }
  const lines = [
    ...(await pretrainLines(directory, engine, options, pretrain, clips)),
    await classifyLine(directory, engine, options, classify, clips),
  ]
  return { engine: engine.name, directory, lines, passed: lines.every(({ passed }) => passed) }
}

interface Clips {
  readonly frames: Uint8Array
  readonly batch: number
}

async function pretrainLines(
  directory: string,
  engine: Engine,
  engineOptions: EngineOptions | undefined,
  { configuration, kind, state }: LoadedCheckpoint,
  { frames, batch }: Clips,
): Promise<readonly ParityLine[]> {
  const expected = await readExpected(directory, 'pretrain_expected.json', pretrainExpectation)
  const masks = (await readExpected(directory, 'mask.json', maskFile)).map((bits) => splitMask(Uint8Array.from(bits)))
  if (masks.some(({ visible, masked }) => visible.length + masked.length !== tokensPerClip(configuration))) {
    throw invalid(directory, `masks of another length than ${tokensPerClip(configuration)} tokens`)
  }
  const visible = Int32Array.from(masks.flatMap((mask) => [...mask.visible]))
  const masked = Int32Array.from(masks.flatMap((mask) => [...mask.masked]))
  const { lr, betas, eps, weight_decay: weightDecay, losses } = expected.adamw
  const optimizer: OptimizerOptions = { beta1: betas[0], beta2: betas[1], epsilon: eps }
  const shared = { configuration, batch, visible: visible.length / batch, masked: masked.length / batch }
  const compare = buildPretrainProgram({ ...shared, name: 'compare', prediction: true, gradients: true })
  const train = buildPretrainProgram({ ...shared, name: 'train', optimizer })

  const session = await engine.open([...compare.programs, ...train.programs], engineOptions)
  try {
    await session.writeState(state)
    const inputs = { frames, visible, masked }
    const outputs = await session.run(compare.step, inputs)
    const gradients = new Map(
      [...compare.parameters.keys()].map((name) => [name, outputs[gradientOutput(name)]] as const),
    )
    const actualNorms = new Map(
      [...toHuggingFaceTensors({ configuration, kind, state: gradients })].map(([name, { data }]) => [
        name,
        norm(data),
      ]),
    )
    const actualLosses: number[] = []
    for (let step = 1; step <= losses.length; step++) {
      const scalars = { learningRate: [lr], weightDecay: [weightDecay], step: [step] }
      const fed = Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, Float32Array.from(value)]))
      actualLosses.push((await session.run(train.step, { ...inputs, ...fed })).loss[0])
    }
    const logits = await readFloats(join(directory, 'pretrain_logits.f32'))
    return [
      tensorLine('pretraining logits', outputs.prediction, logits, parityTolerances.logits),
      numbersLine('pretraining loss', [['loss', outputs.loss[0], expected.loss]], parityTolerances.loss),
      numbersLine(
        'gradient norms',
        Object.entries(expected.grad_norms).map(([name, value]) => [name, actualNorms.get(name) ?? Number.NaN, value]),
        parityTolerances.gradientNorm,
      ),
      numbersLine(
        'losses of AdamW steps',
        losses.map((value, i) => [`step ${i + 1}`, actualLosses[i], value]),
        parityTolerances.adamwLoss,
      ),
    ]
  } finally {
    await session.close()
  }
}

async function classifyLine(
  directory: string,
  engine: Engine,
  engineOptions: EngineOptions | undefined,
  { configuration, classes, state }: LoadedCheckpoint,
  { frames, batch }: Clips,
): Promise<ParityLine> {
  if (classes === null) throw invalid(directory, 'a model without a classifier in classify/')
  const { logits } = await readExpected(directory, 'classify_expected.json', classifyExpectation)
  const program = buildClassifyProgram({ configuration, batch, classes })
  const session = await engine.open([program], engineOptions)
  try {
    await session.writeState(state)
    const outputs = await session.run(program.name, { frames })
    return tensorLine(
      'classification logits',
      outputs.logits,
      Float32Array.from(logits.flat()),
      parityTolerances.logits,
    )
  } finally {
    await session.close()
  }
}

function tensorLine(quantity: string, actual: Float32Array, expected: Float32Array, tolerance: number): ParityLine {
  if (actual.length !== expected.length) {
    throw new VideoMaeError(`Expected ${expected.length} ${quantity}, the model computes ${actual.length}.`, {
      code: 'PARITY_INVALID',
      exit: 'data',
    })
  }
  let scale = 0
  for (const value of expected) scale = Math.max(scale, Math.abs(value))
  return line(
    quantity,
    Array.from(actual, (value, i) => [`value ${i}`, Math.abs(value - expected[i]) / scale]),
    tolerance,
  )
}

/** @param values name, actual, expected */
function numbersLine(
  quantity: string,
  values: readonly (readonly [string, number, number])[],
  tolerance: number,
): ParityLine {
  return line(
    quantity,
    values.map(([name, actual, expected]) => [name, Math.abs(actual - expected) / Math.abs(expected)]),
    tolerance,
  )
}

function line(quantity: string, differences: readonly (readonly [string, number])[], tolerance: number): ParityLine {
  let [worst, difference] = differences[0]
  for (const [name, value] of differences) {
    if (!(value <= difference)) [worst, difference] = [name, value]
    if (Number.isNaN(value)) break
  }
  return { quantity, values: differences.length, difference, worst, tolerance, passed: difference <= tolerance }
}

function norm(values: Float32Array): number {
  let squares = 0
  for (const value of values) squares += value * value
  return Math.sqrt(squares)
}

async function readFloats(path: string): Promise<Float32Array> {
  const bytes = await readFile(path)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Float32Array.from({ length: bytes.byteLength >> 2 }, (_, i) => view.getFloat32(4 * i, true))
}

async function readExpected<T>(directory: string, name: string, schema: z.ZodType<T>): Promise<T> {
  if (!existsSync(join(directory, name))) throw invalid(directory, `no ${name}`)
  const result = schema.safeParse(JSON.parse(await readFile(join(directory, name), 'utf8')))
  if (result.success) return result.data
  const [{ path, message }] = result.error.issues
  throw invalid(directory, `${name} with ${path.join('.') || 'its content'}: ${message}`)
}

function invalid(directory: string, what: string): VideoMaeError {
  return new VideoMaeError(`Expected a parity set in ${directory}, found ${what}.`, {
    code: 'PARITY_INVALID',
    exit: 'data',
  })
}
