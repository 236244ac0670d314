/** How the clips of a step are shared by ranks. */
import { invalidArgument } from '../core/errors.ts'
import type { ResolvedLength } from './resolve.ts'

/** What one rank runs. */
export interface RankBatches {
  /** Clips in one run of the engine on one rank, and runs on each rank per optimizer step. */
  readonly clipsPerRun: number
  readonly runsPerStep: number
}

/**
 * Shares the runs of a step. `batch.size` counts the clips of all ranks, so the step is the same on any number of them; where one
 * process makes fewer runs a step than there are ranks, each rank's run has fewer clips.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` where the ranks cannot have as many whole videos each
 */
export function rankBatches(
  { clipsPerRun, runsPerStep }: Pick<ResolvedLength, 'clipsPerRun' | 'runsPerStep'>,
  samplesPerClip: number,
  ranks: number,
): RankBatches {
  if (ranks === 1) return { clipsPerRun, runsPerStep }
  const size = clipsPerRun * runsPerStep
  if (size % (ranks * samplesPerClip) !== 0)
    throw invalidArgument(
      'batch.size',
      `a multiple of ${ranks * samplesPerClip}, the number of ranks (${ranks}) times data.samplesPerClip (${samplesPerClip})`,
      size,
      'batch.size counts the clips of all ranks. Change it, or the number of ranks.',
    )
  const clips = greatestCommonDivisor(clipsPerRun, size / ranks)
  return { clipsPerRun: clips, runsPerStep: size / ranks / clips }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
