/** What a run writes into its folder while it trains: lines of metrics, TensorBoard events, unreadable videos and checkpoints. */
import { VideoMaeError } from '../core/errors.ts'
import type { Precision } from '../engine/engine.ts'
import { firstNonFinite } from '../format/finite.ts'
import type { SafetensorsTensor } from '../format/safetensors.ts'
import { openTensorboard, type TensorboardWriter } from '../format/tensorboard.ts'
import type { ModelState } from '../model/model-state.ts'
import { stateNames } from '../model/training-programs.ts'
import type { BadFile } from '../video/epoch-order.ts'
import { type FoundCheckpoint, saveCheckpoint, type TrainerState } from './checkpoint.ts'
import type { StepRecord } from './loop.ts'
import { Metrics, type MetricsLine } from './metrics.ts'
import { nonFiniteHint } from './non-finite-hint.ts'
import type { RunDirectory } from './run-directory.ts'
import type { OpenedTraining, TrainingJob, TrainingRunResult } from './training-job.ts'

/** What the records of a run begin with. */
interface RecordsStart {
  /** What every checkpoint says of the run. */
  readonly identity: Pick<TrainerState, 'engine' | 'engineVariant' | 'configuration' | 'data'>
  readonly onNote: ((note: string) => void) | undefined
  /** The checkpoint that the run continues from; null for a run that begins. */
  readonly before: FoundCheckpoint | null
}

/** The records of one run, on the rank that has the folder. */
export class RunRecords {
  readonly #job: TrainingJob
  readonly #opened: OpenedTraining
  readonly #directory: RunDirectory
  readonly #start: RecordsStart
  readonly #metrics: Metrics
  #tensorboard: TensorboardWriter | null = null
  #lastLine: MetricsLine | null = null
  #checkpoint: string
  #badFilesWritten: Promise<void> = Promise.resolve()

  constructor(job: TrainingJob, opened: OpenedTraining, directory: RunDirectory, start: RecordsStart) {
    this.#job = job
    this.#opened = opened
    this.#directory = directory
    this.#start = start
    this.#metrics = new Metrics(start.before?.state.metrics)
    this.#checkpoint = start.before?.path ?? ''
  }

