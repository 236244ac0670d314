import { VideoMaeError } from '../core/errors.ts'
import { Ranks } from '../distributed/ranks.ts'
import type { Engine } from '../engine/engine.ts'
import { runClips } from '../engine/run-clips.ts'
import { type Classifier, saveClassifier } from '../inference/classifier.ts'
import type { EncoderSource } from '../inference/encoder-source.ts'
import type { ClipClassifier } from '../inference/predict-videos.ts'
import { frameSize } from '../model/configuration.ts'
import { initialize } from '../model/initialize.ts'
import type { ModelState, ParameterShapes } from '../model/model-state.ts'
import { stateNames } from '../model/training-programs.ts'
import { durationSteps } from '../train/duration.ts'
import { entriesDigest, runLabels } from '../train/pretrain-data.ts'
import { withAbsolutePaths } from '../train/run-paths.ts'
import { createSchedule } from '../train/schedule.ts'
import type { TrainingJob } from '../train/training-job.ts'
import type { TrainingRecord } from '../train/training-manifest.ts'
import {
  type OpenedTraining,
  type RunOptions,
  type ShowScalars,
  type TrainingRunResult,
  trainInDirectory,
} from '../train/training-run.ts'
import { openTrainingSession } from '../train/training-session.ts'
import type { IdleProcesses } from '../video/idle-processes.ts'
import { type FinetuneConfiguration, plainFinetuneConfiguration } from './configuration.ts'
import { openFinetuneData } from './finetune-data.ts'
import { announce, planFull } from './plan.ts'
import type { PreparedFinetuning } from './prepare.ts'
import { BestCheckpoint, type ValidationLine } from './validation.ts'
import { ValidationVideos } from './validation-videos.ts'

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
  /** What is written of the training data, beside every checkpoint. Default: nothing. */
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
  const every = evaluation.every === null ? Math.max(1, Math.floor(steps / 20)) : durationSteps(evaluation.every, rate)
  const sampling = source.sampling
  const same = { configuration: model, head: { kind: 'linear' }, labels: dataset.classes, sampling } as const
  const classifierOf = (state: ModelState): Classifier => ({ ...same, state })

  const { record } = options
  const best = new BestCheckpoint(options.out, async (folder) => record?.write(folder, options.out))
  const validation = new ValidationVideos({ ...options, ranks, videos: split.validation, data: resources.data })
  let missed = false
  const averaged = optimizer.ema !== null
  const validating = split.validation.length > 0
  const validatesAfter = (step: number): boolean => validating && (step % every === 0 || step === steps)
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
        await saveClassifier(folder, classifierOf(weights))
        if (averages !== null) await saveClassifier(`${folder}/ema`, classifierOf(averages))
        await record?.write(folder, options.out)
      },
      async onBegin(directory, done) {
        await options.onAccepted?.()
        const { lost } = await best.rewind(done)
        if (lost) options.onNote?.(`warning: ${lostBest(done)}`)
        // A run that was stopped in a validation pass has saved the step before it: the pass comes now.
        missed = done > 0 && validatesAfter(done) && !best.has(done)
        if (done < steps || missed) await record?.begin(done === 0 ? null : directory.checkpointPath(done))
      },
      async onStarted(done, opened, show) {
        if (await ranks.fromFirst(missed)) await validate(done, opened, show)
      },
      async afterStep(step, opened, show) {
        if (validatesAfter(step)) await validate(step, opened, show)
        else if (step === steps)
          await ranks.agree(async () => {
            if (ranks.rank > 0) return
            await best.save(classifierOf(await chosenWeights(opened, averaged)), { step })
          })
      },
    },
    options,
  )
  const validated = await ranks.fromFirst(best.has(steps))
  if (validatesAfter(steps) && !validated) throw ranks.commonly(stoppedInLastPass(steps, options.signal?.reason))
  if (ranks.rank === 0) await best.finish()
  const failures = [...validation.unreadable].map(([id, reason]) => ({ id, reason }))
  return { ...result, validation: best.best, failures: [...result.badFiles, ...failures] }

  /** A validation pass, unless a signal breaks it off; the run makes up for it when it goes on. Collective. */
  async function validate(step: number, opened: OpenedTraining, show: ShowScalars): Promise<void> {
    const scores = await validation.validate(
      classifierIn(opened, averaged ? 'validate.average' : 'validate', same, evaluation.batch),
    )
    if (scores === null) return
    await ranks.agree(async () => {
      if (ranks.rank > 0) return
      options.onNote?.(
        `validation after step ${step}: accuracy ${(100 * scores.accuracy).toFixed(1)} %, loss ${scores.loss.toFixed(4)}`,
      )
      await show(step, { 'validation/accuracy': scores.accuracy, 'validation/loss': scores.loss })
      await best.add({ step, ...scores }, async () => classifierOf(await chosenWeights(opened, averaged)))
    })
  }
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
      // A rate once meant something else beside a stride that a configuration does not show: what came of it is told.
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

/** The classifier that is trained, as it is now. `program` is the one whose probabilities it gives. */
function classifierIn(
  { session }: OpenedTraining,
  program: string,
  { configuration: model, labels, sampling }: Pick<Classifier, 'configuration' | 'labels' | 'sampling'>,
  batch: number,
): ClipClassifier {
  const size = frameSize(model)
  const clip = { session, program, batch, clipBytes: model.frames * size.height * size.width * 3 }
  return {
    labels,
    frames: model.frames,
    size,
    sampling,
    batch,
    probabilities: async (clips) => (await runClips(clip, clips, ['probabilities'])).probabilities,
    close: async () => {},
  }
}

function lostBest(step: number): string {
  return `the weights that were best on the validation videos until step ${step} are not there any more; the best ones are chosen among those from here on.`
}

function stoppedInLastPass(steps: number, cause: unknown): VideoMaeError {
  return new VideoMaeError(`Stopped in the validation after the last of ${steps} steps; training is done and saved.`, {
    code: 'INTERRUPTED',
    exit: 'interrupted',
    hint: 'Continue with --resume: only the validation and the test are left.',
    cause,
  })
}

/** Weights of the encoder where the source has them; a fresh last layer, and a fresh norm before it for a pretrained one. */
export function startingWeights(parameters: ParameterShapes, source: EncoderSource, seed: number): ModelState {
  const fresh = initialize(parameters, seed, 'finetune')
  for (const name of parameters.keys()) {
    const known = name.startsWith('head.') ? undefined : source.state.get(name)
    if (known !== undefined && known.length === fresh.get(name)!.length) fresh.set(name, known)
  }
  return fresh
}

/** The weights that are tested: averages where the run keeps them. */
async function chosenWeights({ session, training }: OpenedTraining, averaged: boolean): Promise<ModelState> {
  const names = [...training.parameters.keys()]
  if (!averaged) return session.readState(names)
  const trained = new Set(training.trained)
  const nameOf = (name: string): string => (trained.has(name) ? stateNames.average(name) : name)
  const state = await session.readState(names.map(nameOf))
  return new Map(names.map((name) => [name, state.get(nameOf(name))!]))
}
