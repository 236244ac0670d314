/** `videomae finetune --folds`. */
import path from 'node:path'
import { unusedArgument } from '../core/errors.ts'
import { percent } from '../core/percent.ts'
import { printable } from '../core/printable.ts'
import type { Folds } from '../dataset/folds.ts'
import type { Ranks } from '../distributed/ranks.ts'
import type { FinetuneConfiguration } from '../finetune/configuration.ts'
import { type CrossValidation, crossValidate } from '../finetune/cross-validation.ts'
import { type Estimate, majorityWarning } from '../inference/scores.ts'
import type { FinetuneCommandOptions } from './commands/finetune.ts'
import { trainWithProgress } from './training.ts'

/** @throws VideoMaeError `INVALID_ARGUMENT` for what has no effect together with or without `--folds` */
export function refuseWithFolds(options: FinetuneCommandOptions, ranks: Ranks): void {
  const { folds, repeats, resume, page, dryRun, printConfig } = options
  if (folds === undefined) {
    if (repeats !== undefined) throw unusedArgument('--repeats', 'without --folds', repeats)
    return
  }
  if (folds === 'column' && repeats !== undefined)
    throw unusedArgument('--repeats', 'with --folds column, which is a single division', repeats)
  const others = { '--resume': resume, '--page': page, '--dry-run': dryRun, '--print-config': printConfig }
  for (const [name, value] of Object.entries(others))
    if (value === true) throw unusedArgument(name, 'with --folds, which trains several classifiers', true)
  if (ranks.size > 1) throw unusedArgument('--folds', 'on several ranks', folds, 'Run it in one process.')
}

export async function crossValidateCommand(
  configuration: FinetuneConfiguration,
  options: FinetuneCommandOptions & { readonly out: string; readonly folds: Folds },
  notes: readonly string[],
): Promise<void> {
  const { out, folds, repeats, force } = options
  await trainWithProgress(
    options,
    ({ saveWanted: _, ...shown }, display) => {
      for (const note of notes) shown.onNote(note)
      return crossValidate(configuration, {
        ...{ out, folds, repeats, force },
        onDigests: display.counter('files read'),
        onFeatures: display.counter('features of videos'),
        onTest: display.counter('tested videos'),
        ...shown,
      })
    },
    summary,
  )
}

function summary({
  folder,
  folds,
  repeats,
  videos,
  groups,
  top1,
  balanced,
  baseline,
  perFold,
  failures,
}: CrossValidation) {
  const shown = ({ value, low, high }: Estimate): string =>
    `${percent(value)} (95 %: ${percent(low)} to ${percent(high)})`
  // Numbers say no more than their order.
  const named = perFold.some(({ fold, name }) => name !== String(fold + 1))
  const shares = perFold.map(
    ({ name, top1 }) => `${named ? `${name} ` : ''}${top1 === null ? 'none read' : percent(top1)}`,
  )
  const warning = majorityWarning('top-1', top1, baseline)
  const lines = [
    `${folds} folds${repeats === 1 ? '' : `, ${repeats} repeats`}: ${videos} videos of ${groups} groups, each tested ${repeats === 1 ? 'once' : `${repeats} times`} by a classifier that has not seen its group`,
    `top-1       ${shown(top1)}`,
    `balanced    ${shown(balanced)}`,
    `baselines   always ${baseline.majority.label} ${percent(baseline.majority.value)}, chance ${percent(baseline.chance)}`,
    `folds       ${shares.join(', ')}`,
    ...(failures.length === 0
      ? []
      : [
          `not read    ${failures
            .map(({ id }) => id)
            .slice(0, 20)
            .join(', ')}`,
        ]),
    ...(warning === null ? [] : [`warning: ${warning}`]),
    `results     ${path.join(folder, 'cross-validation.json')}`,
    'The classifiers of the folds were not saved. To get a classifier, train on all videos without --folds.',
  ]
  return lines.map((line) => `${printable(line)}\n`).join('')
}
