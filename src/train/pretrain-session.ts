import { initialise } from '../model/initialise.ts'
import type { ModelState } from '../model/parameters.ts'
import { buildPretrainProgram } from '../model/pretrain.ts'
import { saveCheckpointDirectory } from '../model/save-checkpoint.ts'
import type { TrainingPrograms } from '../model/training-programs.ts'
import { chooseEngine } from './engine-choice.ts'
import type { ResolvedRun } from './resolve.ts'
import { type OpenedTraining, stepPrograms } from './training-run.ts'

/** Builds the programs of a run and opens them in the engine it asks for. */
export async function openPretrainSession(run: ResolvedRun): Promise<OpenedTraining> {
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
    recompute: wanted.recompute,
  })
  return {
    session,
    training,
    programs: stepPrograms(training, runsPerStep),
    accumulateInputs: accumulate ? { gradientWeight: Float32Array.of(1 / runsPerStep) } : {},
  }
}

/** Weights to start from: those of a checkpoint, or fresh ones. */
export function startingWeights(run: ResolvedRun, training: TrainingPrograms, source: ModelState | null): ModelState {
  return source ?? initialise(training.parameters, run.configuration.seed)
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
