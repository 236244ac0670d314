/** Which options the user has given: one that would be without effect may be one that the user relies on. */
import type { Command } from 'commander'

/** Whether the option is on the command line. */
export const isGiven = (command: Command, name: string): boolean => command.getOptionValueSource(name) === 'cli'

/** An option as the user knows it. */
export interface GivenOption {
  /** `--mask-ratio`. */
  readonly flag: string
  readonly value: string
}

/** The first option on the command line that `matches` picks by its name; null where there is none. */
export function givenOption(command: Command, matches: (name: string) => boolean): GivenOption | null {
  const found = command.options.find((option) => {
    const name = option.attributeName()
    return isGiven(command, name) && matches(name)
  })
  if (found === undefined) return null
  return { flag: found.long ?? found.flags, value: String(command.getOptionValue(found.attributeName())) }
}
