// y = |x| and y = the square root of x.
#include "elementwise.cuh"

extern "C" __global__ void absolute(Element* y, const Element* x, u32 count) {
  mapElements(y, x, count, [](float value) { return fabsf(value); });
}

extern "C" __global__ void squareRoot(Element* y, const Element* x, u32 count) {
  mapElements(y, x, count, [](float value) { return sqrtf(value); });
}
