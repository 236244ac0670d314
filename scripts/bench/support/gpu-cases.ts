import type { RunInputs } from '../../../src/engine/engine.ts'
import {
  buildFinetuneProgram,
  buildPretrainProgram,
  clipShape,
  createMask,
  initialize,
  type ModelConfiguration,
  parameterShapes,
  presetConfiguration,
  RandomStream,
  resolveConfiguration,
  type TrainingPrograms,
  tokenGrid,
} from '../../../src/model.ts'

export interface GpuCase {
  readonly name: string
  readonly task: 'pretrain' | 'finetune'
  readonly configuration: ModelConfiguration
  /** Clips per step. */
  readonly batch: number
}

/** What issue and documentation promise figures for: 16 x 224 x 224, 90 % tube masking. */
export const gpuCases: readonly GpuCase[] = [
  { name: 'pretrain-small', task: 'pretrain', configuration: presetConfiguration('small'), batch: 64 },
  { name: 'pretrain-base', task: 'pretrain', configuration: presetConfiguration('base'), batch: 32 },
  { name: 'pretrain-large', task: 'pretrain', configuration: presetConfiguration('large'), batch: 16 },
  { name: 'finetune-base', task: 'finetune', configuration: presetConfiguration('base'), batch: 8 },
]

/** Small enough for an emulated device: to try the scripts themselves, not to time anything. */
export const dryRunCases: readonly GpuCase[] = (['pretrain', 'finetune'] as const).map((task) => ({
  name: `${task}-dry-run`,
  task,
  configuration: resolveConfiguration({
    imageSize: 32,
    frames: 4,
    encoder: { width: 64, depth: 1, heads: 1 },
    decoder: { width: 32, depth: 1, heads: 1 },
  }),
  batch: 2,
}))

export const classes = 400
const maskRatio = 0.9

/** Tokens of a clip that tube masking leaves visible and hides. */
function tokenCounts(configuration: ModelConfiguration): { readonly visible: number; readonly masked: number } {
  const mask = createMask('tube', tokenGrid(configuration), maskRatio, new RandomStream('mask', 0))
  return { visible: mask.visible.length, masked: mask.masked.length }
}

/** The programs of a case, without its data. */
export function trainingPrograms({ task, configuration, batch }: GpuCase): TrainingPrograms {
  return task === 'finetune'
    ? buildFinetuneProgram({ configuration, batch, classes, optimizer: { beta2: 0.999 } })
    : buildPretrainProgram({ configuration, batch, ...tokenCounts(configuration), optimizer: {} })
}

export interface PreparedCase {
  readonly training: TrainingPrograms
  readonly state: ReadonlyMap<string, Float32Array>
  /** Inputs of one step; a few different ones, so that no cache sees the same batch twice in a row. */
  inputs(step: number): RunInputs
}

export function prepareCase(given: GpuCase): PreparedCase {
  const { task, configuration, batch } = given
  const training = trainingPrograms(given)
  const pixels = clipShape(configuration, batch).reduce((a, b) => a * b, 1)
  const stream = new RandomStream('gpu-train-step')
  const batches = Array.from({ length: 3 }, () => {
    const frames = new Uint8Array(pixels)
    new Uint32Array(frames.buffer).forEach((_, i, words) => {
      words[i] = stream.uint32()
    })
    return frames
  })
  const scalars = (step: number) => ({
    learningRate: Float32Array.of(1e-4),
    weightDecay: Float32Array.of(0.05),
    step: Float32Array.of(step),
  })
  if (task === 'finetune') {
    const targets = new Float32Array(batch * classes).fill(0.1 / classes)
    for (let b = 0; b < batch; b++) targets[b * classes + b] += 0.9
    const state = initialize(parameterShapes(configuration, 'classify', classes), 1, 'finetune')
    const inputs = (step: number) => ({ frames: batches[step % 3], targets, ...scalars(step) })
    return { training, state, inputs }
  }
  const masks = Array.from({ length: batch }, (_, b) =>
    createMask('tube', tokenGrid(configuration), maskRatio, new RandomStream('mask', b)),
  )
  const visible = Int32Array.from(masks.flatMap((mask) => [...mask.visible]))
  const masked = Int32Array.from(masks.flatMap((mask) => [...mask.masked]))
  const state = initialize(parameterShapes(configuration, 'pretrain'), 1)
  return {
    training,
    state,
    inputs: (step) => ({ frames: batches[step % 3], visible, masked, ...scalars(step) }),
  }
}
