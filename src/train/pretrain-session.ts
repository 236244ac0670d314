import type { EngineSession, RunInputs } from '../engine/engine.ts'
import type { SafetensorsTensor } from '../format/safetensors.ts'
import { initialise } from '../model/initialise.ts'
import type { ModelState } from '../model/parameters.ts'
import { buildPretrainProgram } from '../model/pretrain.ts'
import { saveCheckpointDirectory } from '../model/save-checkpoint.ts'
import { stateNames, type TrainingPrograms } from '../model/training-programs.ts'
import { chooseEngine } from './engine-choice.ts'
import type { StepPrograms } from './loop.ts'
import type { ResolvedRun } from './resolve.ts'
import type { Schedule } from './schedule.ts'

/** An engine with the programs of a run, and what the loop has to know of them. */
export interface PretrainSession {
  readonly session: EngineSession
  readonly training: TrainingPrograms
  readonly programs: StepPrograms
  readonly accumulateInputs: RunInputs
}

/** Builds the programs of a run and opens them in the engine it asks for. */
export async function openPretrainSession(run: ResolvedRun): Promise<PretrainSession> {
  const { configuration, model, runsPerStep } = run
  const { optimiser, engine: wanted, mask } = configuration
  const accumulate = runsPerStep > 1
  const training = buildPretrainProgram({
    configuration: model,
    batch: run.clipsPerRun,
    visible: run.visible,
    ...(mask.decoder === null ? { masked: run.predicted } : { decoded: run.predicted }),
    optimiser: {
      beta1: optimiser.betas[0],
      beta2: optimiser.betas[1],
      epsilon: optimiser.epsilon,
      clipNorm: optimiser.clipNorm,
      average: optimiser.average !== null,
      accumulate,
    },
  })
  const engine = await chooseEngine(wanted.name)
  const session = await engine.open(training.programs, {
    threads: wanted.threads ?? undefined,
    device: wanted.device ?? undefined,
    precision: wanted.precision,
  })
  const programs: StepPrograms =
    training.apply === null
      ? { kind: 'whole', train: training.step }
      : { kind: 'accumulated', accumulate: training.step, apply: training.apply, runs: runsPerStep }
  return {
    session,
    training,
    programs,
    accumulateInputs: accumulate ? { gradientWeight: scalar(1 / runsPerStep) } : {},
  }
}

/** Scalar inputs of the optimiser at each step. */
export function stepInputs(schedule: Schedule, averageDecay: number | null): (step: number) => RunInputs {
  return (step) => {
    const { learningRate, weightDecay } = schedule(step)
    const inputs = {
      learningRate: scalar(learningRate),
      weightDecay: scalar(weightDecay),
      step: scalar(step + 1),
    }
    return averageDecay === null ? inputs : { ...inputs, averageDecay: scalar(averageDecay) }
  }
}

function scalar(value: number): Float32Array {
  return new Float32Array([value])
}

/** Weights to start from: those of a checkpoint, or fresh ones. Averages begin as copies. */
export function startingState(run: ResolvedRun, training: TrainingPrograms, source: ModelState | null): ModelState {
  const { seed, optimiser } = run.configuration
  const state = new Map(source ?? initialise(training.parameters, seed))
  if (optimiser.average !== null) {
    for (const name of training.trained) state.set(stateNames.average(name), state.get(name)!)
  }
  return state
}

/** What a checkpoint needs of the engine: weights, and moments and averages by the names of their state. */
export async function readTrainedState(
  { session, training }: PretrainSession,
  averaged: boolean,
): Promise<{ weights: ModelState; optimiser: Map<string, SafetensorsTensor>; averages: ModelState | null }> {
  const kinds = [stateNames.firstMoment, stateNames.secondMoment, ...(averaged ? [stateNames.average] : [])]
  const owners = new Map(kinds.flatMap((nameOf) => training.trained.map((parameter) => [nameOf(parameter), parameter])))
  const state = await session.readState([...training.parameters.keys(), ...owners.keys()])
  const optimiser = new Map<string, SafetensorsTensor>()
  for (const [name, parameter] of owners) {
    optimiser.set(name, { shape: training.parameters.get(parameter)!, data: state.get(name)! })
  }
  if (!averaged) return { weights: state, optimiser, averages: null }
  const averages = new Map(
    [...training.parameters.keys()].map((name) => [name, state.get(stateNames.average(name)) ?? state.get(name)!]),
  )
  return { weights: state, optimiser, averages }
}

/** Writes the model in the Hugging Face layout, and its average, where there is one, into `ema/`. */
export async function writeModel(
  directory: string,
  run: ResolvedRun,
  weights: ModelState,
  averages: ModelState | null,
): Promise<void> {
  const model = { configuration: run.model, kind: 'pretrain' as const }
  await saveCheckpointDirectory(directory, { ...model, state: weights })
  if (averages !== null) await saveCheckpointDirectory(`${directory}/ema`, { ...model, state: averages })
}
