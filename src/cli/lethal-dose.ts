import {
  checkStudy,
  type DoseLearner,
  doseLearner,
  lethalDose,
  lethalDoseTable,
  type Threat,
  writeLethalDose,
} from '../certify/index.ts'
import {
  type CertifyVideosOptions,
  type CertifyVideosPlan,
  checkPlan,
  type LearnerKind,
  ownOptions,
  planCertification,
  prepareLearners,
  seenRemarks,
  startsFresh,
} from '../certify/videos/index.ts'
import { report } from './certify.ts'
import {
  bucketsOf,
  learnerOf,
  listOf,
  noteOf,
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
  const { seed, threads, out, json = false } = options
  const { by, threat } = bucketsOf(['dpa'], { ...options, learner: undefined })
  const study = {
    partitions: numbersOf('--partitions', partitions),
    subsets,
    seed,
    ...(accuracies === undefined ? {} : { accuracies: sharesOf('--accuracies', accuracies) }),
  }
  checkStudy(study) // before a feature is computed
  const kinds = listOf('--learner', learner) as LearnerKind[] // `planCertification` checks the names
  const interrupt = interruptSignal('Run the same command again: finished features are kept.')
  try {
    const { signal } = interrupt
    // All of them first: a claim that one encoder's origin contradicts is refused before features of another are computed.
    const onNote = noteOf(quiet)
    const planned: { name: string; plan: CertifyVideosPlan; videos: CertifyVideosOptions }[] = []
    for (const encoder of from) {
      for (const kind of kinds) {
        // Options of one kind may stand beside others: each takes what is its own.
        const own = ownOptions(await learnerOf({ ...options, learner: kind }, kind))
        const videos = videoOptions(data, encoder, own, { ...options, by, learner: kind }, signal, onNote)
        const plan = await planCertification(videos)
        checkPlan(plan, by, ['dpa'], threat)
        const name = startsFresh(kind) ? `${kind}, sizes of ${encoder}` : `${encoder}, ${kind}`
        planned.push({ name, plan, videos })
      }
    }
    const learners: DoseLearner[] = []
    for (const { name, plan, videos } of planned)
      learners.push(
        await prepareLearners(plan, videos, async ({ set, test, learners: family, encoder }) =>
          doseLearner(set, test, {
            ...{ name, learners: family, by, threat: { threat, encoder }, threads, signal },
            remarks: seenRemarks(plan.seen),
          }),
        ),
      )
    const result = await lethalDose(learners, {
      ...study,
      signal,
      onProgress: (what) => {
        if (!quiet && process.stderr.isTTY) process.stderr.write(`${what}\n`)
      },
    })
    await writeLethalDose(out, result)
    report(json, { ...result, out }, `${lethalDoseTable(result)}\nwrote  ${out}`)
  } finally {
    interrupt.dispose()
  }
}
