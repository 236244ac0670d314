import { z } from 'zod'
import { recomputeModes } from '../graph/recompute.ts'
import { decoderMaskKinds, maskKinds, maskRatioRange } from '../mask/mask.ts'
import { positionKinds } from '../model/configuration.ts'
import { presetNames } from '../model/presets.ts'
import { clipTiming, defaultTiming, rateSchema, strideSchema, timingConflict } from './clip-timing.ts'
import { countSchema } from './count-schema.ts'
import { durationSchema } from './duration.ts'

const size = z.int().min(1) // what a model can have is checked with the model
const rate = z.number().nonnegative()

/** How videos are decoded, in every configuration. */
export const decodingOptions = {
  workers: countSchema('workers').nullable().default(null).describe('Decoding processes; null: one per core.'),
  decoder: z.enum(['node-av', 'ffmpeg']).default('node-av').describe('Which decoder reads the videos.'),
  timeoutSeconds: z
    .number()
    .positive()
    .default(30)
    .describe('CPU seconds after which a file counts as unreadable; waiting on a busy machine does not count.'),
}

/** A path or a name. Joined with another or resolved, a blank path would be the working folder. */
export const textSchema = z.string().regex(/\S/, 'expected text that is not blank')

const dataSchema = z
  .strictObject({
    path: z
      .union([textSchema, z.array(textSchema).min(1)])
      .nullable()
      .default(null)
      .describe('Folders, video files, lists or manifests; the DATA argument of the command replaces it.'),
    samplesPerClip: countSchema('samplesPerClip')
      .default(4)
      .describe('Number of crops and masks for each decoded clip; the clip is decoded only once.'),
    ...decodingOptions,
  })
  .describe('Which videos are read, and how.')

/** The key `fps` of a section `clip`. */
export const fpsSchema = rateSchema.nullable().default(null)

/** Refuses a section `clip` with a stride and a rate. */
export function refuseBothTimings(context: z.core.ParsePayload<{ stride: number | null; fps: number | null }>): void {
  const conflict = timingConflict(context.value)
  if (conflict === null) return
  const message = `${conflict.message}. ${conflict.hint}`
  context.issues.push({ code: 'custom', path: ['fps'], message, input: context.value })
}

const clipSchema = z
  .strictObject({
    stride: strideSchema
      .nullable()
      .default(null)
      .describe('Take every n-th frame for the clip, by frame index; null: 4, or 1 with fps.'),
    fps: fpsSchema.describe(
      'Frames per second of the clip, sampled by time, for videos with different frame rates; not together with a stride.',
    ),
    crop: z
      .enum(['multi-scale', 'random-resized'])
      .default('multi-scale')
      .describe('multi-scale: the corner crops of the reference code; random-resized: any position and aspect ratio.'),
    cropScale: z
      .tuple([z.number().positive().max(1), z.number().positive().max(1)])
      .default([0.5, 1])
      .describe('Smallest and largest share of the picture area that random-resized keeps.'),
    flip: z
      .boolean()
      .default(false)
      .describe(
        'Mirror half of the samples. Off by default: left and right may matter, and the reference code does not mirror.',
      ),
  })
  .check(refuseBothTimings)
  .transform((clip) => ({ ...clip, ...clipTiming(clip, defaultTiming) }))
  .describe('Which frames become a clip, and how they are cropped.')

const decoderMaskSchema = z.strictObject({
  kind: z.enum(decoderMaskKinds).default('running-cell'),
  ratio: z.number().min(0.25).lt(1).default(0.5).describe('Share of tokens that the decoder does not predict.'),
})

const maskSchema = z
  .strictObject({
    kind: z.enum(maskKinds).default('tube'),
    ratio: z
      .number()
      .min(maskRatioRange.minimum)
      .max(maskRatioRange.maximum)
      .default(0.9)
      .describe('Share of tokens hidden from the encoder; 0.9 is usual, 0.75 for small data sets.'),
    decoder: decoderMaskSchema
      .nullable()
      .default(null)
      .describe('Dual masking (VideoMAE V2): the decoder predicts only some of the hidden tokens; null: all.'),
  })
  .describe('Which tokens are hidden from the encoder.')

/** @see modelConfiguration for what null means */
const decoderSchema = z
  .strictObject({
    width: size.nullable().default(null),
    depth: size.nullable().default(null),
    heads: size.nullable().default(null),
  })
  .describe('Decoder sizes; null: those of the preset, or half of the encoder if its width was changed.')

export const modelSchema = z
  .strictObject({
    preset: z
      .enum(presetNames)
      .nullable()
      .default(null)
      .describe(
        'Preset to start from; each size below that is not null replaces the size of the preset. null: small, or the sizes of "from".',
      ),
    from: textSchema
      .nullable()
      .default(null)
      .describe('Checkpoint or Hugging Face directory with the initial weights; null: fresh weights.'),
    frames: size.nullable().default(null).describe('Frames of a clip; null: 16, or as in "from".'),
    resolution: z
      .union([size, z.tuple([size, size])])
      .nullable()
      .default(null)
      .describe('Height and width of a frame in pixels, or one number for both; null: 224, or as in "from".'),
    patch: size.nullable().default(null).describe('Pixels on each side of a patch.'),
    tubelet: size.nullable().default(null).describe('Frames of one patch.'),
    width: size.nullable().default(null),
    depth: size.nullable().default(null),
    heads: size.nullable().default(null),
    decoder: decoderSchema.prefault({}),
    positions: z
      .enum(positionKinds)
      .nullable()
      .default(null)
      .describe(
        'flattened: as in the original and in transformers; factored: time, row and column separately, which small models learn much sooner, but transformers does not support it. null: flattened, or as in "from".',
      ),
    target: z
      .enum(['normalized', 'raw'])
      .default('normalized')
      .describe('normalized: pixels of a patch, standardized with its own mean and std; raw: pixels in [0, 1].'),
  })
  .describe('Model sizes: a preset, and your changes to it.')

