/*
 * The exact GELU, x Phi(x), and its derivative Phi(x) + x phi(x), vectorized. Phi by formulas 7.1.26 of Abramowitz and
 * Stegun (absolute error 7.5e-8), or 7.1.25 (1.3e-5) where results are rounded to bfloat16 (`coarse`). Both need
 * exp(-x^2/2), so that the derivative gets its density for nothing.
 */
#ifndef VIDEOMAE_GELU_H
#define VIDEOMAE_GELU_H

#include "simd.h"

/* Phi(x), and exp(-x^2 / 2) in *e. */
INLINE vf normal_distribution(const int coarse, vf x, vf *e) {
  /* Exactly 0 for large x: the derivative multiplies it by x. */
  *e = power_of_two(coarse, larger(x * x * splat(-0.72134752f), splat(-200)));
  vf p;
  if (coarse) {
    const vf t = reciprocal(1, absolute(x) * splat(0.47047f * 0.70710678f) + splat(1));
    p = splat(0.5f * 0.7478556f) * t + splat(0.5f * -0.0958798f);
    p = (p * t + splat(0.5f * 0.3480242f)) * t;
  } else {
    const vf t = reciprocal(0, absolute(x) * splat(0.3275911f * 0.70710678f) + splat(1));
    p = splat(0.5f * 1.061405429f) * t + splat(0.5f * -1.453152027f);
    p = p * t + splat(0.5f * 1.421413741f);
    p = p * t + splat(0.5f * -0.284496736f);
    p = (p * t + splat(0.5f * 0.254829592f)) * t;
  }
  /* 1/2 - tail with the sign of x. */
  const vf half = splat(0.5f) - p * *e;
  return splat(0.5f) + (vf)((vu)half ^ ((vu)x & 0x80000000u));
}
INLINE vf gelu(const int coarse, vf x) {
  vf e;
  return x * normal_distribution(coarse, x, &e);
}
INLINE vf gelu_derivative(const int coarse, vf x) {
  vf e;
  const vf p = normal_distribution(coarse, x, &e);
  return x * splat(0.39894228f) * e + p;
}

#endif
