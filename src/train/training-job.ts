import type { Ranks } from '../distributed/ranks.ts'
import type { EngineSession, Precision, RunInputs } from '../engine/engine.ts'
import type { ModelState } from '../model/model-state.ts'
import type { TrainingPrograms } from '../model/training-programs.ts'
import type { BadFile } from '../video/epoch-order.ts'
import type { Loader } from '../video/loader.ts'
import type { TrainerState } from './checkpoint.ts'
import type { StepPrograms, TrainingBatch } from './loop.ts'
import type { TrainingProgress } from './progress.ts'
import type { RunDirectory } from './run-directory.ts'
import type { RunLock } from './run-lock.ts'
import type { RunStart } from './run-start.ts'
import type { Schedule } from './schedule.ts'

/** What a caller decides about any run. */
export interface RunOptions {
  /** Folder of the run. */
  readonly out: string
  /** Continue the run in that folder from its newest whole checkpoint; from its start where it has none. Default false. */
  readonly resume?: boolean
  /** Resuming, accept another `schedule.duration`: the learning rate follows the new length from there on. Default false. */
  readonly newLength?: boolean
  /** The lock of that folder, where the caller holds it already. Default: it is taken for the run. */
  readonly lock?: RunLock
  /** Stops, saves the last whole step, and rejects with `INTERRUPTED`. The step in progress is canceled where the engine can do that. */
  readonly signal?: AbortSignal
  /** Asked after every step: true saves a checkpoint at once. Not looked at with several ranks. */
  readonly saveWanted?: () => boolean
  /** Called once it is known what the run is, before anything big is allocated. */
  readonly onStart?: (start: RunStart) => void
  /** Start although the memory that is available does not seem to suffice. Default false. */
  readonly force?: boolean
  /** Called after every step. */
  readonly onProgress?: (progress: TrainingProgress) => void
  /** The ranks that train together. Rank 0 has the folder. Default: this process alone. */
  readonly ranks?: Ranks
  /** Called for what a user should know as it happens, one line each: unreadable files, checkpoints, resuming. */
  readonly onNote?: (note: string) => void
}

/** An engine with the programs of a run, and what the loop has to know of them. */
export interface OpenedTraining {
  readonly session: EngineSession
  readonly training: TrainingPrograms
  readonly programs: StepPrograms
  readonly accumulateInputs: RunInputs
  /** That the session computes in; absent: float32. */
  readonly precision?: Precision
}

export interface TrainingData {
  readonly loader: Pick<Loader, 'badFiles' | 'stats' | 'close'>
  readonly next: () => Promise<TrainingBatch>
}

/** Where data continues: the same whether or not the run was interrupted there. */
export interface DataProgress {
  /** Optimizer steps done. */
  readonly done: number
  readonly knownBad: readonly BadFile[]
  readonly onBadFile: (file: BadFile) => void
}

/** Writes further numbers of a step for TensorBoard, by their tags, where the run has event files. */
export type ShowScalars = (step: number, scalars: Readonly<Record<string, number>>) => Promise<void>

/** A run that is kept in a folder: whatever is trained, the folder, the metrics and the checkpoints are the same. */
export interface TrainingJob {
  readonly seed: number
  /** What a resumed run must have in common with its checkpoint. */
  readonly identity: Pick<TrainerState, 'configuration' | 'data'>
  /** `config.json` of the run. */
  readonly description: Readonly<Record<string, unknown>>
  readonly steps: number
  readonly stepsPerEpoch: number
  readonly checkpointSteps: number
  readonly logSteps: number
  readonly schedule: Schedule
  /** Decay of the exponential moving average of the weights; null where there is none. */
  readonly ema: number | null
  /** Checkpoints that stay. */
  readonly keep: number
  readonly tensorboard: boolean
  /** Whether the metrics are written as `metrics.csv`, too. */
  readonly csv: boolean
  /** @param usedBefore the engine of the checkpoint that the run is resumed from, or null */
  readonly open: (usedBefore: string | null) => Promise<OpenedTraining>
  /** Weights of a run that begins; averages follow from them. */
  readonly startingState: (training: TrainingPrograms) => ModelState
  readonly openData: (progress: DataProgress) => TrainingData
  /** Writes the model, and its averages where there are any, in the Hugging Face layout. */
  readonly writeModel: (directory: string, weights: ModelState, averages: ModelState | null) => Promise<void>
  /** Called once before the first step with the steps done, on rank 0 alone. */
  readonly onBegin?: (directory: RunDirectory, done: number) => Promise<void>
  /** Called on every rank behind `onBegin`. Collective. */
  readonly onStarted?: (done: number, opened: OpenedTraining, show: ShowScalars) => Promise<void>
  /** Called on every rank before a checkpoint is written. Collective. */
  readonly beforeSave?: () => Promise<void>
  /** Called on every rank after every step and its line of metrics, before a checkpoint is written. Collective. */
  readonly afterStep?: (step: number, opened: OpenedTraining, show: ShowScalars) => Promise<void>
}

export interface TrainingRunResult {
  /** Folder of the run, and its last checkpoint. */
  readonly run: string
  readonly checkpoint: string
  readonly engine: string
  readonly steps: number
  /** Mean loss of the last line of metrics; null where there is none. */
  readonly loss: number | null
  /** Of pretraining: the loss of predicting the mean, over the whole run; null where it is not known. */
  readonly meanLoss: number | null
  /** Clips shown to the model, repeats included, and seconds of training, over all parts of the run. */
  readonly clips: number
  readonly seconds: number
  /** Without the first two steps of each part, in which the engine warms up; null where there are no others. */
  readonly clipsPerSecond: number | null
  readonly badFiles: readonly BadFile[]
}

/** Scalar inputs of the optimizer at each step. */
export function stepInputs(schedule: Schedule, emaDecay: number | null): (step: number) => RunInputs {
  return (step) => {
    const { learningRate, weightDecay } = schedule(step)
    const inputs = {
      learningRate: Float32Array.of(learningRate),
      weightDecay: Float32Array.of(weightDecay),
      step: Float32Array.of(step + 1),
    }
    return emaDecay === null ? inputs : { ...inputs, emaDecay: Float32Array.of(emaDecay) }
  }
}
