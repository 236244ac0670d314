import type { HeadOptions } from '../certify/heads/head.ts'
import { type DoseLearner, featureDoseLearner, lethalDose, lethalDoseTable, writeLethalDose } from '../certify/index.ts'
import { planCertification, prepareSets } from '../certify-videos/index.ts'
import { report } from './certify.ts'
import { headOf, listOf, numbersOf, type VideoCommandOptions, videoOptions } from './certify-options.ts'
import { interruptSignal } from './run.ts'

export interface LethalDoseCommandOptions extends Omit<VideoCommandOptions, 'head'> {
  /** One or more encoders; every head on every encoder is a learner. */
  readonly from: readonly string[]
  /** Heads, separated by commas. */
  readonly head?: string
  readonly partitions?: string
  /** Random subsets of every size. */
  readonly subsets?: number
  /** Accuracies in [0, 1] at which n is read off. */
  readonly accuracies?: string
}

/** `videomae lethal-dose`. */
export async function lethalDoseCommand(data: string, options: LethalDoseCommandOptions): Promise<void> {
  const {
    from,
    head = 'ridge',
    partitions = '5,10,20,50',
    subsets,
    accuracies,
    by,
    out,
    quiet = false,
    json = false,
    ...rest
  } = options
  const ks = numbersOf('--partitions', partitions)
  const heads = listOf(head) as HeadOptions['kind'][]
  const interrupt = interruptSignal()
  try {
    const { signal } = interrupt
    const learners: DoseLearner[] = []
    for (const encoder of from) {
      const videos = videoOptions(data, encoder, { ...rest, out, quiet }, signal)
      const { set, test } = await prepareSets(await planCertification(videos), videos)
      for (const kind of heads) {
        const own = headOf({
          head: kind,
          ...(kind === 'ridge' && rest.lambda !== undefined ? { lambda: rest.lambda } : {}),
        })
        learners.push(
          featureDoseLearner(set, test, { name: `${encoder}, ${kind}`, head: own, by, threads: rest.threads, signal }),
        )
      }
    }
    const study = await lethalDose(learners, {
      partitions: ks,
      subsets,
      seed: rest.seed,
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
