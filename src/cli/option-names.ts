/** Errors of the library name its options; who typed a command knows them by another name. */
import { VideoMaeError } from '../core/errors.ts'
import { optionOf } from './arguments.ts'

/** Options of the command line whose name in the library is another one, not only spelled otherwise. */
const otherNames: Readonly<Record<string, string>> = {
  windows: 'windowSeconds',
  budget: 'largestBudget',
  rule: 'rules',
  target: 'targetClasses',
}

/**
 * An error about an argument with the names that the user has typed: `--test-clips` for `testClips`.
 *
 * @param keys names of the options as the command gets them
 */
export function inTypedNames(thrown: unknown, keys: readonly string[]): unknown {
  if (!(thrown instanceof VideoMaeError) || thrown.code !== 'INVALID_ARGUMENT') return thrown
  const { code, exit, cause } = thrown
  const typed = (text: string): string => keys.reduce(withTypedName, text)
  const hint = thrown.hint === undefined ? undefined : typed(thrown.hint)
  return new VideoMaeError(typed(thrown.message), { code, exit, hint, cause })
}

function withTypedName(text: string, key: string): string {
  const name = otherNames[key] ?? key
  // One lower-case word is a word of the language, too: it is a name where the errors of arguments have the name.
  if (!/[A-Z]/.test(name))
    return text
      .replace(new RegExp(`^(Expected .*? for) ${name}(?= but received )`), `$1 ${optionOf(key)}`)
      .replace(new RegExp(`^(Expected no) ${name}(?= .*, but received )`), `$1 ${optionOf(key)}`)
  // A word of its own: not within a path, a quoted value, or the name of a field.
  return text.replaceAll(new RegExp(`(?<![\\w."'\`/-])${name}(?![\\w"'\`/-]|\\.\\w)`, 'g'), optionOf(key))
}
