import { Ranks } from '../distributed/ranks.ts'
import type { Engine } from '../engine/engine.ts'
import { saveClassifier } from '../inference/classifier.ts'
import type { EncoderWeights } from '../inference/encoder-source.ts'
import { initialize } from '../model/initialize.ts'
import type { ModelState, ParameterShapes } from '../model/model-state.ts'
import { durationSteps } from '../train/duration.ts'
import { entriesDigest, runLabels } from '../train/pretrain-data.ts'
import { withAbsolutePaths } from '../train/run-paths.ts'
import { createSchedule } from '../train/schedule.ts'
import type { TrainingJob } from '../train/training-job.ts'
import type { TrainingRecord } from '../train/training-manifest.ts'
import { type RunOptions, type TrainingRunResult, trainInDirectory } from '../train/training-run.ts'
import { openTrainingSession } from '../train/training-session.ts'
import type { IdleProcesses } from '../video/idle-processes.ts'
import { type FinetuneConfiguration, plainFinetuneConfiguration } from './configuration.ts'
import { openFinetuneData } from './finetune-data.ts'
import { FullValidation } from './full-validation.ts'
import { announce, planFull } from './plan.ts'
import type { PreparedFinetuning } from './prepare.ts'
import type { ValidationLine } from './validation.ts'

export interface FullFinetuning extends TrainingRunResult {
  /** Training and validation videos that could not be read. */
  readonly failures: readonly { readonly id: string; readonly reason: string }[]
  readonly validation: ValidationLine | null
}

export interface FullOptions extends RunOptions {
  /** Called when the folder has been accepted for this run: one that is refused keeps its files. */
  readonly onAccepted?: () => Promise<void>
  /** Instead of the engine of the configuration, e.g. one whose sessions serve several runs. */
  readonly engine?: Engine
  /** What is written of the training data, next to every checkpoint. Default: nothing. */
  readonly record?: TrainingRecord
  /** Idle decoding processes of earlier calls, and where those of this run go in the end. Default: they end with the run. */
  readonly processes?: IdleProcesses
}

/**
 * Trains all weights of a classifier (VideoMAE fine-tuning): layer-wise learning rates, drop path, mixed and augmented
 * clips. The checkpoint that is best on the validation videos is kept in `best/`; without validation videos, the last. Of several
 * ranks the first writes; the others return no `validation`.
 */
export async function finetuneFull(
  configuration: FinetuneConfiguration,
  { dataset, split, source, reader }: PreparedFinetuning,
  options: FullOptions,
): Promise<FullFinetuning> {
  const { optimizer, checkpoint, log, seed, evaluation } = configuration
  const ranks = options.ranks ?? Ranks.alone()
  const plan = await ranks.agree(() => planFull(configuration, { dataset, split, source }, options))
  const { model, videos, length, share, resources, stepsPerEpoch, steps, built } = plan
  const rate = { clipsPerStep: configuration.batch.size, stepsPerEpoch }
  const { record } = options
  const { sampling } = source
  const classifier = { configuration: model, head: { kind: 'linear' }, labels: dataset.classes, sampling } as const
  const validation = new FullValidation(
    {
      ...{ steps, classifier, batch: evaluation.batch, videos: split.validation, data: resources.data },
      every: evaluation.every === null ? Math.max(1, Math.floor(steps / 20)) : durationSteps(evaluation.every, rate),
      averaged: optimizer.ema !== null,
      accompany: async (folder) => record?.write(folder, options.out),
    },
    { ...options, ranks },
  )
  await ranks.agree(() => announce(plan, options))
  const result = await trainInDirectory(
    {
      ...{ seed, steps, stepsPerEpoch, ema: optimizer.ema },
      ...{ keep: checkpoint.keep, tensorboard: log.tensorboard, csv: log.csv },
      ...recordedOf(configuration, { dataset, split, source }, plan),
      checkpointSteps: length.checkpointSteps!,
      logSteps: length.logSteps!,
      schedule: createSchedule({ ...optimizer, ...length, steps, warmupSteps: length.warmupSteps! }),
      open(usedBefore) {
        const wanted = { ...resources.engine, name: options.engine ?? configuration.engine.name }
        const { attachment } = ranks.communicator
        return openTrainingSession(built.training, wanted, share.runsPerStep, built.others, usedBefore, attachment)
      },
      startingState: ({ parameters }) => startingWeights(parameters, source, seed),
      openData: (progress) =>
        openFinetuneData({
          ...{ videos, configuration: resources, model, sampling, classes: dataset.classes.length },
          ...{ reader, processes: options.processes },
          ...length,
          ...(ranks.size > 1 && { share: { ...share, ranks } }),
          ...progress,
        }),
      async writeModel(folder, weights, averages) {
        await saveClassifier(folder, { ...classifier, state: weights })
        if (averages !== null) await saveClassifier(`${folder}/ema`, { ...classifier, state: averages })
        await record?.write(folder, options.out)
      },
      async onBegin(directory, done) {
        await options.onAccepted?.()
        await validation.rewind(done)
        const more = done < steps || validation.missed
        if (more) await record?.begin(done === 0 ? null : directory.checkpointPath(done))
      },
      onStarted: (done, opened, show) => validation.makeUp(done, opened, show),
      afterStep: (step, opened, show) => validation.afterStep(step, opened, show),
    },
    options,
  )
  await validation.finish()
  const failures = [...validation.unreadable].map(([id, reason]) => ({ id, reason }))
  return { ...result, validation: validation.best, failures: [...result.badFiles, ...failures] }
}

/** What identifies a run and what its folder says of it. */
function recordedOf(
  configuration: FinetuneConfiguration,
  { dataset, split, source: { sampling } }: Pick<PreparedFinetuning, 'dataset' | 'split' | 'source'>,
  { length, model }: Pick<Awaited<ReturnType<typeof planFull>>, 'length' | 'model'>,
): Pick<TrainingJob, 'identity' | 'description'> {
  const plain = withAbsolutePaths(plainFinetuneConfiguration(configuration))
  const visited = [...split.train, ...split.validation]
  return {
    identity: {
      // A rate once meant something else next to a stride that a configuration does not show: what came of it is told.
      configuration: { ...plain, ...(sampling.fps === null ? {} : { sampling }) },
      data: {
        entries: split.train.length,
        digest: entriesDigest(visited),
        labels: runLabels(dataset.classes, visited),
      },
    },
    description: {
      ...plain,
      derived: {
        ...length,
        classes: dataset.classes,
        sampling,
        model,
        videos: { train: split.train.length, validation: split.validation.length, test: split.test.length },
      },
    },
  }
}

/** Weights of the encoder where the source has them; a fresh last layer, and a fresh norm before it for a pretrained one. */
export function startingWeights(parameters: ParameterShapes, source: EncoderWeights, seed: number): ModelState {
  const fresh = initialize(parameters, seed, 'finetune')
  for (const name of parameters.keys()) {
    const known = name.startsWith('head.') ? undefined : source.state.get(name)
    if (known !== undefined && known.length === fresh.get(name)!.length) fresh.set(name, known)
  }
  return fresh
}
