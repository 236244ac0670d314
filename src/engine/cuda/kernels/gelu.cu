// Exact GELU (Hendrycks & Gimpel 2016) and its gradient.
#include "elementwise.cuh"

extern "C" __global__ void gelu(Element* y, const Element* x, u32 count) {
  mapElements(y, x, count, [](float v) { return 0.5f * v * (1.0f + erff(v * 0.70710678f)); });
}

/** dx = dy * (Phi(x) + x phi(x)). */
extern "C" __global__ void geluGradient(Element* dx, const Element* dy, const Element* x, u32 count) {
  mapPairs(dx, dy, x, count, count, [](float g, float v) {
    const float cumulative = 0.5f * (1.0f + erff(v * 0.70710678f));
    const float density = 0.39894228f * expf(-0.5f * v * v);
    return g * (cumulative + v * density);
  });
}
