// Conversions between the two storage types.
#include "common.cuh"

extern "C" __global__ void castToBfloat16(bfloat16* y, const float* x, u32 count) {
  const u32 packs = count / 4;
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < packs; i += threads) {
    const Pack<float, 4> from = *reinterpret_cast<const Pack<float, 4>*>(x + i * 4);
    Pack<u32, 2> to;
    to.v[0] = packPair(from.v[0], from.v[1]);
    to.v[1] = packPair(from.v[2], from.v[3]);
    *reinterpret_cast<Pack<u32, 2>*>(y + i * 4) = to;
  }
  for (u32 i = packs * 4 + thread; i < count; i += threads) fromFloat(y[i], x[i]);
}

extern "C" __global__ void castToFloat32(float* y, const bfloat16* x, u32 count) {
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < count; i += threads) y[i] = toFloat(x[i]);
}
