import { lethalDoseTable } from '../certify/dose/lethal-dose-report.ts'
import { partitionRule } from '../certify/rules/names.ts'
import { lethalDoseOfVideos } from '../certify/videos/dose-videos.ts'
import { type LearnerOptions, learnerKinds } from '../certify/videos/learners/learner-options.ts'
import { bucketsOf, learnerOf, namesOf, numbersOf, sharesOf, videoOptions } from './certify-options.ts'
import type { LethalDoseCommandOptions } from './commands/lethal-dose.ts'
import { interruptSignal } from './interrupt.ts'
import { printResult } from './print-result.ts'

/** `videomae lethal-dose`. */
export async function lethalDoseCommand(data: string, options: LethalDoseCommandOptions): Promise<void> {
  const { from, learner = 'ridge', partitions = '5,10,20,50', subsets, accuracies, quiet = false } = options
  const { out, json = false } = options
  const { by, threat } = bucketsOf([partitionRule], { ...options, learner: undefined })
  const kinds = namesOf('--learner', learner, learnerKinds)
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
    printResult(json, { ...result, out }, `${lethalDoseTable(result)}\nwrote  ${out}`)
  } finally {
    interrupt.dispose()
  }
}
