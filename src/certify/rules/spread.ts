/**
 * Offsets of Finite Aggregation: which d of the kd learners a bucket reaches. Any fixed choice that does not look at data is
 * valid; a choice that repeats with a period makes buckets share their learners and wastes what the method gains.
 */
import { learnerCount } from '../../core/counts.ts'
import { RandomStream } from '../../core/random.ts'

/** Whether moving every offset by some p leaves the same set: then buckets j and j + p reach the same learners. */
export function isPeriodic(offsets: readonly number[], learners: number): boolean {
  const set = new Set(offsets)
  return offsets.slice(1).some((offset) => {
    const shift = (offset - offsets[0] + learners) % learners
    return offsets.every((s) => set.has((s + shift) % learners))
  })
}

/**
 * d distinct offsets in 0..kd-1, ascending, drawn once from (seed, k, d), without a period where one can be avoided.
 *
 * @param k inverse sensitivity: every sample reaches 1/k of the learners
 * @param d spread degree; 1 is plain partition aggregation
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function spreadOffsets(k: number, d: number, seed = 0): number[] {
  const learners = learnerCount(k, d)
  if (d === 1) return [0]
  for (let attempt = 0; ; attempt++) {
    const order = new RandomStream(seed, k, d, attempt, 'spread offsets').permutation(learners)
    const offsets = Array.from(order.subarray(0, d)).sort((a, b) => a - b)
    if (!isPeriodic(offsets, learners) || attempt === 63) return offsets
  }
}

/** Buckets that learner i is trained on, ascending: (i - offset) mod their number, kd. */
export function bucketsOfLearner(learner: number, buckets: number, offsets: readonly number[]): number[] {
  return offsets.map((offset) => (learner - offset + buckets) % buckets).sort((a, b) => a - b)
}

/**
 * Learners that are trained on a bucket: the inverse of `bucketsOfLearner`, in no order. What asks this of the buckets that have a
 * sample is done in time, also where learners are millions and nearly all of them have none.
 */
export function learnersOn(bucket: number, buckets: number, learners: number, offsets: readonly number[]): number[] {
  const found: number[] = []
  for (const offset of offsets)
    for (let learner = (bucket + offset) % buckets; learner < learners; learner += buckets) found.push(learner)
  return found
}

/** @returns [learners] samples of each learner, from those of each bucket */
export function learnerSizes(sizes: ArrayLike<number>, learners: number, offsets: readonly number[]): Float64Array {
  const sums = new Float64Array(learners)
  for (let bucket = 0; bucket < sizes.length; bucket++)
    if (sizes[bucket] !== 0)
      for (const learner of learnersOn(bucket, sizes.length, learners, offsets)) sums[learner] += sizes[bucket]
  return sums
}

/** Learners that bucket j reaches, ascending: (j + offset) mod kd. */
export function learnersOfBucket(bucket: number, learners: number, offsets: readonly number[]): number[] {
  return offsets.map((offset) => (bucket + offset) % learners).sort((a, b) => a - b)
}

/**
 * The offsets that the published Finite Aggregation program uses: Python 3's `random.sample(range(kd), d)` after
 * `random.seed(1000000207)`. For comparing with its stored votes; for new runs `spreadOffsets` is as good.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` where k or d is no whole number from 1
 */
export function publishedOffsets(k: number, d: number): number[] {
  const learners = learnerCount(k, d)
  const next = mersenneTwister(1_000_000_207)
  const below = (n: number): number => {
    const bits = 32 - Math.clz32(n)
    for (;;) {
      const value = next() >>> (32 - bits)
      if (value < n) return value
    }
  }
  // CPython keeps a pool for small populations and a set of taken values otherwise; both draw differently.
  const setLimit = d > 5 ? 21 + 4 ** Math.ceil(Math.log(d * 3) / Math.log(4)) : 21
  if (learners <= setLimit) {
    const pool = Array.from({ length: learners }, (_, i) => i)
    return Array.from({ length: d }, (_, i) => {
      const j = below(learners - i)
      const drawn = pool[j]
      pool[j] = pool[learners - i - 1]
      return drawn
    })
  }
  const taken = new Set<number>()
  while (taken.size < d) taken.add(below(learners)) // a repeated value is drawn again, as there
  return [...taken]
}

/** MT19937 (Matsumoto & Nishimura 1998), seeded through init_by_array with the one word that Python passes. */
function mersenneTwister(seed: number): () => number {
  const n = 624
  const state = new Uint32Array(n)
  state[0] = 19_650_218
  for (let i = 1; i < n; i++) state[i] = Math.imul(1_812_433_253, state[i - 1] ^ (state[i - 1] >>> 30)) + i
  let i = 1
  const step = (factor: number) => {
    const mixed = Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), factor)
    i++
    return mixed
  }
  const wrap = () => {
    if (i < n) return
    state[0] = state[n - 1]
    i = 1
  }
  for (let count = 0; count < n; count++) {
    const at = i
    state[at] = (state[at] ^ step(1_664_525)) + seed
    wrap()
  }
  for (let count = 0; count < n - 1; count++) {
    const at = i
    state[at] = (state[at] ^ step(1_566_083_941)) - at
    wrap()
  }
  state[0] = 0x8000_0000
  let position = n
  return () => {
    if (position === n) {
      for (let k = 0; k < n; k++) {
        const y = (state[k] & 0x8000_0000) | (state[(k + 1) % n] & 0x7fff_ffff)
        state[k] = state[(k + 397) % n] ^ (y >>> 1) ^ (y & 1 ? 0x9908_b0df : 0)
      }
      position = 0
    }
    let y = state[position++]
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c_5680
    y ^= (y << 15) & 0xefc6_0000
    return (y ^ (y >>> 18)) >>> 0
  }
}
