// Layer normalisation over the last axis (Ba et al. 2016): one warp per row, statistics in float32.
#include "common.cuh"

extern "C" __global__ void layerNorm(Element* y, float* means, float* inverses, const Element* x, const float* gamma,
                                     const float* beta, u32 rows, u32 width, float epsilon) {
  const u32 lane = threadIdx.x % 32;
  const u32 row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= rows) return;  // a whole warp leaves
  x += (u64)row * width;
  y += (u64)row * width;
  const bool packed = width % PACK == 0;
  float sum = 0.0f;
  if (packed) {
    for (u32 i = lane * PACK; i < width; i += 32 * PACK) {
      const ElementPack pack = loadPack(x + i);
#pragma unroll
      for (u32 j = 0; j < PACK; j++) sum += toFloat(pack.v[j]);
    }
  } else {
    for (u32 i = lane; i < width; i += 32) sum += toFloat(x[i]);
  }
  const float mean = warpSum(sum) / (float)width;
  float squares = 0.0f;  // about the mean: no cancellation
  if (packed) {
    for (u32 i = lane * PACK; i < width; i += 32 * PACK) {
      const ElementPack pack = loadPack(x + i);
#pragma unroll
      for (u32 j = 0; j < PACK; j++) squares += (toFloat(pack.v[j]) - mean) * (toFloat(pack.v[j]) - mean);
    }
  } else {
    for (u32 i = lane; i < width; i += 32) squares += (toFloat(x[i]) - mean) * (toFloat(x[i]) - mean);
  }
  const float inverse = 1.0f / sqrtf(warpSum(squares) / (float)width + epsilon);
  if (packed) {
    for (u32 i = lane * PACK; i < width; i += 32 * PACK) {
      ElementPack pack = loadPack(x + i);
#pragma unroll
      for (u32 j = 0; j < PACK; j++)
        fromFloat(pack.v[j], (toFloat(pack.v[j]) - mean) * inverse * gamma[i + j] + beta[i + j]);
      storePack(y + i, pack);
    }
  } else {
    for (u32 i = lane; i < width; i += 32) fromFloat(y[i], (toFloat(x[i]) - mean) * inverse * gamma[i] + beta[i]);
  }
  if (lane == 0) {
    means[row] = mean;
    inverses[row] = inverse;
  }
}

/**
 * dx = inverse * (g - average(g) - n * average(g * n)) (+ addend), n = (x - mean) * inverse, g = dy * gamma, and per
 * block the sums over its rows of dy * n and dy: partial [2, blocks, width], to be added up by sumPartials.
 * One warp per row, each block taking every gridDim.x-th group of rows. Dynamic shared memory: 2 * warps * width floats.
 */
extern "C" __global__ void layerNormGradient(Element* dx, float* partial, const Element* dy, const Element* x,
                                             const float* gamma, const float* means, const float* inverses,
                                             const Element* addend, u32 rows, u32 width) {
  DYNAMIC_SHARED(memory);
  const u32 warps = blockDim.x / 32, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  float* dGamma = reinterpret_cast<float*>(memory) + warp * 2 * width;
  float* dBeta = dGamma + width;
  // Lane l owns the columns l, l + 32, ... or, with packs, PACK columns at a time.
  const u32 step = width % PACK == 0 ? PACK : 1;
  for (u32 i = lane; i < 2 * width; i += 32) dGamma[i] = 0.0f;
  __syncwarp();
  for (u32 row = blockIdx.x * warps + warp; row < rows; row += gridDim.x * warps) {
    const float mean = means[row], inverse = inverses[row];
    const u64 base = (u64)row * width;
    float sum = 0.0f, product = 0.0f;
    for (u32 i = lane * step; i < width; i += 32 * step) {
      ElementPack a, b;
      if (step == PACK) {
        a = loadPack(dy + base + i);
        b = loadPack(x + base + i);
      } else {
        a.v[0] = dy[base + i];
        b.v[0] = x[base + i];
      }
#pragma unroll
      for (u32 j = 0; j < PACK; j++) {
        if (j >= step) break;
        const float d = toFloat(a.v[j]), n = (toFloat(b.v[j]) - mean) * inverse, g = d * gamma[i + j];
        sum += g;
        product += g * n;
        // Element j of the pack lies j * 32 further: lanes of a warp touch neighbouring words.
        const u32 slot = step == PACK && i - lane * step + 32 * PACK <= width ? i - lane * step + j * 32 + lane : i + j;
        dGamma[slot] += d * n;
        dBeta[slot] += d;
      }
    }
    sum = warpSum(sum) / (float)width;
    product = warpSum(product) / (float)width;
    for (u32 i = lane * step; i < width; i += 32 * step) {
      ElementPack a, b, c;
      if (step == PACK) {
        a = loadPack(dy + base + i);
        b = loadPack(x + base + i);
        if (addend != nullptr) c = loadPack(addend + base + i);
      } else {
        a.v[0] = dy[base + i];
        b.v[0] = x[base + i];
        if (addend != nullptr) c.v[0] = addend[base + i];
      }
#pragma unroll
      for (u32 j = 0; j < PACK; j++) {
        if (j >= step) break;
        const float n = (toFloat(b.v[j]) - mean) * inverse, g = toFloat(a.v[j]) * gamma[i + j];
        float value = inverse * (g - sum - n * product);
        if (addend != nullptr) value += toFloat(c.v[j]);
        fromFloat(a.v[j], value);
      }
      if (step == PACK) storePack(dx + base + i, a);
      else dx[base + i] = a.v[0];
    }
  }
  __syncthreads();
  const float* all = reinterpret_cast<const float*>(memory);
  for (u32 column = threadIdx.x; column < width; column += blockDim.x) {
    const u32 group = column / (32 * PACK) * (32 * PACK), within = column - group;
    const u32 slot =
        step == PACK && group + 32 * PACK <= width ? group + within % PACK * 32 + within / PACK : column;
    float gammaSum = 0.0f, betaSum = 0.0f;
    for (u32 w = 0; w < warps; w++) {
      gammaSum += all[w * 2 * width + slot];
      betaSum += all[w * 2 * width + width + slot];
    }
    partial[blockIdx.x * width + column] = gammaSum;
    partial[(gridDim.x + blockIdx.x) * width + column] = betaSum;
  }
}
