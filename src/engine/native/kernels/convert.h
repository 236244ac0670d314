/*
 * Floats and bfloat16 in plain C, written so that compilers turn loops over them into vector code. `half` is a constant
 * where these are called: the choice costs nothing.
 */
#ifndef CONVERT_H
#define CONVERT_H

#include <string.h>

#include "kernel.h"

#define INLINE static inline __attribute__((always_inline))

INLINE float bits_to_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

INLINE uint32_t float_to_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

INLINE float widen(bfloat16 value) { return bits_to_float((uint32_t)value << 16); }

/* To the nearest, ties to even; a NaN stays one. */
INLINE bfloat16 narrow(float value) {
  uint32_t bits = float_to_bits(value);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  uint32_t nan = (bits >> 16) | 0x40;
  return (bfloat16)((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

/* Element i of floats, or of bfloat16 numbers. */
INLINE float load(const void *from, int64_t i, int half) {
  return half ? widen(((const bfloat16 *)from)[i]) : ((const float *)from)[i];
}

INLINE void store(void *to, int64_t i, float value, int half) {
  if (half) ((bfloat16 *)to)[i] = narrow(value);
  else ((float *)to)[i] = value;
}

/* Address of element i. */
INLINE const void *element(const void *from, int64_t i, int half) { return (const char *)from + i * (half ? 2 : 4); }
INLINE void *element_of(void *to, int64_t i, int half) { return (char *)to + i * (half ? 2 : 4); }

/* Both kernels of a body: `name_f32` and `name_bf16`. */
#define BOTH_KERNELS(name, type)                                                            \
  void name##_f32(const void *arguments, const struct worker *worker) {                     \
    name((const struct type *)arguments, worker, 0);                                        \
  }                                                                                         \
  void name##_bf16(const void *arguments, const struct worker *worker) {                    \
    name((const struct type *)arguments, worker, 1);                                        \
  }

/*
 * Sixteen numbers at once, whatever the length of the processor's vectors: the order of additions is the same on every
 * level.
 */
#define LANES 16
typedef float floats __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint32_t words __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint16_t halves __attribute__((vector_size(LANES * 2), aligned(2), may_alias));

INLINE floats load_lanes(const void *from, int64_t i, int half) {
  if (!half) return *(const floats *)((const float *)from + i);
  words bits = __builtin_convertvector(*(const halves *)((const bfloat16 *)from + i), words) << 16;
  return (floats)bits;
}

INLINE void store_lanes(void *to, int64_t i, floats value, int half) {
  if (!half) {
    *(floats *)((float *)to + i) = value;
    return;
  }
  words bits = (words)value;
  words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  words nan = (bits >> 16) | 0x40;
  words is_nan = (words)((bits & 0x7fffffff) > 0x7f800000);
  words result = (nan & is_nan) | (rounded & ~is_nan);
  *(halves *)((bfloat16 *)to + i) = __builtin_convertvector(result, halves);
}

INLINE float sum_lanes(floats lanes) {
  float eight[8], four[4];
  for (int i = 0; i < 8; i++) eight[i] = lanes[i] + lanes[i + 8];
  for (int i = 0; i < 4; i++) four[i] = eight[i] + eight[i + 4];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

#endif
