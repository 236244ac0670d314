// y[b, i] = s[b] * x[b, i].
#include "common.cuh"

extern "C" __global__ void scaleSamples(Element* y, const Element* x, const float* s, u32 count, u32 perSample) {
  const u32 packs = perSample % PACK == 0 ? count / PACK : 0;
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < packs; i += threads) {
    ElementPack pack = loadPack(x + i * PACK);
    const float factor = s[i * PACK / perSample];
#pragma unroll
    for (u32 j = 0; j < PACK; j++) fromFloat(pack.v[j], factor * toFloat(pack.v[j]));
    storePack(y + i * PACK, pack);
  }
  for (u32 i = packs * PACK + thread; i < count; i += threads) fromFloat(y[i], s[i / perSample] * toFloat(x[i]));
}
