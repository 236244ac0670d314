/** How the clips of a step are shared by ranks. */
import { invalidArgument } from '../core/errors.ts'
import type { ResolvedLength } from './resolve.ts'

/** What one rank runs. */
export interface RankBatches {
  /** Clips in one run of the engine on one rank, and runs on each rank per optimizer step. */
  readonly clipsPerRun: number
  readonly runsPerStep: number
}

/** What decides how ranks share a step. */
export interface RankSharing {
  readonly samplesPerClip: number
  readonly ranks: number
  /** Clips of a run are mixed with each other, in pairs of videos, which have to be on one rank. Default false. */
  readonly pairs?: boolean
}

/**
 * Shares the runs of a step. `batch.size` counts the clips of all ranks, so the step is the same on any number of them; where one
 * process makes fewer runs a step than there are ranks, each rank's run has fewer clips.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` where the ranks cannot have as many whole videos each, or as many whole pairs
 */
export function rankBatches(
  { clipsPerRun, runsPerStep }: Pick<ResolvedLength, 'clipsPerRun' | 'runsPerStep'>,
  { samplesPerClip, ranks, pairs = false }: RankSharing,
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
  if (pairs && clips < clipsPerRun && (clips / samplesPerClip) % 2 !== 0)
    throw invalidArgument(
      'batch.perRun',
      `${clips} or another number that gives each of ${ranks} ranks whole pairs of videos to mix`,
      clipsPerRun,
      'Clips are mixed with others of their run. Set batch.perRun, or turn mixing off (augment.mixup and augment.cutmix null).',
    )
  return { clipsPerRun: clips, runsPerStep: size / ranks / clips }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
