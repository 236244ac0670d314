/**
 * The largest counts that are accepted. Each is far above what anybody needs, and small enough that what is made for a count still ends:
 * a larger one is a slip of the keyboard or an attack, and is refused before any work. docs/configuration.md lists them.
 */
import { invalidArgument } from './errors.ts'

export const largestCounts = {
  /** Base classifiers of one ensemble: partitions times spread times seeds. */
  learners: 2 ** 24,
  partitions: 2 ** 24,
  spread: 1024,
  seedsPerPartition: 1024,
  /** Encoder groups. */
  groups: 65_536,
  /** Periods that one learner is trained on. */
  coverage: 1024,
  /** Budget of poisoned samples. */
  budget: 2 ** 31 - 1,
  trials: 1_000_000,
  listTrials: 1_000_000,
  attacks: 1_000_000,
  subsets: 100_000,
  /** Temporal views of a video. */
  clips: 1024,
  testClips: 1024,
  /** Spatial views of a video. */
  crops: 64,
  windowStep: 1_000_000,
  /** Frames from one frame of a clip to the next. */
  stride: 10_000,
  /** Crops and masks of one decoded clip. */
  samplesPerClip: 1024,
  /** Clips in one run of the engine. */
  batch: 65_536,
  /** Clips in one optimizer step, over all runs. */
  batchSize: 2 ** 24,
  workers: 1024,
  /** Processes that `launch` starts on one machine. */
  ranks: 1024,
  /** How often `launch` starts ranks again. */
  restarts: 1_000_000,
  threads: 1024,
  epochs: 1_000_000,
  steps: 2 ** 31 - 1,
  shots: 2 ** 31 - 1,
  /** Parts of the data in a cross-validation. */
  folds: 1_000_000,
  /** Divisions of the data into folds. */
  repeats: 10_000,
  /** Checkpoints that stay. */
  keep: 1_000_000,
  calibrationClips: 65_536,
  shards: 1_000_000,
  /** Classes that are printed. */
  top: 2 ** 24,
  /** Operations of RandAugment on one clip. */
  operations: 1024,
  heads: 65_536,
  /** Videos that are generated. */
  generatedVideos: 1_000_000,
  /** Frames of a video that is generated. */
  generatedFrames: 1_000_000,
  /** Pixels of the shorter side of a prepared video. */
  pictureSide: 8192,
  /** Frames of a group of pictures of a prepared video. */
  pictureGroup: 10_000,
} as const

export type CountName = keyof typeof largestCounts

/**
 * Refuses what is no count of this kind.
 *
 * @param shown the name of the argument or option in the message
 * @throws VideoMaeError `INVALID_ARGUMENT` for a value that is no whole number from `least` up, or above `largestCounts`
 */
export function requireCount(name: CountName, value: number, shown: string = name, least: 0 | 1 = 1): void {
  if (!Number.isInteger(value) || value < least)
    throw invalidArgument(shown, least === 0 ? 'a non-negative integer' : 'a positive integer', value)
  if (value > largestCounts[name]) throw invalidArgument(shown, `at most ${largestCounts[name]}`, value)
}

/**
 * The base classifiers of an ensemble: everything that is kept of an ensemble has a row for each.
 *
 * @returns partitions times spread
 * @throws VideoMaeError `INVALID_ARGUMENT` for counts out of their bounds, or more than `largestCounts.learners` learners
 */
export function learnerCount(partitions: number, spread = 1, seeds = 1): number {
  requireCount('partitions', partitions)
  requireCount('spread', spread)
  requireCount('seedsPerPartition', seeds, 'seeds')
  const trained = partitions * spread * seeds
  if (trained > largestCounts.learners)
    throw invalidArgument(
      'partitions',
      `partitions x spread x seeds of at most ${largestCounts.learners}`,
      `${partitions} x ${spread} x ${seeds} = ${trained}`,
    )
  return partitions * spread
}

/** Base classifiers that are trained however few samples there are. */
const freeLearners = 65_536
/** Partitions for each sample. Nearly all are empty with more of them, and an empty one abstains. */
const partitionsPerSample = 64

/**
 * Refuses an ensemble whose size comes from an option and not from the data: it would be worked on for hours, and change no radius.
 *
 * @param samples protected ones
 * @param learners of the ensemble, trained with each seed
 * @param reach learners that one sample reaches, times seeds
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function requireFilledLearners(samples: number, learners: number, reach = 1): void {
  const most = Math.max(freeLearners, partitionsPerSample * samples * reach)
  if (learners > most)
    throw invalidArgument(
      'partitions',
      `at most ${most} base classifiers, because the protected samples are ${samples} and nearly all base classifiers would have none,`,
      learners,
      'Take fewer partitions.',
    )
}
