import type { CommandDefinition } from '../../src/cli/commands/definition.ts'
import { type ArgumentKinds, type OptionKinds, requireValues, type ValuesOf } from '../../src/cli/options/option.ts'

/** The options that the action of a command gets where these are given. */
export function optionsWith<Options extends OptionKinds>(
  { options }: CommandDefinition<ArgumentKinds, Options>,
  given: Partial<ValuesOf<Options>>,
): ValuesOf<Options> {
  const defaults = Object.entries(options).map(([name, { fallback, negated }]) => [name, negated ? true : fallback])
  const values: Readonly<Record<string, unknown>> = { ...Object.fromEntries(defaults), ...given }
  requireValues(options, values)
  return values
}
