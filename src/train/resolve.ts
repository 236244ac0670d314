import { stringify } from 'yaml'
import { invalidArgument } from '../core/errors.ts'
import type { TokenGrid } from '../mask/grid.ts'
import { decodedCount, maskCounts } from '../mask/mask.ts'
import { type ModelConfiguration, tokenGrid } from '../model/configuration.ts'
import { parameterCount, parameterShapes } from '../model/parameters.ts'
import type { RunConfiguration } from './configuration.ts'
import { type Duration, durationSteps, formatDuration, type StepRate } from './duration.ts'
import { modelConfiguration } from './model-section.ts'
import { scaledLearningRate } from './schedule.ts'

/** What follows from a configuration, as numbers. Steps are null while the number of videos is not known. */
export interface ResolvedRun {
  readonly configuration: RunConfiguration
  readonly model: ModelConfiguration
  readonly grid: TokenGrid
  /** Tokens of a clip that the encoder sees, and that the decoder predicts. */
  readonly visible: number
  readonly predicted: number
  /** Clips in one run of the engine, and runs of the engine per optimizer step. */
  readonly clipsPerRun: number
  readonly runsPerStep: number
  readonly learningRate: number
  readonly minimumLearningRate: number
  readonly weightDecayEnd: number
  readonly videos: number | null
  readonly stepsPerEpoch: number | null
  readonly steps: number | null
  readonly warmupSteps: number | null
  readonly checkpointSteps: number | null
  readonly logSteps: number | null
}

export interface ResolveFacts {
  /** Usable videos in the data; default: not known. */
  readonly videos?: number | null
  /** Configuration of the checkpoint that `model.from` names. */
  readonly source?: ModelConfiguration | null
}

/**
 * Everything a run follows from, checked together.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` and the codes of masks and model configurations, where values do not fit
 */
export function resolveRun(configuration: RunConfiguration, facts: ResolveFacts = {}): ResolvedRun {
  const { data, mask } = configuration
  const model = modelConfiguration(configuration.model, facts.source ?? null)
  const grid = tokenGrid(model)
  const { visible, masked } = maskCounts(mask.kind, grid, mask.ratio)
  const predicted = mask.decoder === null ? masked : decodedCount(mask.decoder.kind, grid, mask.decoder.ratio)
  const videos = facts.videos ?? null
  return {
    configuration,
    model,
    grid,
    visible,
    predicted,
    videos,
    ...resolveLength(configuration, data.samplesPerClip, videos),
  }
}

/** What every kind of run says of its log. */
interface LogInterval {
  readonly log: Pick<RunConfiguration['log'], 'every'>
}

/** How much is trained and how fast: the numbers that every kind of run has. */
export type ResolvedLength = Pick<
  ResolvedRun,
  | 'clipsPerRun'
  | 'runsPerStep'
  | 'learningRate'
  | 'minimumLearningRate'
  | 'weightDecayEnd'
  | 'stepsPerEpoch'
  | 'steps'
  | 'warmupSteps'
  | 'checkpointSteps'
  | 'logSteps'
>

/**
 * Durations as steps, and learning rates scaled by the batch.
 *
 * @param videos that one pass visits; null: not known
 * @param passes how often that list names each video. More than once where there are fewer videos than a run takes.
 * @throws VideoMaeError `INVALID_ARGUMENT` where values do not fit
 */
