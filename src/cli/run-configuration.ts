import { existsSync } from 'node:fs'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import type { Ranks } from '../distributed/ranks.ts'
import { readRegularText } from '../format/regular-file.ts'
import type { Override } from '../train/configuration-file.ts'
import { withAbsolutePaths } from '../train/run-paths.ts'
import { formatDifference, requireOwnConfiguration } from '../train/same-run.ts'

/** The configuration of a command that trains, and what is said of it. */
export interface ChosenConfiguration<T> {
  readonly configuration: T
  /** Whether it is that of the run in the folder, with what was given besides. */
  readonly own: boolean
  /** What differs from the run and may, one line each. */
  readonly notes: readonly string[]
}

export interface ConfigurationChoice<T> {
  /** Folder of the run. */
  readonly out: string
  readonly resume: boolean
  /** File of the recipe that was named; null where none was. */
  readonly recipe: string | null
  /** Taken where there is neither a run to resume nor a recipe; null: the defaults of every key. */
  readonly otherwise: string | null
  readonly overrides: readonly Override[]
  readonly load: (source: { readonly file?: string; readonly overrides: readonly Override[] }) => Promise<T>
  /** The configuration in the form recipes have. */
  readonly plain: (configuration: T) => Record<string, unknown>
}

/** Key that another length of the run is given by. */
const durationPath = 'schedule.duration'

/**
 * What to train. A run that is resumed has its own `config.json`: it is read, options given besides replace what may differ from
 * one part of a run to the next, and a recipe given besides must say the same.
 *
 * @throws VideoMaeError `RESUME_MISMATCH` naming what differs and may not, and what loading throws
 */
export async function chooseConfiguration<T>(choice: ConfigurationChoice<T>): Promise<ChosenConfiguration<T>> {
  const { out, resume, recipe, otherwise, load } = choice
  // The run has written its paths down like that.
  const plain = (configuration: T): Record<string, unknown> => withAbsolutePaths(choice.plain(configuration))
  const file = path.join(out, 'config.json')
  if (!resume || !existsSync(file)) {
    const named = recipe ?? otherwise ?? undefined
    return { configuration: await load({ file: named, overrides: choice.overrides }), own: false, notes: [] }
  }
  const chosen = await engineOf(file)
  const overrides = [...chosen, ...choice.overrides]
  const before = plain(await load({ file, overrides: chosen }))
  const configuration = await load({ file, overrides })
  const asked = plain(configuration)
  if (recipe !== null) requireOwnConfiguration(asked, plain(await load({ file: recipe, overrides })), false)
  const longer = overrides.some(({ path: key }) => durationPath.startsWith(key.join('.')))
  const differences = requireOwnConfiguration(before, asked, longer)
  return {
    configuration,
    own: true,
    notes: differences.map((difference) => `Different from ${file}: ${formatDifference(difference)}`),
  }
}

/**
 * What rank 0 has chosen, on every rank: the run folder is where rank 0 is.
 *
 * @param read a configuration from the form recipes have
 */
export async function chosenByFirst<T>(
  ranks: Ranks,
  choose: () => Promise<ChosenConfiguration<T>>,
  { plain, read }: { readonly plain: (configuration: T) => unknown; readonly read: (plain: object) => T },
): Promise<ChosenConfiguration<T>> {
  const chosen = await ranks.agree(() => (ranks.rank === 0 ? choose() : null))
  if (ranks.size === 1 && chosen !== null) return chosen
  const configuration = read(await ranks.fromFirst(chosen === null ? {} : (plain(chosen.configuration) as object)))
  return { own: chosen?.own ?? false, notes: chosen?.notes ?? [], configuration }
}

/** A run whose engine was left to the program continues with the one that was chosen then. */
async function engineOf(file: string): Promise<Override[]> {
  const used = await readRegularText(file)
    .then((text) => (JSON.parse(text) as { readonly engineUsed?: unknown } | null)?.engineUsed)
    .catch(() => undefined) // what is wrong with the file is said when it is loaded
  return typeof used === 'string' ? [{ path: ['engine', 'name'], value: used, origin: file }] : []
}

/**
 * @param out the run folder, where a run is resumed; null for a new one
 * @throws VideoMaeError `INVALID_ARGUMENT` where neither the command, nor a recipe, nor the run that is resumed names the data
 */
export function requireData(data: unknown, command: string, out: string | null): void {
  if (data !== null) return
  const message =
    out === null || existsSync(path.join(out, 'config.json'))
      ? 'Expected DATA, the videos to train on, but neither the command nor a recipe names them.'
      : `Expected a run to continue in ${out}, or DATA to start a new run, but the folder has no config.json and no DATA is given.`
  throw new VideoMaeError(message, {
    code: 'INVALID_ARGUMENT',
    exit: 'usage',
    hint: `videomae ${command} DATA ..., or videomae ${command} --resume --out RUN to continue a run.`,
  })
}
