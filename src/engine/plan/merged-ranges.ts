import type { NativeValues } from '../../distributed/reducer.ts'

/**
 * Floats in as few pieces as they are in: what overlaps or is side by side becomes one, so that nothing is summed twice.
 *
 * @param within bytes between two pieces, less than this, that belong to the first one and mean nothing
 */
export function mergedRanges(
  ranges: readonly { readonly address: bigint; readonly bytes: number }[],
  within: number,
): NativeValues[] {
  const merged: { first: bigint; end: bigint }[] = []
  for (const { address, bytes } of [...ranges].sort((a, b) => (a.address < b.address ? -1 : 1))) {
    const end = address + BigInt(bytes)
    const last = merged.at(-1)
    if (last === undefined || address >= last.end + BigInt(within)) merged.push({ first: address, end })
    else if (end > last.end) last.end = end
  }
  return merged.map(({ first, end }) => ({ address: first, type: 'float32', count: Number(end - first) / 4 }))
}
