import { initialize } from '../model/initialize.ts'
import type { LoadedCheckpoint } from '../model/load-checkpoint.ts'
import type { ModelState } from '../model/model-state.ts'
import { withPositionsFor } from '../model/positions.ts'
import { buildPretrainProgram } from '../model/pretrain.ts'
import { saveCheckpointDirectory } from '../model/save-checkpoint.ts'
import type { TrainingPrograms } from '../model/training-programs.ts'
import type { ResolvedRun } from './resolve.ts'
import { optimizerOptions } from './training-session.ts'

/**
 * Builds the programs of a run.
 *
 * @param clipsPerRun other than the run has them: to see what they would need, or those of one rank
 * @param ranks that train together
 */
export function buildPretraining(run: ResolvedRun, clipsPerRun = run.clipsPerRun, ranks = 1): TrainingPrograms {
  const { optimizer, mask, batch } = run.configuration
  return buildPretrainProgram({
    configuration: run.model,
    batch: clipsPerRun,
    visible: run.visible,
    ...(mask.decoder === null ? { masked: run.predicted } : { decoded: run.predicted }),
    optimizer: optimizerOptions(optimizer, batch.size / clipsPerRun / ranks, ranks),
  })
}

/** Weights to start from: those of a checkpoint, or fresh ones. */
export function initialWeights(
  run: ResolvedRun,
  training: TrainingPrograms,
  source: Pick<LoadedCheckpoint, 'configuration' | 'state'> | null,
): ModelState {
  if (source === null) return initialize(training.parameters, run.configuration.seed)
  return withPositionsFor(source.state, source.configuration, run.model)
}

/** Writes the model in the Hugging Face layout, and its average, where there is one, into `ema/`. */
export async function writePretrainedModel(
  directory: string,
  run: ResolvedRun,
  weights: ModelState,
  averages: ModelState | null,
): Promise<void> {
  const model = { configuration: run.model, kind: 'pretrain' as const }
  await saveCheckpointDirectory(directory, { ...model, state: weights })
  if (averages !== null) await saveCheckpointDirectory(`${directory}/ema`, { ...model, state: averages })
}
