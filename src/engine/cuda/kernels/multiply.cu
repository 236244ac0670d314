// y = a * b, b repeating over the leading axes of a.
#include "elementwise.cuh"

extern "C" __global__ void multiply(Element* y, const Element* a, const Element* b, u32 count, u32 period) {
  mapPairs(y, a, b, count, period, [](float x, float z) { return x * z; });
}
