// Loops of element-by-element kernels: 16-byte accesses, a grid of any size, a scalar tail.
#pragma once
#include "common.cuh"

/** y[i] = operation(x[i]). */
template <typename Operation>
__device__ __forceinline__ void mapElements(Element* y, const Element* x, u32 count, Operation operation) {
  const u32 packs = count / PACK;
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < packs; i += threads) {
    ElementPack pack = loadPack(x + i * PACK);
#pragma unroll
    for (u32 j = 0; j < PACK; j++) fromFloat(pack.v[j], operation(toFloat(pack.v[j])));
    storePack(y + i * PACK, pack);
  }
  for (u32 i = packs * PACK + thread; i < count; i += threads) fromFloat(y[i], operation(toFloat(x[i])));
}

/** y[i] = operation(a[i], b[i % period]); the period divides the count. */
template <typename Operation>
__device__ __forceinline__ void mapPairs(Element* y, const Element* a, const Element* b, u32 count, u32 period,
                                         Operation operation) {
  const u32 packs = period % PACK == 0 || period == count ? count / PACK : 0;
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < packs; i += threads) {
    ElementPack left = loadPack(a + i * PACK);
    const ElementPack right = loadPack(b + (period == count ? i * PACK : i * PACK % period));
#pragma unroll
    for (u32 j = 0; j < PACK; j++) fromFloat(left.v[j], operation(toFloat(left.v[j]), toFloat(right.v[j])));
    storePack(y + i * PACK, left);
  }
  for (u32 i = packs * PACK + thread; i < count; i += threads)
    fromFloat(y[i], operation(toFloat(a[i]), toFloat(b[i % period])));
}
