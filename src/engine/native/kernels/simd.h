/*
 * Vectors of LANES floats over the processor levels: GCC and Clang vector extensions for what they can say, intrinsics
 * for the rest. a * b + c compiles to one fused instruction where the level has it (-ffp-contract=fast).
 */
#ifndef VIDEOMAE_SIMD_H
#define VIDEOMAE_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#include "kernel.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

#define INLINE static inline __attribute__((always_inline))
/* In front of a loop with constant bounds: all of it is unrolled. */
#define UNROLL _Pragma("GCC unroll 16")

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef uint32_t vu __attribute__((vector_size(LANES * 4)));
typedef vf vf_anywhere __attribute__((aligned(4), may_alias));
typedef vu vu_anywhere __attribute__((aligned(2), may_alias));
typedef uint16_t vh __attribute__((vector_size(LANES * 2)));
typedef vh vh_anywhere __attribute__((aligned(2), may_alias));

INLINE vf load(const void *p) { return *(const vf_anywhere *)p; }
INLINE void store(void *p, vf v) { *(vf_anywhere *)p = v; }
INLINE vu load_bits(const void *p) { return *(const vu_anywhere *)p; }
INLINE void store_bits(void *p, vu v) { *(vu_anywhere *)p = v; }

/* The first n floats (0 <= n <= LANES), zero behind them. */
INLINE vf load_first(const float *p, int64_t n) {
#if defined(__AVX512F__)
  return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
  vf v = {0};
  memcpy(&v, p, (size_t)n * 4);
  return v;
#endif
}
INLINE void store_first(float *p, vf v, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
  memcpy(p, &v, (size_t)n * 4);
#endif
}

/*
 * Past the caches to a multiple of the size of a vector: for what nobody reads soon, since a cache would first fetch the line
 * that is overwritten. `stream_end` comes before anybody else reads it.
 */
INLINE void stream_bits(void *p, vu v) {
#if defined(__AVX512F__)
  _mm512_stream_si512(p, (__m512i)v);
#elif defined(__AVX2__)
  _mm256_stream_si256(p, (__m256i)v);
#else
  store_bits(p, v);
#endif
}
INLINE void stream_end(void) {
#if defined(__AVX512F__) || defined(__AVX2__)
  _mm_sfence();
#endif
}

INLINE vu splat_bits(uint32_t x) { return (vu){0} + x; }
INLINE vf splat(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return (vf)splat_bits(bits);
}
/* The 4 bytes at p in every lane. */
INLINE vu splat_from(const void *p) {
  uint32_t bits;
  memcpy(&bits, p, 4);
  return splat_bits(bits);
}
/* Where mask is all ones a, where it is zero b. */
INLINE vf choose(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }

INLINE vf larger(vf a, vf b) {
#if defined(__AVX512F__)
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return choose(a > b, a, b);
#endif
}
INLINE vf absolute(vf a) { return (vf)((vu)a & 0x7fffffffu); }

INLINE float sum_lanes(vf v) {
  float total = 0;
  for (int i = 0; i < LANES; i++) total += v[i];
  return total;
}

/* bfloat16 <-> float; rounds to nearest, ties to even. Not-a-numbers stay that. */
INLINE vf widen(vh v) {
#if defined(__AVX512F__)
  return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)v), 16);
#elif defined(__AVX2__)
  return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32((__m128i)v), 16);
#else
  vu w;
  for (int i = 0; i < LANES; i++) w[i] = (uint32_t)v[i] << 16;
  return (vf)w;
#endif
}
/* bfloat16 bits in the lower half of each lane. */
INLINE vu rounded_bits(vf v) {
  const vu bits = (vu)v;
  const vu rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const vu nan = (bits >> 16) | 0x40u;
  return (vu)choose(v == v, (vf)rounded, (vf)nan);
}
INLINE vh narrow(vf v) {
#if defined(__AVX512BF16__)
  return (vh)_mm512_cvtneps_pbh((__m512)v);
#elif defined(__AVX512F__)
  return (vh)_mm512_cvtepi32_epi16((__m512i)rounded_bits(v));
#else
  const vu bits = rounded_bits(v);
  vh h;
  for (int i = 0; i < LANES; i++) h[i] = (uint16_t)bits[i];
  return h;
#endif
}
INLINE float widen_one(bfloat16 x) {
  const uint32_t bits = (uint32_t)x << 16;
  float v;
  memcpy(&v, &bits, 4);
  return v;
}
INLINE bfloat16 narrow_one(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if (x != x) return (bfloat16)((bits >> 16) | 0x40);
  return (bfloat16)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
INLINE vf load_bf16(const bfloat16 *p) { return widen(*(const vh_anywhere *)p); }
INLINE void store_bf16(bfloat16 *p, vf v) { *(vh_anywhere *)p = narrow(v); }
INLINE vf load_bf16_first(const bfloat16 *p, int64_t n) {
#if defined(__AVX512F__)
  return widen((vh)_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p));
#else
  vh v = {0};
  memcpy(&v, p, (size_t)n * 2);
  return widen(v);
#endif
}
INLINE void store_bf16_first(bfloat16 *p, vf v, int64_t n) {
#if defined(__AVX512F__)
  _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), (__m256i)narrow(v));
