// Layer normalization over the last axis (Ba et al. 2016) for rows that a warp holds in registers: PACKS accesses of 16
// bytes a lane, so each row is read once. Rows of other widths take layer-norm.cu.
#include "common.cuh"

#ifndef PACKS
#define PACKS 2 /* width of a row over 32 * PACK, rounded up */
#endif

typedef ElementPack Row[PACKS];

/** First column of a lane's pack; lane l owns the packs l, l + 32, ... */
__device__ __forceinline__ u32 columnOf(u32 pack) { return (pack * 32 + threadIdx.x % 32) * PACK; }

/** Columns from `width` on are zeros. */
__device__ __forceinline__ void loadRow(Row& to, const Element* from, u32 width) {
#pragma unroll
  for (u32 p = 0; p < PACKS; p++) {
    if (columnOf(p) < width) to[p] = loadPack(from + columnOf(p));
    else
#pragma unroll
      for (u32 j = 0; j < PACK; j++) fromFloat(to[p].v[j], 0.0f);
  }
}

__device__ __forceinline__ void loadFloats(float (&to)[PACK], const float* from) {
#pragma unroll
  for (u32 j = 0; j < PACK; j += 4) {
    const Pack<float, 4> four = *reinterpret_cast<const Pack<float, 4>*>(from + j);
#pragma unroll
    for (u32 i = 0; i < 4; i++) to[j + i] = four.v[i];
  }
}

extern "C" __global__ void layerNorm(Element* y, float* means, float* inverses, const Element* x, const float* gamma,
                                     const float* beta, u32 rows, u32 width, float epsilon) {
  const u32 row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= rows) return;  // a whole warp leaves
  Row values;
  loadRow(values, x + (u64)row * width, width);
  float sum = 0.0f;
#pragma unroll
  for (u32 p = 0; p < PACKS; p++)
#pragma unroll
    for (u32 j = 0; j < PACK; j++) sum += toFloat(values[p].v[j]);
  const float mean = warpSum(sum) / (float)width;
  float squares = 0.0f;  // about the mean: no cancellation
#pragma unroll
  for (u32 p = 0; p < PACKS; p++) {
    if (columnOf(p) >= width) continue;
#pragma unroll
    for (u32 j = 0; j < PACK; j++) {
      const float centered = toFloat(values[p].v[j]) - mean;
      squares += centered * centered;
    }
  }
  const float inverse = 1.0f / sqrtf(warpSum(squares) / (float)width + epsilon);
#pragma unroll
  for (u32 p = 0; p < PACKS; p++) {
    const u32 column = columnOf(p);
    if (column >= width) continue;
    float scale[PACK], shift[PACK];
    loadFloats(scale, gamma + column);
    loadFloats(shift, beta + column);
#pragma unroll
    for (u32 j = 0; j < PACK; j++)
      fromFloat(values[p].v[j], (toFloat(values[p].v[j]) - mean) * inverse * scale[j] + shift[j]);
    storePack(y + (u64)row * width + column, values[p]);
  }
  if (threadIdx.x % 32 == 0) {
    means[row] = mean;
    inverses[row] = inverse;
  }
}

/**
 * As layerNormGradient of layer-norm.cu. Sums for gamma and beta stay in registers until a warp has seen all its rows.
 * Dynamic shared memory: 2 * warps * width floats.
 */
extern "C" __global__ void layerNormGradient(Element* dx, float* partial, const Element* dy, const Element* x,
                                             const float* gamma, const float* means, const float* inverses,
                                             const Element* addend, u32 rows, u32 width) {
  DYNAMIC_SHARED(memory);
  const u32 warps = blockDim.x / 32, warp = threadIdx.x / 32;
  float dGamma[PACKS][PACK] = {}, dBeta[PACKS][PACK] = {};
  for (u32 row = blockIdx.x * warps + warp; row < rows; row += gridDim.x * warps) {
    const u64 base = (u64)row * width;
    const float mean = means[row], inverse = inverses[row];
    Row a, b, c;
    loadRow(a, dy + base, width);
    loadRow(b, x + base, width);
    if (addend != nullptr) loadRow(c, addend + base, width);
    float sum = 0.0f, product = 0.0f;
#pragma unroll
    for (u32 p = 0; p < PACKS; p++) {
      if (columnOf(p) >= width) continue;
      float scale[PACK];
      loadFloats(scale, gamma + columnOf(p));
#pragma unroll
      for (u32 j = 0; j < PACK; j++) {
        const float d = toFloat(a[p].v[j]), n = (toFloat(b[p].v[j]) - mean) * inverse, g = d * scale[j];
        sum += g;
        product += g * n;
        dGamma[p][j] += d * n;
        dBeta[p][j] += d;
      }
    }
    sum = warpSum(sum) / (float)width;
    product = warpSum(product) / (float)width;
#pragma unroll
    for (u32 p = 0; p < PACKS; p++) {
      if (columnOf(p) >= width) continue;
      float scale[PACK];
      loadFloats(scale, gamma + columnOf(p));
#pragma unroll
      for (u32 j = 0; j < PACK; j++) {
        const float n = (toFloat(b[p].v[j]) - mean) * inverse, g = toFloat(a[p].v[j]) * scale[j];
        float value = inverse * (g - sum - n * product);
        if (addend != nullptr) value += toFloat(c[p].v[j]);
        fromFloat(a[p].v[j], value);
      }
      storePack(dx + base + columnOf(p), a[p]);
    }
  }
  float* sums = reinterpret_cast<float*>(memory);
#pragma unroll
  for (u32 p = 0; p < PACKS; p++) {
    if (columnOf(p) >= width) continue;
    float* own = sums + warp * 2 * width + columnOf(p);
#pragma unroll
    for (u32 j = 0; j < PACK; j++) {
      own[j] = dGamma[p][j];
      own[width + j] = dBeta[p][j];
    }
  }
  __syncthreads();
  for (u32 i = threadIdx.x; i < 2 * width; i += blockDim.x) {
    float total = 0.0f;
    for (u32 w = 0; w < warps; w++) total += sums[w * 2 * width + i];
    const u32 which = i < width ? 0 : 1;
    partial[(which * gridDim.x + blockIdx.x) * width + i - which * width] = total;
  }
}