export function resolveLength(
  {
    batch,
    optimizer,
    schedule,
    checkpoint,
    log,
  }: Pick<RunConfiguration, 'batch' | 'optimizer' | 'schedule' | 'checkpoint'> & LogInterval,
  samplesPerClip: number,
  videos: number | null,
  passes = 1,
): ResolvedLength {
  const clipsPerRun = batch.perRun ?? defaultClipsPerRun(batch.size, samplesPerClip)
  const divisor = Number.isInteger(batch.size / clipsPerRun)
  if (!divisor || clipsPerRun % samplesPerClip !== 0) {
    throw invalidArgument(
      'batch.perRun',
      `a divisor of batch.size (${batch.size}) and a multiple of data.samplesPerClip (${samplesPerClip})`,
      clipsPerRun,
      'Change batch.size and batch.perRun together; batch.perRun: null chooses a divisor.',
    )
  }
  const runsPerStep = batch.size / clipsPerRun
  // Of every pass over the videos, what does not fill a run of the engine is left out.
  const runsPerPass = videos === null ? null : Math.floor(videos / (clipsPerRun / samplesPerClip)) / passes
  const rate: StepRate = {
    clipsPerStep: batch.size,
    stepsPerEpoch: runsPerPass === null ? null : runsPerPass / runsPerStep,
  }
  const steps = stepsOrNull(schedule.duration, rate)
  const warmupSteps = stepsOrNull(schedule.warmup, rate)
  if (steps !== null && warmupSteps !== null && warmupSteps > steps) {
    throw invalidArgument(
      'schedule.warmup',
      `at most the duration of the run, ${inSteps(schedule.duration, steps)}`,
      inSteps(schedule.warmup, warmupSteps),
      `A shorter run needs a shorter warm-up, a tenth for example: --set schedule.warmup="${Math.max(1, Math.floor(steps / 10))} steps".`,
    )
  }
  const rule = { globalBatch: batch.size, samplesPerClip, countRepeats: optimizer.countRepeats }
  return {
    clipsPerRun,
    runsPerStep,
    learningRate: scaledLearningRate({ ...rule, baseLearningRate: optimizer.baseLearningRate }),
    minimumLearningRate: scaledLearningRate({ ...rule, baseLearningRate: optimizer.minimumBaseLearningRate }),
    weightDecayEnd: optimizer.weightDecayEnd ?? optimizer.weightDecay,
    stepsPerEpoch: rate.stepsPerEpoch,
    steps,
    warmupSteps,
    checkpointSteps: stepsOrNull(checkpoint.every, rate),
    logSteps: stepsOrNull(log.every, rate),
  }
}

/** `2 epochs (24 steps)`. */
function inSteps(duration: Duration, steps: number): string {
  const text = formatDuration(duration)
  return text === `${steps} steps` ? text : `${text} (${steps} steps)`
}

function stepsOrNull(duration: Duration, rate: StepRate): number | null {
  return duration.unit === 'epochs' && rate.stepsPerEpoch === null ? null : durationSteps(duration, rate)
}

/** At most 8 clips, or the samples of one video where those are more. */
function defaultClipsPerRun(size: number, samplesPerClip: number): number {
  let best = samplesPerClip
  for (let clips = samplesPerClip; clips <= Math.min(8, size); clips += samplesPerClip)
    if (size % clips === 0) best = clips
  return best
}

/** A configuration as plain JSON in the form recipes are written in (durations as text). */
export function plainConfiguration(
  configuration: Pick<RunConfiguration, 'schedule' | 'checkpoint'> & LogInterval,
): Record<string, unknown> {
  const { schedule, checkpoint, log } = configuration
  return {
    ...configuration,
    schedule: { duration: formatDuration(schedule.duration), warmup: formatDuration(schedule.warmup) },
    checkpoint: { ...checkpoint, every: formatDuration(checkpoint.every) },
    log: { ...log, every: formatDuration(log.every) },
  }
}

/** Every value of a run, given or derived: what `config.json` and `--print-config` hold. */
export function plainRun(run: ResolvedRun): Record<string, unknown> {
  const { configuration, model, grid, ...numbers } = run
  const parameters = parameterCount(parameterShapes(model, 'pretrain'))
  return {
    ...plainConfiguration(configuration),
    derived: { ...numbers, tokens: grid.t * grid.h * grid.w, grid, parameters, model },
  }
}

/** `--print-config`: YAML whose sections, without `derived`, are a recipe of the same run. */
export function formatRun(run: ResolvedRun): string {
  return stringify(plainRun(run), { lineWidth: 120 })
}
