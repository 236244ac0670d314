/** The first value that was in the list before; undefined where all differ. */
export function firstRepeated<T extends string | number>(values: readonly T[]): T | undefined {
  const seen = new Set<T>()
  return values.find((value) => seen.size === seen.add(value).size)
}
