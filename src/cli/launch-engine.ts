import { automatic, namedByVariable } from '../engine/automatic.ts'
import { sumsOverRanks } from '../engine/ignored-options.ts'

/**
 * Refuses an engine that cannot train on several ranks, before they start, where the command or the variable names it. What a recipe
 * names, the ranks refuse.
 *
 * @param args the command and its arguments
 * @throws VideoMaeError `PROGRAM_UNSUPPORTED`, `ENGINE_UNKNOWN`
 */
export async function refuseEngineWithoutRanks(
  [command, ...args]: readonly string[],
  ranks: number,
  variables: Readonly<Record<string, string | undefined>> = process.env,
): Promise<void> {
  // The other commands, and training a head, divide the work and sum no gradients.
  const together = command === 'pretrain' || (command === 'finetune' && valueIn(args, '--mode', 'mode') === 'full')
  if (!together || ranks === 1) return
  const named = valueIn(args, '--engine', 'engine.name') ?? automatic
  const engine = named === automatic ? namedByVariable(variables) : named
  if (engine === null || sumsOverRanks(engine)) return
  const { reductionUnsupported } = await import('../distributed/reducer.ts')
  throw reductionUnsupported(engine)
}

/** The last value of an option on a command line, or else of the key of `--set` that it stands for. */
function valueIn(args: readonly string[], option: string, key: string): string | null {
  const valuesOf = (name: string): string[] =>
    args.flatMap((each, i) => {
      if (each.startsWith(`${name}=`)) return [each.slice(name.length + 1)]
      return each === name && i + 1 < args.length ? [args[i + 1]] : []
    })
  const set = valuesOf('--set').flatMap((each) => (each.startsWith(`${key}=`) ? [each.slice(key.length + 1)] : []))
  return valuesOf(option).at(-1) ?? set.at(-1) ?? null
}
