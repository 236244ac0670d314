/* exp, the error function and GELU to float precision, without branches. */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include <math.h>

#include "convert.h"

/* e^x to 2 units in the last place; 0 below -87.3, the largest float's order above 88. */
INLINE float exponential(float x) {
  float bounded = x < -87.33f ? -87.33f : x;
  bounded = bounded > 88.37f ? 88.37f : bounded;
  float n = rintf(bounded * 1.44269504f);
  /* ln 2 in two pieces: n times the first one is exact. */
  float r = bounded - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  float power = bits_to_float((uint32_t)((int32_t)n + 127) << 23);
  float result = p * power;
  return x < -87.33f ? 0.0f : (x != x ? x : result);
}

/* The standard normal distribution function and its density at x; erfc by Abramowitz & Stegun 7.1.26, 1.5e-7 off at most. */
INLINE void normal_distribution(float x, float *phi, float *density) {
  float a = fabsf(x) * 0.70710678f;
  float t = 1.0f / (1.0f + 0.3275911f * a);
  float e = exponential(-a * a);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  float tail = 0.5f * p * t * e;
  *phi = x < 0 ? tail : 1.0f - tail;
  *density = 0.39894228f * e;
}

INLINE float gelu_of(float x) {
  float phi, density;
  normal_distribution(x, &phi, &density);
  return x * phi;
}

INLINE float gelu_slope(float x) {
  float phi, density;
  normal_distribution(x, &phi, &density);
  return phi + x * density;
}

#endif