#else
  const vh h = narrow(v);
  memcpy(p, &h, (size_t)n * 2);
#endif
}

/* count whole vectors of floats or bfloat16 to element `at` on. */
INLINE void store_elements(const int pairs, const int count, void *p, int64_t at, const vf v[count]) {
  if (!pairs) {
    UNROLL for (int i = 0; i < count; i++) store((float *)p + at + i * LANES, v[i]);
    return;
  }
  bfloat16 *const to = (bfloat16 *)p + at;
#if defined(__AVX512BF16__)
  UNROLL for (int i = 0; i + 1 < count; i += 2) {
    store_bits(to + i * LANES, (vu)_mm512_cvtne2ps_pbh((__m512)v[i + 1], (__m512)v[i]));
  }
  if (count & 1) store_bf16(to + (count - 1) * LANES, v[count - 1]);
#else
  UNROLL for (int i = 0; i < count; i++) store_bf16(to + i * LANES, v[i]);
#endif
}

/* n (>= 0, all from LANES on) floats or bfloat16 from element `at` on; zero behind them. */
INLINE vf load_element(const int pairs, const void *p, int64_t at, int64_t n) {
  if (n >= LANES) return pairs ? load_bf16((const bfloat16 *)p + at) : load((const float *)p + at);
  if (n <= 0) return (vf){0};
  return pairs ? load_bf16_first((const bfloat16 *)p + at, n) : load_first((const float *)p + at, n);
}
INLINE void store_element(const int pairs, void *p, int64_t at, vf v, int64_t n) {
  if (n >= LANES) {
    if (pairs) store_bf16((bfloat16 *)p + at, v);
    else store((float *)p + at, v);
  } else if (n <= 0) {
    return;
  } else if (pairs) {
    store_bf16_first((bfloat16 *)p + at, v, n);
  } else {
    store_first((float *)p + at, v, n);
  }
}

/* The 16-bit values at p, one a lane, in the lower halves. */
INLINE vu load_half_bits(const void *p) {
#if defined(__AVX512F__)
  return (vu)_mm512_cvtepu16_epi32(_mm256_loadu_si256(p));
#elif defined(__AVX2__)
  return (vu)_mm256_cvtepu16_epi32(_mm_loadu_si128(p));
#else
  return (vu)load_bf16((const bfloat16 *)p) >> 16;
#endif
}
/* Pairs of the 16-bit values at low and at high, LANES columns. */
INLINE vu pair_columns(const bfloat16 *low, const bfloat16 *high) {
  return load_half_bits(low) | (load_half_bits(high) << 16);
}
/* The same for 2 * LANES columns. */
INLINE void pair_columns_twice(const bfloat16 *low, const bfloat16 *high, vu pairs[2]) {
#if defined(__AVX512BW__)
  const __m512i a = _mm512_loadu_si512(low), b = _mm512_loadu_si512(high);
  const __m512i first = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37,
                                         5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
  pairs[0] = (vu)_mm512_permutex2var_epi16(a, first, b);
  pairs[1] = (vu)_mm512_permutex2var_epi16(a, second, b);
#else
  pairs[0] = pair_columns(low, high);
  pairs[1] = pair_columns(low + LANES, high + LANES);
#endif
}
/* Lanes 0 to width - 1 to the first place, the next to the second and so on, `apart` bytes from each other. */
INLINE void scatter_parts(vu v, const int width, char *to, int64_t apart) {
#if defined(__AVX512F__)
  if (width == 8) {
    _mm256_storeu_si256((void *)to, _mm512_castsi512_si256((__m512i)v));
    _mm256_storeu_si256((void *)(to + apart), _mm512_extracti64x4_epi64((__m512i)v, 1));
    return;
  }
#endif
  UNROLL for (int i = 0; i < LANES / width; i++) {
    memcpy(to + i * apart, (const uint32_t *)&v + i * width, (size_t)width * 4);
  }
}
INLINE vu load_half_bits_first(const void *p, int64_t n) { return (vu)load_bf16_first((const bfloat16 *)p, n) >> 16; }

/* Two vectors as pairs: lane i holds bfloat16(low[i]) below bfloat16(high[i]). */
INLINE vu narrow_pairs(vf low, vf high) {
#if defined(__AVX512BF16__)
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return (vu)_mm512_permutexvar_epi16(order, both);
#else
  return rounded_bits(low) | (rounded_bits(high) << 16);
#endif
}

