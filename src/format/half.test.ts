import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from './half.ts'

const every = Uint16Array.from({ length: 65536 }, (_, i) => i)

/** IEEE 754-2008, section 3.4: value of a binary16 pattern, by its definition. */
function half(bits: number): number {
  const sign = bits >> 15 === 0 ? 1 : -1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

describe('binary16', () => {
  test('decodes every pattern', () => {
    const values = float16ToFloat32(every)
    for (let i = 0; i < every.length; i++)
      if (!Object.is(values[i], half(i))) expect([i, values[i]]).toEqual([i, half(i)])
  })

  test('encodes every value to its own pattern', () => {
    const back = float32ToFloat16(float16ToFloat32(every))
    for (let i = 0; i < every.length; i++) {
      if (Number.isNaN(half(i))) expect(Number.isNaN(half(back[i]))).toBe(true)
      else if (back[i] !== i) expect(back[i]).toBe(i)
    }
  })

  test('rounds to nearest, ties to even, at every boundary between neighbors', () => {
    for (let i = 0; i < 0x7bff; i++) {
      const low = half(i)
      const middle = (low + half(i + 1)) / 2
      const [below, tie, above] = float32ToFloat16(
        Float32Array.of(middle * (1 - 2 ** -22), middle, middle * (1 + 2 ** -22)),
      )
      if (below !== i || above !== i + 1 || tie !== (i % 2 === 0 ? i : i + 1)) {
        expect([i, below, tie, above]).toEqual([i, i, i % 2 === 0 ? i : i + 1, i + 1])
      }
    }
    expect([...float32ToFloat16(Float32Array.of(65519, 65520, -1e30, 1e-30, -0))]).toEqual([
      0x7bff, 0x7c00, 0xfc00, 0, 0x8000,
    ])
  })
})

describe('bfloat16', () => {
  test('keeps every pattern through float32', () => {
    const values = bfloat16ToFloat32(every)
    expect(values[0x3f80]).toBe(1)
    expect(values[0xc049]).toBe(-3.140625)
    const back = float32ToBfloat16(values)
    for (let i = 0; i < every.length; i++) {
      if (Number.isNaN(values[i])) expect(Number.isNaN(bfloat16ToFloat32(back.subarray(i, i + 1))[0])).toBe(true)
      else if (back[i] !== i) expect(back[i]).toBe(i)
    }
  })

  test('rounds to the nearest neighbor', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 126), max: 2 ** 126 }), (value) => {
        const [bits] = float32ToBfloat16(Float32Array.of(value))
        const near = bfloat16ToFloat32(Uint16Array.of(bits - 1, bits, bits + 1))
        const error = Math.abs(near[1] - value)
        if (bits % 0x8000 > 0) expect(error).toBeLessThanOrEqual(Math.abs(near[0] - value))
        expect(error).toBeLessThanOrEqual(Math.abs(near[2] - value))
      }),
      { seed: 5, numRuns: 2000 },
    )
    // Beyond the largest: a tie there goes to infinity. A NaN that only dropped bits tell from infinity stays one.
    const words = Uint32Array.of(0x7f7f7fff, 0x7f7f8000, 0xff7fffff, 0x7f800001, 0xff80ffff, 0x7fffffff)
    expect([...float32ToBfloat16(new Float32Array(words.buffer))]).toEqual([
      0x7f7f, 0x7f80, 0xff80, 0x7fc0, 0xffc0, 0x7fff,
    ])
    // Ties: 1 + 2^-8 is between 1 (even) and 1 + 2^-7.
    expect([...float32ToBfloat16(Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8))]).toEqual([0x3f80, 0x3f82])
  })
})
