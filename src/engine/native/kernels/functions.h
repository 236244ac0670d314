/* exp to float precision, without branches. */
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

#endif
