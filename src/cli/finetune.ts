import path from 'node:path'
import { stringify } from 'yaml'
import { percent } from '../core/percent.ts'
import type { Ranks } from '../distributed/ranks.ts'
import {
  finetuneConfiguration,
  loadFinetuneConfiguration,
  plainFinetuneConfiguration,
} from '../finetune/configuration.ts'
import { checkFinetuningOnRanks, type FinetuneResult, finetuneOnRanks } from '../finetune/finetune.ts'
import { unusedInFinetuning } from '../finetune/unused-keys.ts'
import { formatEvaluation } from '../inference/evaluate.ts'
import { formatSeconds } from '../train/progress.ts'
import { recipeFile } from '../train/recipes.ts'
import { refuseUnusedOverrides } from '../train/unused-keys.ts'
import type { FinetuneCommandOptions } from './commands/finetune.ts'
import { crossValidateCommand, refuseWithFolds } from './cross-validate.ts'
import { pageHint } from './page.ts'
import { onRanks } from './ranks.ts'
import { chooseConfiguration, chosenByFirst, requireData } from './run-configuration.ts'
import { dryRunSummary, oneOrSeveral, overridesOf, trainWithProgress, withSelectedEngine } from './training.ts'

/** `videomae finetune`, on all ranks that a launcher has started. Progress goes to stderr, the result to stdout. */
export function finetuneCommand(data: readonly string[], options: FinetuneCommandOptions): Promise<void> {
  return onRanks('finetune', options, (ranks) => finetuneOn(ranks, data, options))
}

async function finetuneOn(ranks: Ranks, data: readonly string[], options: FinetuneCommandOptions): Promise<void> {
  const { json = false, recipe, resume = false, folds } = options
  refuseWithFolds(options, ranks)
  const file = recipe === undefined ? null : recipeFile(recipe, 'finetune')
  const overrides = overridesOf(options, [
    { key: 'data.path', value: oneOrSeveral(data), origin: 'DATA' },
    { key: 'data.shots', value: options.shots, origin: '--shots' },
    { key: 'model.from', value: options.from, origin: '--from' },
    { key: 'mode', value: options.mode, origin: '--mode' },
    { key: 'probe.readout', value: options.readout, origin: '--readout' },
  ])
  const choice = {
    resume,
    recipe: file,
    otherwise: null,
    overrides,
    load: loadFinetuneConfiguration,
    plain: plainFinetuneConfiguration,
  }
  const folderOf = async (): Promise<string> =>
    path.join(
      'checkpoints',
      `finetune-${(await loadFinetuneConfiguration({ file: file ?? undefined, overrides })).mode}${folds === undefined ? '' : '-folds'}`,
    )
  const out = options.out ?? (await ranks.agree(folderOf))
  const choose = async () => {
    const chosen = await chooseConfiguration({ out, ...choice })
    refuseUnusedOverrides(overrides, unusedInFinetuning(await withSelectedEngine(chosen.configuration, overrides)))
    return chosen
  }
  const { configuration, own, notes } = await chosenByFirst(ranks, choose, {
    plain: plainFinetuneConfiguration,
    read: finetuneConfiguration,
  })
  if (options.printConfig === true) {
    if (ranks.rank > 0) return
    const plain = plainFinetuneConfiguration(configuration)
    process.stdout.write(json ? `${JSON.stringify(plain)}\n` : stringify(plain, { lineWidth: 120 }))
    return
  }
  await ranks.agree(() => requireData(configuration.data.path, 'finetune', choice.resume ? out : null))
  if (folds !== undefined) return crossValidateCommand(configuration, { ...options, out, folds }, notes)
  const { force } = options
  if (options.dryRun === true) {
    if (ranks.rank > 0) return
    await trainWithProgress(
      options,
      (shown, display) => {
        const onDigests = display.counter('files read')
        return checkFinetuningOnRanks(configuration, { out, force, ranks, onDigests, ...shown })
      },
      dryRunSummary,
    )
    return
  }
  await trainWithProgress(
    { ...options, ranks, out, savable: configuration.mode === 'full' },
    (shown, display) => {
      for (const note of notes) shown.onNote(note)
      return finetuneOnRanks(configuration, {
        out,
        resume,
        newLength: own,
        force,
        ranks,
        onDigests: display.counter('files read'),
        onFeatures: display.counter('features of videos'),
        onTest: display.counter('tested videos'),
        ...shown,
      })
    },
    summary,
  )
}

function validationLine(accuracy: number, beside: FinetuneResult['validationAccuracy']): string {
  if (beside === null) return percent(accuracy)
  const { accuracy: interval, baseline, videos } = beside
  const { majority, chance } = baseline
  return (
    `${percent(accuracy)} of ${videos} video${videos === 1 ? '' : 's'} (95 %: ${percent(interval.low)} to ${percent(interval.high)}; ` +
    `always ${majority.label} ${percent(majority.value)}, chance ${percent(chance)})`
  )
}

function summary(result: FinetuneResult): string {
  const { videos, validation, validationAccuracy, test, chosen, classifier, run, seconds, failures } = result
  const { train, validation: held, test: toTest } = videos
  const validated =
    validation === null
      ? ''
      : `validation ${validationLine(validation.accuracy, validationAccuracy)} at the chosen ${chosen}\n`
  // The evaluation names those of the test itself.
  const tested = new Set(test?.failures.map(({ id }) => id))
  const unreadable = failures.filter(({ id }) => !tested.has(id)).map(({ id }) => id)
  const more = unreadable.length > 20 ? ` and ${unreadable.length - 20} more` : ''
  const leftOut =
    unreadable.length === 0
      ? ''
      : `left out    ${unreadable.length} that could not be read: ${unreadable.slice(0, 20).join(', ')}${more}\n`
  const untested = toTest === 0 ? 'no test videos\n' : 'not tested  none of the test videos can be read\n'
  return (
    `${train} training, ${held} validation and ${toTest} test videos; ${formatSeconds(seconds)}\n${leftOut}${validated}` +
    (test === null ? untested : formatEvaluation(test)) +
    `classifier  ${classifier}\nsplit       ${path.join(run, 'split.csv')}\n${pageHint(run)}`
  )
}