  /** @param kept lines of metrics until the step that the run continues from */
  async open(kept: readonly MetricsLine[]): Promise<void> {
    this.#lastLine = kept.at(-1) ?? null
    if (!this.#job.tensorboard) return
    const firstStep = (this.#start.before?.state.step ?? 0) + 1
    this.#tensorboard = await openTensorboard(this.#directory.events, { firstStep })
  }

  /** Numbers of a step for TensorBoard, by their tags. */
  async show(step: number, scalars: Readonly<Record<string, number>>): Promise<void> {
    await this.#tensorboard?.write({ step, scalars })
  }

  /** Notes a video that cannot be read. It is written before the next checkpoint. */
  addBadFile(file: BadFile): void {
    this.#start.onNote?.(`Skipping an unreadable video: ${file.reason}`)
    this.#badFilesWritten = this.#badFilesWritten.then(() => this.#directory.appendBadFile(file))
    this.#badFilesWritten.catch(() => {}) // awaited when the run is saved; until then it must not count as unhandled
  }

  /** Counts a step. @returns the line of metrics where the step has one */
  async addStep(record: StepRecord): Promise<MetricsLine | null> {
    const { logSteps, steps, csv } = this.#job
    this.#metrics.add(record)
    if (record.step % logSteps !== 0 && record.step !== steps) return null
    const line = await lineOf(this.#metrics, record.step, this.#job, this.#opened.session)
    this.#lastLine = line
    await this.#directory.appendMetrics(line, csv)
    await this.#tensorboard?.write(events(line))
    return line
  }

  /** Writes a checkpoint, and everything before it to the disk. */
  async save(step: number, badFiles: BadFile[]): Promise<void> {
    await this.written()
    await this.#directory.flushHistory()
    await this.#tensorboard?.flush()
    const { seed } = this.#job
    const state = { step, seed, ...this.#start.identity, badFiles, metrics: this.#metrics.state }
    this.#checkpoint = await saveState(this.#job, this.#opened, this.#directory, state)
    this.#start.onNote?.(`Saved ${this.#checkpoint}`)
  }

  /** Waits for the list of videos that cannot be read. */
  written(): Promise<void> {
    return this.#badFilesWritten
  }

  /** What the run returns of its records. */
  summary(): Omit<TrainingRunResult, 'run' | 'engine' | 'steps' | 'badFiles'> {
    const { clips, seconds } = this.#metrics.state.totals
    const { meanLoss, clipsPerSecond } = this.#metrics
    const [loss, checkpoint] = [this.#lastLine?.loss ?? null, this.#checkpoint]
    return { checkpoint, loss, meanLoss, clips, seconds, clipsPerSecond }
  }

  async close(): Promise<void> {
    await this.#tensorboard?.close()
  }
}

/** Writes a checkpoint. @returns its path */
async function saveState(
  job: TrainingJob,
  opened: OpenedTraining,
  directory: RunDirectory,
  state: Parameters<typeof saveCheckpoint>[1]['state'],
): Promise<string> {
  const { weights, optimizer, averages } = await readTrainedState(opened, state.step, job.ema !== null)
  const writeModel = (folder: string) => job.writeModel(folder, weights, averages)
  return saveCheckpoint(directory, { writeModel, optimizer, state }, job.keep)
}

/** The line of metrics after a step. */
async function lineOf(
  metrics: Metrics,
  step: number,
  { schedule, stepsPerEpoch }: Pick<TrainingJob, 'schedule' | 'stepsPerEpoch'>,
  session: OpenedTraining['session'],
): Promise<MetricsLine> {
  const { state, workspace } = await session.memory()
  const memory = process.resourceUsage().maxRSS * 1024
  return metrics.line(step, { scheduled: schedule(step - 1), stepsPerEpoch, memory, engineMemory: state + workspace })
}

/** What a checkpoint needs of the engine: weights, and moments and averages by the names of their state. */
async function readTrainedState(
  { session, training, precision }: OpenedTraining,
  step: number,
  averaged: boolean,
): Promise<{ weights: ModelState; optimizer: Map<string, SafetensorsTensor>; averages: ModelState | null }> {
  const kinds = [stateNames.firstMoment, stateNames.secondMoment, ...(averaged ? [stateNames.ema] : [])]
  const owners = new Map(kinds.flatMap((nameOf) => training.trained.map((parameter) => [nameOf(parameter), parameter])))
  const state = await session.readState([...training.parameters.keys(), ...owners.keys()])
  for (const [name, values] of state) requireFiniteState(step, name, values, precision)
  const optimizer = new Map<string, SafetensorsTensor>()
  for (const [name, parameter] of owners) {
    optimizer.set(name, { shape: training.parameters.get(parameter)!, data: state.get(name)! })
  }
  if (!averaged) return { weights: state, optimizer, averages: null }
  const averages = new Map(
    [...training.parameters.keys()].map((name) => [name, state.get(stateNames.ema(name)) ?? state.get(name)!]),
  )
  return { weights: state, optimizer, averages }
}

/** An update can leave the range of floats although its loss and its gradient were finite. Nobody could use such a checkpoint. */
function requireFiniteState(step: number, name: string, values: Float32Array, precision: Precision | undefined): void {
  const index = firstNonFinite(values)
  if (index < 0) return
  throw new VideoMaeError(
    `Expected finite values in ${name} after step ${step}, but value ${index} of ${values.length} is ${values[index]}. Nothing is saved.`,
    {
      code: 'NON_FINITE',
      exit: 'nonFinite',
      hint: nonFiniteHint(
        'Start again, or from an earlier checkpoint (model.from), with a lower optimizer.baseLearningRate.',
        precision,
      ),
    },
  )
}

function events(line: MetricsLine) {
  const { step, epoch, loss, meanLoss, learningRate, weightDecay, gradientNorm, clipsPerSecond, dataWait, memory } =
    line
  return {
    step,
    scalars: {
      'train/loss': loss,
      ...(meanLoss !== undefined && { 'train/mean_loss': meanLoss }),
      'train/learning_rate': learningRate,
      'train/weight_decay': weightDecay,
      'train/gradient_norm': gradientNorm,
      'train/epoch': epoch,
      ...(clipsPerSecond !== null && { 'speed/clips_per_second': clipsPerSecond }),
      'speed/data_wait': dataWait,
      'speed/memory_bytes': memory,
    },
  }
}
