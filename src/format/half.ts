/**
 * IEEE 754 binary16 ("half") and bfloat16 as bit patterns in Uint16Array, to and from float32.
 * Rounding is to nearest, ties to even, as the hardware and NumPy do.
 */

/** @returns float32 values of binary16 bit patterns; exact. Shape unchanged. */
export function float16ToFloat32(bits: Uint16Array): Float32Array {
  const out = new Float32Array(bits.length)
  const words = new Uint32Array(out.buffer)
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i]
    const sign = (half & 0x8000) << 16
    const exponent = (half >>> 10) & 0x1f
    const fraction = half & 0x3ff
    if (exponent === 0) {
      // Zero and subnormals: fraction * 2^-24 is exact in float32.
      out[i] = (sign === 0 ? fraction : -fraction) * 2 ** -24
    } else if (exponent === 31) {
      words[i] = sign | 0x7f800000 | (fraction << 13)
    } else {
      words[i] = sign | ((exponent + 112) << 23) | (fraction << 13)
    }
  }
  return out
}

/** @returns binary16 bit patterns; values above 65504 (after rounding) become infinity. Shape unchanged. */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const out = new Uint16Array(values.length)
  for (let i = 0; i < words.length; i++) {
    const word = words[i]
    const sign = (word >>> 16) & 0x8000
    const magnitude = word & 0x7fffffff
    if (magnitude > 0x7f800000) {
      out[i] = sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff)
    } else if (magnitude >= 0x47800000) {
      out[i] = sign | 0x7c00
    } else if (magnitude >= 0x38800000) {
      // Normal: rebias, then round the 13 dropped bits; a carry runs into the exponent, up to infinity.
      const rebased = magnitude - 0x38000000
      out[i] = sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13)
    } else {
      // Subnormal or zero: count units of 2^-24, ties to even.
      const units = Math.abs(values[i]) * 2 ** 24
      const floor = Math.floor(units)
      const rest = units - floor
      out[i] = sign | (floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0))
    }
  }
  return out
}

/** @returns float32 values of bfloat16 bit patterns; exact. Shape unchanged. */
export function bfloat16ToFloat32(bits: Uint16Array): Float32Array {
  const out = new Float32Array(bits.length)
  const words = new Uint32Array(out.buffer)
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16
  return out
}

/** @returns bfloat16 bit patterns. Shape unchanged. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const out = new Uint16Array(values.length)
  for (let i = 0; i < words.length; i++) {
    const word = words[i]
    // A NaN keeps its payload and stays a NaN: rounding could carry it to infinity.
    out[i] = (word & 0x7fffffff) > 0x7f800000 ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
  return out
}
