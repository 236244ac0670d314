import { unusedArgument } from '../core/errors.ts'
import type { Ranks } from '../distributed/ranks.ts'
import { selectedEngine } from '../engine/automatic.ts'
import type { LiveControls } from '../report/live/document.ts'
import type { LivePage } from '../report/live/server.ts'
import type { Override } from '../train/configuration-file.ts'
import { parseOverride } from '../train/configuration-file.ts'
import type { OpenedVideos } from '../train/open-some.ts'
import { ProgressDisplay, type TrainingProgress } from '../train/progress.ts'
import type { RunStart } from '../train/run-start.ts'
import type { RunOptions } from '../train/training-run.ts'
import { formatStart } from './banner.ts'
import type { FinetuneCommandOptions } from './commands/finetune.ts'
import type { PretrainCommandOptions } from './commands/pretrain.ts'
import { interruptSignal } from './interrupt.ts'
import { addressLine } from './page.ts'
import { formatRanks } from './ranks.ts'
import { shownPath } from './shown-path.ts'

/** Options that every command that trains has. */
export type TrainingCommandOptions = Pick<
  PretrainCommandOptions,
  keyof PretrainCommandOptions & keyof FinetuneCommandOptions
>

/** An option that stands for a key of the configuration: `--threads`, its value, where it goes. */
export interface PlainOption {
  readonly key: string
  readonly value: unknown
  readonly origin: string
}

/** The value of `data.path`: one source stays text, so that recipes and run folders of one source look as they always did. */
export function oneOrSeveral(sources: readonly string[]): string | readonly string[] | undefined {
  if (sources.length === 0) return undefined
  return sources.length === 1 ? sources[0] : sources
}

/**
 * What replaces values of the recipe: `--set` first, then the plain options, so that these win.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for two options that stop the command at different points
 */
export function overridesOf(options: TrainingCommandOptions, own: readonly PlainOption[]): Override[] {
  if (options.printConfig === true && options.dryRun === true)
    throw unusedArgument('--dry-run', 'with --print-config, which checks no video', true)
  if (options.page === true && (options.printConfig === true || options.dryRun === true))
    throw unusedArgument(
      '--page',
      `with ${options.dryRun === true ? '--dry-run' : '--print-config'}, which trains nothing`,
      true,
    )
  const plain: readonly PlainOption[] = [
    ...own,
    { key: 'engine.name', value: options.engine, origin: '--engine' },
    { key: 'engine.threads', value: options.threads, origin: '--threads' },
    { key: 'seed', value: options.seed, origin: '--seed' },
    { key: 'log.csv', value: options.logCsv, origin: '--log-csv' },
  ]
  return [
    ...(options.set ?? []).map(parseOverride),
    ...plain.flatMap(({ key, value, origin }) =>
      value === undefined
        ? []
        : [{ path: key.split('.'), value, origin: value === true ? origin : `${origin} ${String(value)}` }],
    ),
  ]
}

/**
 * The configuration with the name of the engine that will be used, where options of the engine are given: which of them have an
 * effect depends on it.
 */
export async function withSelectedEngine<
  T extends { readonly engine: { readonly name: string | null; readonly device: string | null } },
>(configuration: T, overrides: readonly Override[]): Promise<T> {
  const { engine } = configuration
  if (!overrides.some(({ path: [section, key] }) => section === 'engine' && key !== 'name')) return configuration
  return { ...configuration, engine: { ...engine, name: await selectedEngine(engine.name, { device: engine.device }) } }
}

/** What a dry run has found. */
export function dryRunSummary({ opened, unreadable }: OpenedVideos): string {
  const failed = unreadable.map((reason) => `  ${reason}\n`).join('')
  const bad = unreadable.length === 0 ? '' : `; ${unreadable.length} cannot be read:\n${failed.trimEnd()}`
  return `dry run   ${opened} videos opened${bad}\nThe run can start. Its first steps will show how long it takes.\n`
}

async function livePageOf(folder: string, controls: LiveControls): Promise<LivePage> {
  const { openLivePage } = await import('../report/live/server.ts')
  return openLivePage([{ name: shownPath(folder), folder }], { controls })
}

/**
 * Trains with progress on stderr and Ctrl-C as an interruption, then prints the result: JSON, or what `summary` makes of it.
 * Of several ranks, the first one alone prints anything.
 *
 * @param out folder of the run, for its live page; `savable`: whether a checkpoint can be asked for
 */
export async function trainWithProgress<T>(
  {
    json = false,
    quiet = false,
    page = false,
    ranks,
    out,
    savable = false,
  }: TrainingCommandOptions & {
    readonly ranks?: Ranks
    readonly out?: string
    readonly savable?: boolean
  },
  train: (
    shown: Required<Pick<RunOptions, 'signal' | 'onStart' | 'onProgress' | 'onNote' | 'saveWanted'>>,
    display: ProgressDisplay,
  ) => Promise<T>,
  summary: (result: T) => string,
): Promise<void> {
  const first = (ranks?.rank ?? 0) === 0
  const several = ranks !== undefined && ranks.size > 1
  const display = new ProgressDisplay({ stream: process.stderr, quiet: quiet || !first })
  const interrupt = interruptSignal('Continue with --resume.', several ? ranks.rank : null)
  if (several) display.note(formatRanks(ranks))
  let saveWanted = false
  const askToSave = (): void => {
    saveWanted = true
  }
  const save = savable && !several ? askToSave : null
  const live = page && first && out !== undefined ? await livePageOf(out, { save, stop: interrupt.stop }) : null
  if (live !== null) display.note(addressLine(live.address))
  try {
    const shown = {
      signal: interrupt.signal,
      onStart: (start: RunStart) => display.note(formatStart(start)),
      onProgress: (progress: TrainingProgress) => display.update(progress),
      onNote: (note: string) => display.note(note),
      saveWanted: () => {
        const wanted = saveWanted
        saveWanted = false
        return wanted
      },
    }
    const result = await train(shown, display)
    display.end()
    if (!first) return
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : summary(result))
  } finally {
    await live?.close()
    display.end()
    interrupt.dispose()
  }
}
