/** Keys of a configuration that have no effect together with its other keys. Somebody relies on a value that is given. */
import { VideoMaeError } from '../core/errors.ts'
import { ignoresOption } from '../engine/ignored-options.ts'
import type { RunConfiguration } from './configuration.ts'
import type { Override } from './configuration-file.ts'

/** Why a key such as `augment.flip` has no effect, as a sentence without its period; null where it has one. */
export type UnusedReason = (key: string) => string | null

/** Dotted keys of a configuration with their values; lists are values. */
function leavesOf(value: unknown, prefix: readonly string[] = []): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[prefix.join('.'), value]]
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, [...prefix, key]))
}

/**
 * Refuses `--set` and options of the command line that have no effect.
 *
 * @throws VideoMaeError `CONFIGURATION_INVALID` naming each of them
 */
export function refuseUnusedOverrides(overrides: readonly Override[], reasonOf: UnusedReason): void {
  const messages = overrides.flatMap(({ path, value, origin }) =>
    leavesOf(value, path).flatMap(([key]) => {
      const reason = reasonOf(key)
      return reason === null ? [] : [`${origin}: "${key}" has no effect: ${reason}`]
    }),
  )
  if (messages.length === 0) return
  throw new VideoMaeError(messages.join('\n'), {
    code: 'CONFIGURATION_INVALID',
    exit: 'usage',
    hint: 'Remove it from the command, or change what makes it unused.',
  })
}

/**
 * A note about values of a recipe that have no effect. They are no error there: one recipe can have values for several modes, and
 * the `config.json` of a run has every key.
 *
 * @param plain the configuration and the defaults of all keys, in the form of recipes
 * @returns null where every value that is not its default has an effect
 */
export function unusedNote(plain: unknown, defaults: unknown, reasonOf: UnusedReason): string | null {
  const usual = new Map(leavesOf(defaults).map(([key, value]) => [key, JSON.stringify(value)]))
  const unused = leavesOf(plain).filter(
    ([key, value]) => reasonOf(key) !== null && usual.get(key) !== JSON.stringify(value),
  )
  if (unused.length === 0) return null
  const reasons = [...new Set(unused.map(([key]) => reasonOf(key)))]
  return `note: not used in this run: ${unused.map(([key]) => key).join(', ')} (${reasons.join('; ')})`
}

/** Why an engine has no use for a key such as `engine.threads`. */
export function unusedByEngine({ name }: Pick<RunConfiguration['engine'], 'name'>): UnusedReason {
  return (key) => {
    const [section, option] = key.split('.')
    return section === 'engine' && ignoresOption(name, option) ? `the engine ${name} does not use it` : null
  }
}

/** For pretraining. */
export function unusedInPretraining({ clip, engine }: Pick<RunConfiguration, 'clip' | 'engine'>): UnusedReason {
  return (key) =>
    key === 'clip.cropScale' && clip.crop !== 'random-resized'
      ? 'only clip.crop: random-resized uses it'
      : unusedByEngine(engine)(key)
}
