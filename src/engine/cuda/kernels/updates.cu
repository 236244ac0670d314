// State updates over many tensors in one launch. A table says where the tensors lie; chunks of at most CHUNK values
// are dealt to blocks by a second table of (entry, first value) pairs.
#include "common.cuh"

#ifndef CHUNK
#define CHUNK 8192
#endif

/** Filled by the host: see updates.ts. */
struct Entry {
  float* target;
  const float* source;
  float* first;
  float* second;
  /** The bfloat16 working copy of the target, or null. */
  bfloat16* copy;
  u32 count;
  float decayScale;
  float learningRateScale;
  u32 unused;
};

struct Chunk {
  u32 entry, first;
};

/** Per block: sum of squares of (gradientScale * gradient). */
extern "C" __global__ void gradientSquares(float* partial, const Entry* entries, const Chunk* chunks,
                                           float gradientScale) {
  __shared__ float scratch[32];
  const Chunk chunk = chunks[blockIdx.x];
  const Entry entry = entries[chunk.entry];
  const u32 last = chunk.first + CHUNK < entry.count ? chunk.first + CHUNK : entry.count;
  float sum = 0.0f;
  for (u32 i = chunk.first + threadIdx.x; i < last; i += blockDim.x) {
    const float g = gradientScale * entry.source[i];
    sum += g * g;
  }
  sum = blockSum(sum, scratch);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/**
 * One warp. scalars: [0] the gradient norm, [1] factor of every gradient (gradientScale and clipping), [2] 1 where the
 * norm is finite, [3] learning rate, [4] weight decay, [5] 1 - b1^t, [6] sqrt(1 - b2^t). clipNorm <= 0: no clipping.
 */
extern "C" __global__ void prepareAdamw(float* scalars, const float* partial, u32 count, const float* learningRate,
                                        const float* weightDecay, const float* step, float beta1, float beta2,
                                        float gradientScale, float clipNorm) {
  double sum = 0.0;
  for (u32 i = threadIdx.x; i < count; i += 32) sum += (double)partial[i];
  for (int mask = 16; mask > 0; mask >>= 1) sum += __shfl_xor_sync(ALL_LANES, sum, mask);
  if (threadIdx.x != 0) return;
  const float norm = (float)sqrt(sum);
  const bool finite = norm < __uint_as_float(0x7f800000u);  // false for NaN too
  float factor = gradientScale;
  if (clipNorm > 0.0f && norm + 1e-6f > clipNorm) factor *= clipNorm / (norm + 1e-6f);
  scalars[0] = norm;
  scalars[1] = factor;
  scalars[2] = finite ? 1.0f : 0.0f;
  scalars[3] = *learningRate;
  scalars[4] = *weightDecay;
  scalars[5] = (float)(1.0 - pow((double)beta1, (double)*step));
  scalars[6] = (float)sqrt(1.0 - pow((double)beta2, (double)*step));
}

/** AdamW as torch.optim.AdamW computes it (Loshchilov & Hutter 2019), float32 throughout. */
extern "C" __global__ void adamw(const Entry* entries, const Chunk* chunks, const float* scalars, float beta1,
                                 float beta2, float epsilon) {
  if (scalars[2] == 0.0f) return;
  const Chunk chunk = chunks[blockIdx.x];
  const Entry entry = entries[chunk.entry];
  const u32 last = chunk.first + CHUNK < entry.count ? chunk.first + CHUNK : entry.count;
  const float factor = scalars[1], rate = scalars[3] * entry.learningRateScale;
  const float keep = 1.0f - rate * scalars[4] * entry.decayScale;
  const float size = rate / scalars[5], correction = scalars[6];
  for (u32 i = chunk.first + threadIdx.x; i < last; i += blockDim.x) {
    const float g = factor * entry.source[i];
    const float m = beta1 * entry.first[i] + (1.0f - beta1) * g;
    const float v = beta2 * entry.second[i] + (1.0f - beta2) * g * g;
    const float p = entry.target[i] * keep - size * m / (sqrtf(v) / correction + epsilon);
    entry.first[i] = m;
    entry.second[i] = v;
    entry.target[i] = p;
    if (entry.copy != nullptr) fromFloat(entry.copy[i], p);
  }
}

/** target += weight * source. */
extern "C" __global__ void accumulate(const Entry* entries, const Chunk* chunks, const float* weight) {
  const Chunk chunk = chunks[blockIdx.x];
  const Entry entry = entries[chunk.entry];
  const u32 last = chunk.first + CHUNK < entry.count ? chunk.first + CHUNK : entry.count;
  const float w = *weight;
  for (u32 i = chunk.first + threadIdx.x; i < last; i += blockDim.x) {
    const float value = entry.target[i] + w * entry.source[i];
    entry.target[i] = value;
    if (entry.copy != nullptr) fromFloat(entry.copy[i], value);
  }
}

/** target = decay * target + (1 - decay) * source. */
extern "C" __global__ void average(const Entry* entries, const Chunk* chunks, const float* decay) {
  const Chunk chunk = chunks[blockIdx.x];
  const Entry entry = entries[chunk.entry];
  const u32 last = chunk.first + CHUNK < entry.count ? chunk.first + CHUNK : entry.count;
  const float d = *decay;
  for (u32 i = chunk.first + threadIdx.x; i < last; i += blockDim.x) {
    const float value = d * entry.target[i] + (1.0f - d) * entry.source[i];
    entry.target[i] = value;
    if (entry.copy != nullptr) fromFloat(entry.copy[i], value);
  }
}

/** target = 0. */
extern "C" __global__ void zero(const Entry* entries, const Chunk* chunks) {
  const Chunk chunk = chunks[blockIdx.x];
  const Entry entry = entries[chunk.entry];
  const u32 last = chunk.first + CHUNK < entry.count ? chunk.first + CHUNK : entry.count;
  for (u32 i = chunk.first + threadIdx.x; i < last; i += blockDim.x) {
    entry.target[i] = 0.0f;
    if (entry.copy != nullptr) entry.copy[i].bits = 0;
  }
}
