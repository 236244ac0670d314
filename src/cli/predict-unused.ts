/** Options of `predict` that have no effect with or without `--certified`. */
import type { Command } from 'commander'
import { unusedArgument } from '../core/errors.ts'
import type { PredictCommandOptions } from './commands/predict.ts'
import { givenOption, isGiven } from './given-options.ts'

const ofClassifiers: readonly (keyof PredictCommandOptions)[] = ['from', 'top', 'threshold', 'windows', 'csv', 'watch']
const ofEnsembles: readonly (keyof PredictCommandOptions)[] = ['encoder', 'rule', 'requireRadius', 'target']

/** @throws VideoMaeError `INVALID_ARGUMENT` naming such an option */
export function refuseUnusedInPredict(command: Command): void {
  const certified = isGiven(command, 'certified')
  const others: readonly string[] = certified ? ofClassifiers : ofEnsembles
  const unused = givenOption(command, (name) => others.includes(name))
  if (unused === null) return
  throw unusedArgument(unused.flag, `${certified ? 'with' : 'without'} --certified`, unused.value)
}
