import { z } from 'zod'
import { readoutSchema } from '../model/readout.ts'
import { automaticReadout, readoutSyntax } from '../model/readout-name.ts'
import { strideSchema } from '../train/clip-timing.ts'
import {
  batchSchema,
  checkpointSchema,
  decodingOptions,
  engineSchema,
  fpsSchema,
  logSchema,
  modelSchema,
  optimizerSchema,
  refuseBothTimings,
  scheduleSchema,
  textSchema,
} from '../train/configuration.ts'
import { type ConfigurationSource, checkedConfiguration, loadConfiguration } from '../train/configuration-file.ts'
import { countSchema } from '../train/count-schema.ts'
import { durationSchema, formatDuration } from '../train/duration.ts'
import { plainConfiguration } from '../train/resolve.ts'

const share = z.number().min(0).lt(1)

/** How much of the model learns. */
export const finetuneModes = ['full', 'linear', 'attentive', 'ridge'] as const
export type FinetuneMode = (typeof finetuneModes)[number]

const dataSchema = z
  .strictObject({
    path: z
      .union([textSchema, z.array(textSchema).min(1)])
      .nullable()
      .default(null)
      .describe(
        'A folder per class, a list with path,label[,start,end][,group][,split], or several of these. The DATA argument of the command replaces it.',
      ),
    validation: share.default(0.1).describe('Share of validation videos, on which the best checkpoint is chosen.'),
    test: share.default(0.2).describe('Share of test videos, which only the finished classifier sees.'),
    official: z.boolean().default(true).describe('Use the split column of the list, if it has one.'),
    shots: countSchema('shots').nullable().default(null).describe('Training videos kept per class; null: all.'),
    samplesPerClip: countSchema('samplesPerClip')
      .default(1)
      .describe('Repeated augmentation: variants of each decoded clip; the reference code uses 2.'),
    ...decodingOptions,
  })
  .describe('Labeled videos and their split.')

const clipSchema = z
  .strictObject({
    sampling: z
      .enum(['dense', 'segments'])
      .nullable()
      .default(null)
      .describe(
        'dense: frames at a fixed stride (Kinetics); segments: frames spread over the whole video (Something-Something).',
      ),
    stride: strideSchema.nullable().default(null).describe('Take every n-th frame; null: as the encoder was trained.'),
    fps: fpsSchema.describe('Frames per second of the clip, sampled by time; not together with a stride.'),
  })
  .check(refuseBothTimings)
  .describe('Which frames become a clip; null: as in the training of the encoder.')

const augmentSchema = z
  .strictObject({
    randAugment: z
      .strictObject({
        operations: countSchema('operations').default(4),
        magnitude: z.number().min(0).max(10).default(7),
        deviation: z.number().nonnegative().default(0.5),
        probability: z.number().min(0).max(1).default(0.5),
      })
      .nullable()
      .prefault({})
      .describe('RandAugment, the same operations in all frames; null: none.'),
    area: z
      .tuple([z.number().positive().max(1), z.number().positive().max(1)])
      .default([0.08, 1])
      .describe('Smallest and largest share of the picture area that the random crop keeps.'),
    aspect: z.tuple([z.number().positive(), z.number().positive()]).default([0.75, 4 / 3]),
    flip: z
      .boolean()
      .default(false)
      .describe('Mirror half of the samples: right for Kinetics, wrong if left and right distinguish classes.'),
    erasing: z
      .number()
      .min(0)
      .max(1)
      .default(0.25)
      .describe('Random erasing: probability that a box of a clip is replaced by noise.'),
    mixup: z.number().positive().nullable().default(0.8),
    cutmix: z.number().positive().nullable().default(1),
    mixProbability: z.number().min(0).max(1).default(1).describe('Probability that a batch is mixed.'),
    smoothing: share.default(0.1).describe('Label smoothing: share of the target spread evenly over all classes.'),
  })
  .describe('Augmentation of clips and targets in training (mode full).')

const regularizationSchema = z
  .strictObject({
    dropPath: share
      .default(0.1)
      .describe('Drop path rate of the last block; it increases linearly from 0 at the first.'),
    dropout: share.default(0).describe('Dropout before the last layer.'),
    layerDecay: z
      .number()
      .positive()
      .max(1)
      .default(0.75)
      .describe('Learning rate of each layer relative to the next one.'),
  })
  .describe('Regularization.')

const probeSchema = z
  .strictObject({
    epochs: countSchema('epochs').nullable().default(null).describe('null: 100 (linear), 20 (attentive).'),
    batch: countSchema('batch').nullable().default(null).describe('null: 64 (linear), 16 (attentive).'),
    learningRate: z.number().positive().nullable().default(null).describe('null: 3e-3 (linear), 1e-3 (attentive).'),
    weightDecay: z.number().nonnegative().default(0.05),
    heads: countSchema('heads')
      .nullable()
      .default(null)
      .describe('Number of attention heads of the attentive head; null: heads of width 64.'),
    readout: z
      .union([z.literal(automaticReadout), readoutSchema])
      .default(automaticReadout)
      .describe(
        `How a head of mode linear or ridge pools the tokens: ${readoutSyntax}; or ${automaticReadout}: chosen on the training videos. mean: through the norm of a classifier.`,
      ),
    clips: countSchema('clips')
      .default(1)
      .describe('Temporal views of each training video, one row of features for each.'),
    cache: textSchema.nullable().default(null).describe('Folder of the features; null: features/ in the run folder.'),
  })
  .describe('Heads on frozen features (modes linear, attentive, ridge).')

