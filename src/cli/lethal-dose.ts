import { lethalDoseTable } from '../certify/dose/lethal-dose-report.ts'
import type { Threat } from '../certify/threat/threat.ts'
import { lethalDoseOfVideos } from '../certify/videos/dose-videos.ts'
import type { LearnerKind, LearnerOptions } from '../certify/videos/learners/kinds.ts'
import { report } from './certify.ts'
import {
  bucketsOf,
  learnerOf,
  listOf,
  numbersOf,
  sharesOf,
  type VideoCommandOptions,
  videoOptions,
} from './certify-options.ts'
import { interruptSignal } from './interrupt.ts'

export interface LethalDoseCommandOptions extends Omit<VideoCommandOptions, 'learner'> {
  /** One or more encoders; every kind of learner on every encoder is a learner of the study. */
  readonly from: readonly string[]
  /** Kinds of learners, separated by commas. */
  readonly learner?: string
  readonly partitions?: string
  readonly threat?: Threat
  /** Random subsets of every size. */
  readonly subsets?: number
  /** Accuracies in [0, 1] at which n is read off. */
  readonly accuracies?: string
}

/** `videomae lethal-dose`. */
export async function lethalDoseCommand(data: string, options: LethalDoseCommandOptions): Promise<void> {
  const { from, learner = 'ridge', partitions = '5,10,20,50', subsets, accuracies, quiet = false } = options
  const { out, json = false } = options
  const { by, threat } = bucketsOf(['dpa'], { ...options, learner: undefined })
  const kinds = listOf('--learner', learner) as LearnerKind[] // the planning checks the names
  const learners: LearnerOptions[] = []
  for (const kind of kinds) learners.push(await learnerOf({ ...options, learner: kind }, kind))
  const interrupt = interruptSignal('Run the same command again: finished features are kept.')
  try {
    const videos = videoOptions(data, from, learners[0], { ...options, learner: undefined }, interrupt.signal)
    const result = await lethalDoseOfVideos({
      ...videos,
      ...{ from, learners, by, threat, subsets },
      partitions: numbersOf('--partitions', partitions, 'partitions'),
      ...(accuracies === undefined ? {} : { accuracies: sharesOf('--accuracies', accuracies) }),
      onMeasure: (what) => {
        if (!quiet && process.stderr.isTTY) process.stderr.write(`${what}\n`)
      },
    })
    report(json, { ...result, out }, `${lethalDoseTable(result)}\nwrote  ${out}`)
  } finally {
    interrupt.dispose()
  }
}
