import type { WorkBudget } from './cover-bound.ts'

/**
 * Buckets whose learners together are worth at least `gap`: each time one that adds most. Not always the fewest.
 *
 * What a bucket adds only falls, so it is computed again only when the bucket is next in turn (lazy greedy; Minoux 1978).
 *
 * @param worth [learners] 0 to 2; together at least `gap`
 * @param powers [buckets] worth of the learners that each reaches, 0 to 2d
 * @param offsets [d] bucket j reaches the learners (j + offset) mod learners
 */
export function greedyCover(
  worth: Int32Array,
  powers: Int32Array,
  gap: number,
  offsets: readonly number[],
  budget: WorkBudget,
): readonly number[] {
  const learners = worth.length
  const left = worth.slice()
  const queues = Array.from({ length: 2 * offsets.length + 1 }, (): number[] => [])
  for (let j = learners - 1; j >= 0; j--) queues[powers[j]].push(j)
  const buckets: number[] = []
  budget.left -= 2 * learners
  let missing = gap
  for (let power = queues.length - 1; power > 0 && missing > 0; ) {
    const bucket = queues[power].pop()
    if (bucket === undefined) {
      power--
      continue
    }
    budget.left -= offsets.length
    let adds = 0
    for (const offset of offsets) adds += left[(bucket + offset) % learners]
    if (adds < power) {
      queues[adds].push(bucket)
      continue
    }
    buckets.push(bucket)
    missing -= adds
    for (const offset of offsets) left[(bucket + offset) % learners] = 0
  }
  return buckets
}
