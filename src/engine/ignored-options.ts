/** Options that an engine has no use for. Somebody relies on a value that is given, so commands refuse or name it. */
import type { EngineOptions } from './engine.ts'

type IgnoredOption = Exclude<keyof EngineOptions, 'recompute'>

const ignored: ReadonlyMap<string, readonly IgnoredOption[]> = new Map([
  ['reference', ['threads', 'device', 'precision']],
  ['cuda', ['threads']],
  ['webgpu', ['threads']],
  ['tfjs', ['threads']],
])

/** Whether ranks can train together on an engine: it sums gradients over them. */
export const sumsOverRanks = (engine: string): boolean => engine !== 'webgpu'

/** @param engine its name; null where the machine decides */
export function ignoresOption(engine: string | null, option: string): boolean {
  return ignored.get(engine ?? '')?.some((name) => name === option) === true
}
