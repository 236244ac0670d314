import { initialise } from '../model/initialise.ts'
import type { LoadedCheckpoint } from '../model/load-checkpoint.ts'
import type { ModelState } from '../model/parameters.ts'
import { withPositionsFor } from '../model/positions.ts'
import { buildPretrainProgram } from '../model/pretrain.ts'
import { saveCheckpointDirectory } from '../model/save-checkpoint.ts'
import type { TrainingPrograms } from '../model/training-programs.ts'
import type { ResolvedRun } from './resolve.ts'
import type { OpenedTraining } from './training-run.ts'
import { openTrainingSession, optimiserOptions } from './training-session.ts'

/** Builds the programs of a run and opens them in the engine it asks for; see `openTrainingSession`. */
export async function openPretrainSession(run: ResolvedRun, usedBefore: string | null = null): Promise<OpenedTraining> {
  const { configuration, model, runsPerStep } = run
  const { optimiser, engine, mask } = configuration
  const training = buildPretrainProgram({
    configuration: model,
    batch: run.clipsPerRun,
    visible: run.visible,
    ...(mask.decoder === null ? { masked: run.predicted } : { decoded: run.predicted }),
    optimiser: optimiserOptions(optimiser, runsPerStep),
  })
  return openTrainingSession(training, engine, runsPerStep, [], usedBefore)
}

/** Weights to start from: those of a checkpoint, or fresh ones. */
export function startingWeights(
  run: ResolvedRun,
  training: TrainingPrograms,
  source: Pick<LoadedCheckpoint, 'configuration' | 'state'> | null,
): ModelState {
  if (source === null) return initialise(training.parameters, run.configuration.seed)
  return withPositionsFor(source.state, source.configuration, run.model)
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
