/*
 * The exact GELU, x Phi(x), and its derivative Phi(x) + x phi(x), vectorized. Phi by formula 7.1.26 of Abramowitz and
 * Stegun (absolute error 7.5e-8), which needs exp(-x^2/2): the derivative gets its density for nothing.
 */
#ifndef VIDEOMAE_GELU_H
#define VIDEOMAE_GELU_H

#include "simd.h"

/* Phi(x), and exp(-x^2 / 2) in *e. */
INLINE vf normal_distribution(vf x, vf *e) {
  *e = power_of_two(0, larger(x * x * splat(-0.72134752f), splat(-127)));
  const vf t = splat(1) / (absolute(x) * splat(0.3275911f * 0.70710678f) + splat(1));
  vf p = splat(0.5f * 1.061405429f) * t + splat(0.5f * -1.453152027f);
  p = p * t + splat(0.5f * 1.421413741f);
  p = p * t + splat(0.5f * -0.284496736f);
  p = p * t + splat(0.5f * 0.254829592f);
  const vf tail = p * t * *e;
  return choose(x < splat(0), tail, splat(1) - tail);
}
INLINE vf gelu(vf x) {
  vf e;
  return x * normal_distribution(x, &e);
}
INLINE vf gelu_derivative(vf x) {
  vf e;
  const vf p = normal_distribution(x, &e);
  return x * splat(0.39894228f) * e + p;
}

#endif
