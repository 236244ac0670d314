// Layer normalization over the last axis (Ba et al. 2016), any width: one warp per row, statistics in float32.
#include "common.cuh"

extern "C" __global__ void layerNorm(Element* y, float* means, float* inverses, const Element* x, const float* gamma,
                                     const float* beta, u32 rows, u32 width, float epsilon) {
  const u32 lane = threadIdx.x % 32;
  const u32 row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= rows) return;  // a whole warp leaves
  x += (u64)row * width;
  y += (u64)row * width;
  float sum = 0.0f;
  for (u32 i = lane; i < width; i += 32) sum += toFloat(x[i]);
  const float mean = warpSum(sum) / (float)width;
  float squares = 0.0f;  // about the mean: no cancellation
  for (u32 i = lane; i < width; i += 32) squares += (toFloat(x[i]) - mean) * (toFloat(x[i]) - mean);
  const float inverse = 1.0f / sqrtf(warpSum(squares) / (float)width + epsilon);
  for (u32 i = lane; i < width; i += 32) fromFloat(y[i], (toFloat(x[i]) - mean) * inverse * gamma[i] + beta[i]);
  if (lane == 0) {
    means[row] = mean;
    inverses[row] = inverse;
  }
}

/**
 * dx = inverse * (g - average(g) - n * average(g * n)) (+ addend), n = (x - mean) * inverse, g = dy * gamma, and per
 * block the sums over its rows of dy * n and dy: partial [2, blocks, width], to be added up by sumPartialPairs.
 * One warp per row, each block taking every gridDim.x-th group of rows. Dynamic shared memory: 2 * warps * width floats.
 */
extern "C" __global__ void layerNormGradient(Element* dx, float* partial, const Element* dy, const Element* x,
                                             const float* gamma, const float* means, const float* inverses,
                                             const Element* addend, u32 rows, u32 width) {
  DYNAMIC_SHARED(memory);
  const u32 warps = blockDim.x / 32, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  float* sums = reinterpret_cast<float*>(memory);
  float* dGamma = sums + warp * 2 * width;
  float* dBeta = dGamma + width;
  // Lane l owns the columns l, l + 32, ...
  for (u32 i = lane; i < width; i += 32) dGamma[i] = dBeta[i] = 0.0f;
  for (u32 row = blockIdx.x * warps + warp; row < rows; row += gridDim.x * warps) {
    const float mean = means[row], inverse = inverses[row];
    const u64 base = (u64)row * width;
    float sum = 0.0f, product = 0.0f;
    for (u32 i = lane; i < width; i += 32) {
      const float d = toFloat(dy[base + i]), n = (toFloat(x[base + i]) - mean) * inverse, g = d * gamma[i];
      sum += g;
      product += g * n;
      dGamma[i] += d * n;
      dBeta[i] += d;
    }
    sum = warpSum(sum) / (float)width;
    product = warpSum(product) / (float)width;
    for (u32 i = lane; i < width; i += 32) {
      const float n = (toFloat(x[base + i]) - mean) * inverse, g = toFloat(dy[base + i]) * gamma[i];
      float value = inverse * (g - sum - n * product);
      if (addend != nullptr) value += toFloat(addend[base + i]);
      fromFloat(dx[base + i], value);
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