const evaluationSchema = z
  .strictObject({
    every: durationSchema
      .nullable()
      .default(null)
      .describe('Interval between validation passes; null: twenty times in the run.'),
    clips: countSchema('clips').default(5).describe('Temporal views of every test video.'),
    crops: countSchema('crops').default(3).describe('Spatial views.'),
    batch: countSchema('batch').default(4).describe('Clips in one forward pass.'),
  })
  .describe('How checkpoints are validated and the best one is tested.')

/** A fine-tuning run. Every key that is not named here is an error. */
export const finetuneSchema = z
  .strictObject({
    seed: z.int().min(0).default(0).describe('Seed of all random numbers.'),
    mode: z
      .enum(finetuneModes)
      .default('full')
      .describe('full: all weights; linear, attentive, ridge: a head on frozen features.'),
    data: dataSchema.prefault({}),
    clip: clipSchema.prefault({}),
    model: modelSchema
      .extend({
        from: textSchema
          .nullable()
          .default(null)
          .describe('Checkpoint, run folder or Hugging Face directory to start from; "scratch": fresh weights.'),
        like: textSchema
          .nullable()
          .default(null)
          .describe('With from: scratch, a checkpoint with the model sizes to use, for a comparison.'),
      })
      .prefault({}),
    augment: augmentSchema.prefault({}),
    regularization: regularizationSchema.prefault({}),
    batch: batchSchema
      .extend({ size: countSchema('batchSize').default(32).describe('Clips per optimizer step, repeats included.') })
      .prefault({}),
    optimizer: optimizerSchema
      .extend({
        baseLearningRate: z
          .number()
          .nonnegative()
          .default(1e-3)
          .describe('For 256 clips per step: learning rate = baseLearningRate * batch.size / 256.'),
        minimumBaseLearningRate: z.number().nonnegative().default(1e-6),
        betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.999]),
      })
      .prefault({}),
    schedule: scheduleSchema
      .extend({ duration: durationSchema.prefault('50 epochs'), warmup: durationSchema.prefault('5 epochs') })
      .prefault({}),
    probe: probeSchema.prefault({}),
    evaluation: evaluationSchema.prefault({}),
    engine: engineSchema.prefault({}),
    checkpoint: checkpointSchema
      .extend({
        keep: countSchema('keep')
          .default(1)
          .describe('Number of newest checkpoints to keep, in addition to the best one.'),
      })
      .prefault({}),
    log: logSchema.prefault({}),
  })
  .describe('Configuration of a fine-tuning run.')

/** A configuration of fine-tuning as a program or recipe writes it; what is left out has a default. */
export type FinetuneInput = z.input<typeof finetuneSchema>
/** A configuration of fine-tuning with every default filled in. See docs/configuration.md. */
export type FinetuneConfiguration = z.output<typeof finetuneSchema>

/**
 * Checks a configuration that a program wrote, and fills in every default.
 *
 * @throws VideoMaeError `CONFIGURATION_INVALID` with every error and, for an unknown key, the nearest one that exists
 *
 * @example
 * ```ts
 * import { finetuneConfiguration } from 'videomae'
 *
 * const { mode, data } = finetuneConfiguration({
 *   data: { path: 'videos/labels.csv' },
 *   model: { from: 'checkpoints/encoder' },
 *   mode: 'ridge',
 * })
 * mode // => 'ridge'
 * data.decoder // => 'node-av'
 * ```
 */
export function finetuneConfiguration(input: FinetuneInput = {}): FinetuneConfiguration {
  return checkedConfiguration(finetuneSchema, input)
}

/**
 * Loads and checks the configuration of a fine-tuning run: file (`recipeFile(name, 'finetune')`), then overrides in order,
 * then defaults.
 *
 * @throws VideoMaeError `CONFIGURATION_UNREADABLE`, `CONFIGURATION_INVALID`
 *
 * @example
 * ```ts
 * import { loadFinetuneConfiguration, parseOverride, recipeFile } from 'videomae'
 *
 * const { data, mode } = await loadFinetuneConfiguration({
 *   file: recipeFile('finetune-laptop', 'finetune'),
 *   overrides: [parseOverride('data.path=videos/labels.csv'), parseOverride('model.from=checkpoints/encoder')],
 * })
 * data.path // => 'videos/labels.csv'
 * mode // => 'ridge'
 * ```
 */
export function loadFinetuneConfiguration(source: ConfigurationSource): Promise<FinetuneConfiguration> {
  return loadConfiguration(finetuneSchema, source)
}

/** What the section `data` says of decoding. */
export function loadingOptions({ workers, decoder, timeoutSeconds }: FinetuneConfiguration['data']) {
  return { workers: workers ?? undefined, decoder, timeoutSeconds }
}

/** A configuration as plain JSON in the form recipes are written in (durations as text). */
export function plainFinetuneConfiguration(configuration: FinetuneConfiguration): Record<string, unknown> {
  const { every } = configuration.evaluation
  return {
    ...plainConfiguration(configuration),
    evaluation: { ...configuration.evaluation, every: every === null ? null : formatDuration(every) },
  }
}

/** The published JSON schema of fine-tuning recipes (`models/finetune-schema.json`), for editors. */
export function finetuneJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(finetuneSchema, { io: 'input' }) as Record<string, unknown>
}
