import path from 'node:path'
import type { Ranks } from '../distributed/ranks.ts'
import type { RunConfiguration } from '../train/configuration.ts'
import { loadRunConfiguration, runConfiguration } from '../train/configuration-file.ts'
import { shortRunNote } from '../train/few-videos.ts'
import { checkPretrainingOnRanks, type PretrainResult, planPretraining, pretrainOnRanks } from '../train/pretrain.ts'
import { formatSeconds } from '../train/progress.ts'
import { recipeFile } from '../train/recipes.ts'
import { formatRun, plainConfiguration, plainRun } from '../train/resolve.ts'
import type { RunStart } from '../train/run-start.ts'
import type { RunOptions } from '../train/training-job.ts'
import { refuseUnusedOverrides, unusedInPretraining } from '../train/unused-keys.ts'
import type { PretrainCommandOptions } from './commands/pretrain.ts'
import { pageHint } from './page.ts'
import { onRanks } from './ranks.ts'
import { chooseConfiguration, chosenByFirst, requireData } from './run-configuration.ts'
import { dryRunSummary, oneOrSeveral, overridesOf, trainWithProgress, withSelectedEngine } from './training.ts'

/** What is trained where neither a recipe nor a run to resume is named. */
const defaultRecipe = 'laptop-pretrain'

/** `videomae pretrain`, on all ranks that a launcher has started. Progress goes to stderr, the result to stdout. */
export function pretrainCommand(data: readonly string[], options: PretrainCommandOptions): Promise<void> {
  return onRanks('pretrain', options, (ranks) => pretrainOn(ranks, data, options))
}

async function pretrainOn(ranks: Ranks, data: readonly string[], options: PretrainCommandOptions): Promise<void> {
  const { json = false, recipe, resume = false } = options
  const file = recipeFile(recipe ?? defaultRecipe)
  const out = options.out ?? path.join('checkpoints', path.basename(file).replace(/\.[^.]*$/, ''))
  const overrides = overridesOf(options, [
    { key: 'data.path', value: oneOrSeveral(data), origin: 'DATA' },
    { key: 'data.decoder', value: options.decoder, origin: '--decoder' },
    { key: 'data.workers', value: options.workers, origin: '--workers' },
    { key: 'data.timeoutSeconds', value: options.timeout, origin: '--timeout' },
    { key: 'checkpoint.keep', value: options.keep, origin: '--keep' },
  ])
  const choose = async () => {
    const chosen = await chooseConfiguration({
      out,
      resume,
      recipe: recipe === undefined ? null : file,
      otherwise: file,
      overrides,
      load: loadRunConfiguration,
      plain: plainConfiguration,
    })
    refuseUnusedOverrides(overrides, unusedInPretraining(await withSelectedEngine(chosen.configuration, overrides)))
    return chosen
  }
  const { configuration, own, notes } = await chosenByFirst(ranks, choose, {
    plain: plainConfiguration,
    read: runConfiguration,
  })
  if (options.printConfig === true) {
    if (ranks.rank > 0) return
    const run = await planPretraining(configuration)
    process.stdout.write(json ? `${JSON.stringify(plainRun(run))}\n` : formatRun(run))
    return
  }
  await ranks.agree(() => requireData(configuration.data.path, 'pretrain', resume ? out : null))
  const { force } = options
  if (options.dryRun === true) {
    if (ranks.rank > 0) return
    const check = (shown: Parameters<Parameters<typeof trainWithProgress>[1]>[0]) =>
      checkPretrainingOnRanks(configuration, { out, force, ranks, ...shown, onStart: withAdvice(configuration, shown) })
    return trainWithProgress(options, check, dryRunSummary)
  }
  await trainWithProgress(
    { ...options, ranks, out, savable: true },
    (shown) => {
      for (const note of notes) shown.onNote(note)
      const onStart = resume ? shown.onStart : withAdvice(configuration, shown)
      return pretrainOnRanks(configuration, { out, resume, newLength: own, force, ranks, ...shown, onStart })
    },
    summary,
  )
}

/** The line about a run that begins, and what to expect of it. */
function withAdvice(
  { model }: RunConfiguration,
  { onStart, onNote }: Required<Pick<RunOptions, 'onStart' | 'onNote'>>,
): (start: RunStart) => void {
  return (start) => {
    onStart(start)
    const note = model.from === null ? shortRunNote(start) : null
    if (note !== null) onNote(note)
  }
}

function summary(result: PretrainResult): string {
  const { run, steps, clips, seconds, clipsPerSecond, loss, meanLoss, videos, badFiles, checkpoint, engine, warnings } =
    result
  const unreadable = badFiles.length === 0 ? '' : `, ${badFiles.length} unreadable (bad-files.jsonl)`
  const speed = clipsPerSecond === null ? '' : `, ${clipsPerSecond.toFixed(1)} clips/s after the warm-up`
  return (
    `${steps} steps, ${clips} clips of ${videos} videos${unreadable} in ${formatSeconds(seconds)} on ${engine}${speed}\n` +
    `loss ${loss === null ? 'unknown' : loss.toFixed(4)}${meanLoss === null ? '' : ` (predicting the mean: ${meanLoss.toFixed(4)} over the whole run)`}\n` +
    warnings.map((warning) => `warning: ${warning}\n`).join('') +
    `checkpoint  ${checkpoint}\n${pageHint(run)}`
  )
}
