/**
 * Keys of configurations under their earlier names: recipes, `--set`, and what earlier runs and certificates have written.
 * They are read as the keys of today. What is written has the keys of today.
 */

const renamed = [{ section: 'optimizer', earlier: 'average', now: 'ema' }] as const

const isSection = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The values with the keys of today. Where both names are given, both stay: the earlier one is then an unknown key. */
export function withCurrentKeys(values: unknown): unknown {
  if (!isSection(values)) return values
  let current = values
  for (const { section, earlier, now } of renamed) {
    const part = current[section]
    if (!isSection(part) || !Object.hasOwn(part, earlier) || Object.hasOwn(part, now)) continue
    const entries = Object.entries(part).map(([key, value]) => [key === earlier ? now : key, value])
    current = { ...current, [section]: Object.fromEntries(entries) }
  }
  return current
}

/** The key of today, of a dotted key as `--set` takes it. */
export function currentPath(path: readonly string[]): readonly string[] {
  const found = renamed.find(({ section, earlier }) => path.length === 2 && path[0] === section && path[1] === earlier)
  return found === undefined ? path : [found.section, found.now]
}
