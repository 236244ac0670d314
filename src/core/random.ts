/**
 * Keyed random streams. A stream depends only on its key, e.g. `(seed, epoch, sample, 'mask')`, never on what was drawn
 * before it elsewhere; so results depend neither on the number of workers nor on the moment of resuming.
 *
 * Key mixing: murmur3 finalizer over the 32-bit words of the key. Generator: xoshiro128** (Blackman & Vigna 2018).
 */
export type KeyPart = number | string

function finalize(h: number): number {
  let x = h >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

function keyWords(key: readonly KeyPart[]): number[] {
  const words: number[] = []
  for (const part of key) {
    if (typeof part === 'number') {
      if (!Number.isFinite(part)) throw new RangeError(`A random key part must be finite, got ${part}.`)
      const high = Math.floor(part / 0x1_0000_0000)
      words.push(1, part >>> 0, high >>> 0)
      if (!Number.isInteger(part)) words.push(Math.floor((part - Math.floor(part)) * 0x1_0000_0000) >>> 0)
    } else {
      words.push(2, part.length)
      for (let i = 0; i < part.length; i++) words.push(part.charCodeAt(i))
    }
  }
  return words
}

/** Random numbers that depend on a key alone: the same key gives the same numbers. */
export class RandomStream {
  private a: number
  private b: number
  private c: number
  private d: number
  private spareNormal: number | null = null

  /** @throws RangeError for a number in the key that is not finite */
  constructor(...key: readonly KeyPart[]) {
    const state = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x6a09e667]
    for (const word of keyWords(key)) {
      for (let i = 0; i < 4; i++) state[i] = finalize(state[i]! ^ finalize(word + Math.imul(i + 1, 0x9e3779b9)))
    }
    this.a = state[0]! | 1 // never all zero
    this.b = state[1]!
    this.c = state[2]!
    this.d = state[3]!
    for (let i = 0; i < 8; i++) this.uint32()
  }

  /** Uniform integer in [0, 2^32). */
  uint32(): number {
    const product = Math.imul(this.b, 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0
    const t = this.b << 9
    this.c ^= this.a
    this.d ^= this.b
    this.b ^= this.c
    this.a ^= this.d
    this.c ^= t
    this.d = (this.d << 11) | (this.d >>> 21)
    return result
  }

  /** Uniform in [0, 1) with 53 random bits. */
  uniform(low = 0, high = 1): number {
    const bits = (this.uint32() >>> 5) * 67_108_864 + (this.uint32() >>> 6)
    return low + (high - low) * (bits / 9_007_199_254_740_992)
  }

  /**
   * Uniform integer in [0, n), unbiased (rejection).
   *
   * @throws RangeError for an n that is no whole number from 1 to 2^32
   */
  integer(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 0x1_0000_0000)
      throw new RangeError(`integer(n) needs 1 <= n <= 2^32, got ${n}.`)
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % n)
    for (;;) {
      const x = this.uint32()
      if (x < limit) return x % n
    }
  }

  /** Standard normal (polar Box-Muller). */
  normal(mean = 0, deviation = 1): number {
    if (this.spareNormal !== null) {
      const value = this.spareNormal
      this.spareNormal = null
      return mean + deviation * value
    }
    for (;;) {
      const u = this.uniform(-1, 1)
      const v = this.uniform(-1, 1)
      const s = u * u + v * v
      if (s > 0 && s < 1) {
        const factor = Math.sqrt((-2 * Math.log(s)) / s)
        this.spareNormal = v * factor
        return mean + deviation * u * factor
      }
    }
  }

  /** Gamma(shape, 1), Marsaglia & Tsang 2000. */
  gamma(shape: number): number {
    if (shape < 1) return this.gamma(shape + 1) * this.uniform() ** (1 / shape)
    const d = shape - 1 / 3
    const c = 1 / Math.sqrt(9 * d)
    for (;;) {
      const x = this.normal()
      const v = (1 + c * x) ** 3
      if (v > 0 && Math.log(1 - this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
    }
  }

  /** Beta(a, b) on (0, 1). */
  beta(a: number, b: number): number {
    const x = this.gamma(a)
    return x / (x + this.gamma(b))
  }

  /** Fisher-Yates, in place. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1)
      const swapped = items[i]
      items[i] = items[j]
      items[j] = swapped
    }
    return items
  }

  /** A random permutation of 0..n-1. */
  permutation(n: number): Uint32Array {
    const order = new Uint32Array(n)
    for (let i = 0; i < n; i++) order[i] = i
    return this.shuffle(order)
  }
}
