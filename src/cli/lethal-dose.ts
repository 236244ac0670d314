import { type DoseLearner, doseLearner, lethalDose, lethalDoseTable, writeLethalDose } from '../certify/index.ts'
import {
  type LearnerKind,
  ownOptions,
  planCertification,
  prepareLearners,
  startsFresh,
} from '../certify-videos/index.ts'
import { report } from './certify.ts'
import { learnerOf, listOf, numbersOf, type VideoCommandOptions, videoOptions } from './certify-options.ts'
import { interruptSignal } from './run.ts'

export interface LethalDoseCommandOptions extends Omit<VideoCommandOptions, 'learner'> {
  /** One or more encoders; every kind of learner on every encoder is a learner of the study. */
  readonly from: readonly string[]
  /** Kinds of learners, separated by commas. */
  readonly learner?: string
  readonly partitions?: string
  /** Random subsets of every size. */
  readonly subsets?: number
  /** Accuracies in [0, 1] at which n is read off. */
  readonly accuracies?: string
}

/** `videomae lethal-dose`. */
export async function lethalDoseCommand(data: string, options: LethalDoseCommandOptions): Promise<void> {
  const { from, learner = 'ridge', partitions = '5,10,20,50', subsets, accuracies, quiet = false } = options
  const { by, seed, threads, out, json = false } = options
  const ks = numbersOf('--partitions', partitions)
  const kinds = listOf(learner) as LearnerKind[] // `planCertification` checks the names
  const interrupt = interruptSignal('Run the same command again: finished features are kept.')
  try {
    const { signal } = interrupt
    const learners: DoseLearner[] = []
    for (const encoder of from) {
      for (const kind of kinds) {
        // Options of one kind may stand beside others: each takes what is its own.
        const own = ownOptions(await learnerOf({ ...options, learner: kind }, kind))
        const videos = videoOptions(data, encoder, own, { ...options, learner: kind }, signal)
        const name = startsFresh(kind) ? `${kind}, sizes of ${encoder}` : `${encoder}, ${kind}`
        learners.push(
          await prepareLearners(await planCertification(videos), videos, async (prepared) =>
            doseLearner(prepared.set, prepared.test, { name, learners: prepared.learners, by, threads, signal }),
          ),
        )
      }
    }
    const study = await lethalDose(learners, {
      partitions: ks,
      subsets,
      seed,
      ...(accuracies === undefined ? {} : { accuracies: listOf(accuracies).map(Number) }),
      signal,
      onProgress: (what) => {
        if (!quiet && process.stderr.isTTY) process.stderr.write(`${what}\n`)
      },
    })
    await writeLethalDose(out, study)
    report(json, { ...study, out }, `${lethalDoseTable(study)}\nwrote  ${out}`)
  } finally {
    interrupt.dispose()
  }
}
