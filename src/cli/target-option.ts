/** `--target`: classes for which certificates say what it costs to make them come out. */
import type { TargetedSummary } from '../certify/rules/targeted-summary.ts'
import { printable } from '../core/printable.ts'
import { listOf } from './certify-options.ts'

/** Names of classes; none where the option is not given. */
export function targetsOf(text: string | undefined): string[] {
  return text === undefined ? [] : listOf('--target', text)
}

/** One line on a class, for people. */
export function targetText(
  { class: target, inputs, ruledOut, medianRuledOut }: TargetedSummary,
  classNames: readonly string[],
): string {
  const name = `target ${printable(classNames[target])}`
  if (inputs === 0) return `${name}: no input is known to be of another class`
  const [never, one] = [ruledOut[0], ruledOut[1] ?? ruledOut[ruledOut.length - 1]].map(
    (share) => `${(100 * share).toFixed(1)} %`,
  )
  const median = medianRuledOut === null ? 'none (below 50%)' : String(medianRuledOut)
  return `${name}: ruled out on ${never} of ${inputs} inputs of other classes without poison, on ${one} with 1 poisoned sample; median ${median}`
}