export const batchSchema = z
  .strictObject({
    size: countSchema('batchSize')
      .default(256)
      .describe('Clips shown to the model per optimizer step, repeats included.'),
    perRun: countSchema('batch')
      .nullable()
      .default(null)
      .describe(
        'Clips in one forward and backward pass, a divisor of size; gradients of size/perRun passes are averaged. null: 8, or another divisor of size.',
      ),
  })
  .describe('How many clips one optimizer step sees.')

export const optimizerSchema = z
  .strictObject({
    baseLearningRate: rate
      .default(1.5e-4)
      .describe('For 256 clips per step: learning rate = baseLearningRate * batch.size / 256.'),
    minimumBaseLearningRate: rate.default(1e-5).describe('Final value of the cosine schedule, scaled in the same way.'),
    countRepeats: z
      .boolean()
      .default(false)
      .describe(
        'Count each sample of a decoded clip as a clip of the batch when scaling; the reference code does not.',
      ),
    weightDecay: rate.default(0.05),
    weightDecayEnd: rate.nullable().default(null).describe('null: constant.'),
    betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.95]),
    epsilon: z.number().positive().default(1e-8),
    clipNorm: z.number().positive().nullable().default(null).describe('Largest gradient norm; null: no clipping.'),
    ema: z
      .number()
      .min(0)
      .lt(1)
      .nullable()
      .default(null)
      .describe('Decay of an exponential moving average of the weights, saved next to them in ema/; null: none.'),
  })
  .describe('AdamW and the learning rate.')

export const scheduleSchema = z
  .strictObject({
    duration: durationSchema.prefault('100 epochs').describe('Length of the run.'),
    warmup: durationSchema.prefault('5 epochs').describe('Linear warm-up at its start.'),
  })
  .describe('How long, in steps, epochs (passes over the videos) or clips.')

export const engineSchema = z
  .strictObject({
    name: textSchema
      .nullable()
      .default('auto')
      .describe(
        'auto, native, onnx, cuda, webgpu, tfjs or reference. auto, or null: cuda on a machine with an NVIDIA GPU and its libraries, else native if it can run, else onnx. webgpu and tfjs are used only if you name them.',
      ),
    threads: countSchema('threads').nullable().default(null).describe('null: all cores that this process may use.'),
    device: textSchema.nullable().default(null).describe('Engine-specific, e.g. cpu or cuda:0.'),
    precision: z.enum(['float32', 'bfloat16', 'float16']).default('float32'),
    recompute: z
      .enum(recomputeModes)
      .default('none')
      .describe(
        'What the backward pass recomputes instead of keeping it (native and cuda); saves memory, costs time. cheap: norms, GELUs and patches; blocks: whole blocks, about 1.3 times the arithmetic of a step.',
      ),
  })
  .describe('Which engine computes, and how.')

export const checkpointSchema = z
  .strictObject({
    every: durationSchema.prefault('500 steps').describe('A checkpoint is also written at the end and when stopped.'),
    keep: countSchema('keep').default(3).describe('Number of newest checkpoints to keep.'),
  })
  .describe('When checkpoints are written.')

export const logSchema = z
  .strictObject({
    every: durationSchema.prefault('10 steps').describe('How often a line of metrics.jsonl is written.'),
    tensorboard: z.boolean().default(true).describe('Also write TensorBoard event files.'),
    csv: z.boolean().default(false).describe('Also write metrics.csv: the lines of metrics.jsonl as a table.'),
  })
  .describe('What is logged during the run.')

/** What is written down of pretraining. */
const pretrainLogSchema = logSchema.extend({
  signs: z
    .int()
    .min(0)
    .max(1000)
    .default(128)
    .describe(
      'Pretraining: number of videos on which signs of learning are measured at every checkpoint, fewer if that would cost more than a twentieth of the training; 0: none.',
    ),
})

/** A whole pretraining run. Every key that is not named here is an error. */
export const runSchema = z
  .strictObject({
    seed: z.int().min(0).default(0).describe('Seed of all random numbers.'),
    data: dataSchema.prefault({}),
    clip: clipSchema.prefault({}),
    mask: maskSchema.prefault({}),
    model: modelSchema.prefault({}),
    batch: batchSchema.prefault({}),
    optimizer: optimizerSchema.prefault({}),
    schedule: scheduleSchema.prefault({}),
    engine: engineSchema.prefault({}),
    checkpoint: checkpointSchema.prefault({}),
    log: pretrainLogSchema.prefault({}),
  })
  .describe('Configuration of a VideoMAE pretraining run.')

/** What a recipe may say: every key is optional. */
export type RunInput = z.input<typeof runSchema>

/** A checked configuration with every default filled in. */
export type RunConfiguration = z.output<typeof runSchema>

/** The published JSON schema of recipes (`models/schema.json`), for editors. */
export function runJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(runSchema, { io: 'input' }) as Record<string, unknown>
}
