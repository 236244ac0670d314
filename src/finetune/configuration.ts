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
        'A folder per class, or a list with path,label[,start,end][,group][,split]; or several. The DATA argument of the command replaces it.',
      ),
    validation: share.default(0.1).describe('Share of the videos to choose the best checkpoint on.'),
    test: share.default(0.2).describe('Share of the videos that only the finished classifier sees.'),
    official: z.boolean().default(true).describe('Use the split column of the list, where it has one.'),
    shots: countSchema('shots').nullable().default(null).describe('Training videos kept per class; null: all.'),
    samplesPerClip: countSchema('samplesPerClip')
      .default(1)
      .describe('Repeated augmentation: variants of every decoded clip; the reference uses 2.'),
    ...decodingOptions,
  })
  .describe('Labeled videos and how they are divided.')

const clipSchema = z
  .strictObject({
    sampling: z
      .enum(['dense', 'segments'])
      .nullable()
      .default(null)
      .describe('dense: frames a stride apart (Kinetics); segments: spread over the video (Something-Something).'),
    stride: strideSchema
      .nullable()
      .default(null)
      .describe('Frames from one to the next; null: as the encoder was trained.'),
    fps: fpsSchema.describe('Frames per second of the clip, by time; not together with a stride.'),
  })
  .check(refuseBothTimings)
  .describe('Which frames become a clip; null: as the encoder was trained.')

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
      .describe('Smallest and largest share of the picture that the random crop keeps.'),
    aspect: z.tuple([z.number().positive(), z.number().positive()]).default([0.75, 4 / 3]),
    flip: z
      .boolean()
      .default(false)
      .describe('Mirror half of the samples: right for Kinetics, wrong where left and right are classes.'),
    erasing: z.number().min(0).max(1).default(0.25).describe('How likely a clip loses a box to noise.'),
    mixup: z.number().positive().nullable().default(0.8),
    cutmix: z.number().positive().nullable().default(1),
    mixProbability: z.number().min(0).max(1).default(1).describe('How likely a batch is mixed.'),
    smoothing: share.default(0.1).describe('Share of a target given to all classes alike.'),
  })
  .describe('What is done to clips and targets in training (mode full).')

const regularizationSchema = z
  .strictObject({
    dropPath: share.default(0.1).describe('Rate at the last block; it grows evenly from 0 at the first.'),
    dropout: share.default(0).describe('Before the last layer.'),
    layerDecay: z.number().positive().max(1).default(0.75).describe('Learning rate of a layer relative to the next.'),
  })
  .describe('What keeps a large model from learning small data by heart.')

const probeSchema = z
  .strictObject({
    epochs: countSchema('epochs').nullable().default(null).describe('null: 100 (linear), 20 (attentive).'),
    batch: countSchema('batch').nullable().default(null).describe('null: 64 (linear), 16 (attentive).'),
    learningRate: z.number().positive().nullable().default(null).describe('null: 3e-3 (linear), 1e-3 (attentive).'),
    weightDecay: z.number().nonnegative().default(0.05),
    heads: countSchema('heads')
      .nullable()
      .default(null)
      .describe('Attention heads of the attentive head; null: heads of 64 values.'),
    readout: z
      .union([z.literal(automaticReadout), readoutSchema])
      .default(automaticReadout)
      .describe(
        `What a head of mode linear or ridge reads of the tokens: ${readoutSyntax}; or ${automaticReadout}: chosen on the training videos. mean: through the norm of a classifier.`,
      ),
    clips: countSchema('clips').default(1).describe('Temporal views of each training video; a row of features each.'),
    cache: textSchema.nullable().default(null).describe('Folder of the features; null: features/ in the run folder.'),
  })
  .describe('Heads on frozen features (modes linear, attentive, ridge).')

const evaluationSchema = z
  .strictObject({
    every: durationSchema
      .nullable()
      .default(null)
      .describe('From one validation pass to the next; null: twenty times in the run.'),
    clips: countSchema('clips').default(5).describe('Temporal views of every test video.'),
    crops: countSchema('crops').default(3).describe('Spatial views.'),
    batch: countSchema('batch').default(4).describe('Clips in one run.'),
  })
  .describe('How checkpoints are chosen and the chosen one is tested.')

/** A fine-tuning run. Every key that is not named here is an error. */
export const finetuneSchema = z
  .strictObject({
    seed: z.int().min(0).default(0).describe('Everything random follows from it.'),
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
          .describe('With from: scratch, a checkpoint whose sizes are taken, for a comparison.'),
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
          .describe('How many of the newest checkpoints stay, in addition to the best one.'),
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
 */
export function finetuneConfiguration(input: FinetuneInput = {}): FinetuneConfiguration {
  return checkedConfiguration(finetuneSchema, input)
}

/**
 * Loads and checks the configuration of a fine-tuning run: file (`recipeFile(name, 'finetune')`), then overrides in order,
 * then defaults.
 *
 * @throws VideoMaeError `CONFIGURATION_UNREADABLE`, `CONFIGURATION_INVALID`
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
