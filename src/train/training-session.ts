import type { Attachment } from '../distributed/communicator.ts'
import { automatic } from '../engine/automatic.ts'
import type { Engine, EngineOptions } from '../engine/engine.ts'
import type { Program } from '../graph/program.ts'
import type { TrainingPrograms } from '../model/training-programs.ts'
import type { RunConfiguration } from './configuration.ts'
import { chooseEngine, withHintOf } from './engine-choice.ts'
import { type OpenedTraining, stepPrograms } from './training-run.ts'

/** The section `engine` of a configuration as an engine takes it. */
export function engineOptions(wanted: Omit<RunConfiguration['engine'], 'name'>): EngineOptions {
  const { threads, device, precision, recompute } = wanted
  return { threads: threads ?? undefined, device: device ?? undefined, precision, recompute }
}

/** What a configuration says of the optimizer's programs. */
export function optimizerOptions(
  { betas: [beta1, beta2], epsilon, clipNorm, ema }: RunConfiguration['optimizer'],
  runsPerStep: number,
  ranks = 1,
) {
  return { beta1, beta2, epsilon, clipNorm, ema: ema !== null, accumulate: runsPerStep > 1, ranks }
}

/**
 * Opens the programs of a training run, and others that share their state, in the engine that the configuration asks for.
 *
 * @param wanted the engine by its name, or itself: one whose sessions serve several runs
 * @param usedBefore the engine that the run was started with, where it is resumed: it continues there unless another one is
 *   asked for
 * @param ranks that gradients are averaged over
 * @throws VideoMaeError what choosing and opening an engine throw
 */
export async function openTrainingSession(
  training: TrainingPrograms,
  wanted: Omit<RunConfiguration['engine'], 'name'> & { readonly name: string | Engine | null },
  runsPerStep: number,
  others: readonly Program[] = [],
  usedBefore: string | null = null,
  ranks: Attachment = { transport: 'self' },
): Promise<OpenedTraining> {
  const free = wanted.name === null || wanted.name === automatic
  const continues = usedBefore !== null
  const engine = await chooseEngine(free ? usedBefore : wanted.name, { ...wanted, ranks }, continues)
  const options = { ...engineOptions(wanted), ranks }
  return {
    session: await withHintOf(continues, () => engine.open([...training.programs, ...others], options)),
    training,
    precision: wanted.precision,
    programs: stepPrograms(training, runsPerStep),
    accumulateInputs: runsPerStep > 1 ? { gradientWeight: Float32Array.of(1 / runsPerStep) } : {},
  }
}