/* sum + a * b; `pairs`: the lanes are pairs of bfloat16, and both products of a pair are added. */
INLINE vf multiply_add(const int pairs, vf sum, vu a, vu b) {
  if (!pairs) return sum + (vf)a * (vf)b;
#if defined(__AVX512BF16__)
  return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
  sum = sum + (vf)(a << 16) * (vf)(b << 16);
  return sum + (vf)(a & 0xffff0000u) * (vf)(b & 0xffff0000u);
#endif
}

/*
 * 2^x for x <= 127; 0 below -126 or so. The polynomials are minimax fits of 2^f on -0.5 to 0.5 with relative errors of
 * 7.5e-5 (coarse, for results that are rounded to bfloat16) and 9.2e-8.
 */
INLINE vf power_of_two(const int coarse, vf x) {
#if defined(__AVX512F__)
  const vf whole = (vf)_mm512_roundscale_ps((__m512)x, 0);
#else
  x = larger(x, splat(-127));
  const vf whole = (x + splat(12582912.f)) - splat(12582912.f);
#endif
  const vf f = x - whole;
  vf p;
  if (coarse) {
    p = splat(0.05517167f) * f + splat(0.24261113f);
    p = p * f + splat(0.69326099f);
    p = p * f + splat(0.99992807f);
  } else {
    p = splat(0.00132647f) * f + splat(0.00967151f);
    p = p * f + splat(0.05550734f);
    p = p * f + splat(0.24022242f);
    p = p * f + splat(0.69314698f);
    p = p * f + splat(1);
  }
#if defined(__AVX512F__)
  return (vf)_mm512_scalef_ps((__m512)p, (__m512)whole);
#else
  const vi exponent = (__builtin_convertvector(whole, vi) + 127) << 23;
  return p * (vf)exponent;
#endif
}

/* 1 / x for x > 0, 0 for infinity; relative error 6e-5 (`coarse`) or 1e-7. */
INLINE vf reciprocal(const int coarse, vf x) {
#if defined(__AVX512F__)
  if (coarse) return (vf)_mm512_rcp14_ps((__m512)x);
  /* Newton's step would make a NaN of 0 times infinity. */
  x = (vf)_mm512_min_ps((__m512)x, _mm512_set1_ps(0x1p126f));
  const vf r = (vf)_mm512_rcp14_ps((__m512)x);
  return r * (splat(2) - x * r);
#else
  (void)coarse;
  return splat(1) / x;
#endif
}

/* log2(x) for normal x > 0, relative error 1e-7 or so: log2(m) of m in 0.7 to 1.42 by the series of atanh. */
INLINE vf logarithm_of_two(vf x) {
  const vu bits = (vu)x - 0x3f3504f3u;
  const vf exponent = __builtin_convertvector((vi)bits >> 23, vf);
  const vf m = (vf)((bits & 0x007fffffu) + 0x3f3504f3u);
  const vf s = (m - splat(1)) / (m + splat(1)), t = s * s;
  vf p = splat(0.41219858f) * t + splat(0.57707802f);
  p = p * t + splat(0.96179669f);
  return (p * t + splat(2.88539008f)) * s + exponent;
}

/* Lane j of row i becomes lane i of row j. */
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vu){__VA_ARGS__})
#endif
/* Lanes of a where bit s of their number is clear, of b moved up by s elsewhere; and the other way round. */
#define EVEN(j, s) ((j) & (s) ? LANES + (j) - (s) : (j))
#define ODD(j, s) ((j) & (s) ? LANES + (j) : (j) + (s))
#define ORDER4(M, j, s) M(j, s), M(j + 1, s), M(j + 2, s), M(j + 3, s)
#if LANES == 16
#define ORDER(M, s) ORDER4(M, 0, s), ORDER4(M, 4, s), ORDER4(M, 8, s), ORDER4(M, 12, s)
#elif LANES == 8
#define ORDER(M, s) ORDER4(M, 0, s), ORDER4(M, 4, s)
#else
#define ORDER(M, s) ORDER4(M, 0, s)
#endif
#define TRANSPOSE_STEP(rows, s)                          \
  UNROLL for (int i = 0; i < LANES; i++) {               \
    if (i & (s)) continue;                               \
    const vu a = rows[i], b = rows[i + (s)];             \
    rows[i] = SHUFFLE(a, b, ORDER(EVEN, s));             \
    rows[i + (s)] = SHUFFLE(a, b, ORDER(ODD, s));        \
  }
INLINE void transpose(vu rows[LANES]) {
  TRANSPOSE_STEP(rows, 1)
  TRANSPOSE_STEP(rows, 2)
#if LANES >= 8
  TRANSPOSE_STEP(rows, 4)
#endif
#if LANES >= 16
  TRANSPOSE_STEP(rows, 8)
#endif
}

#endif
