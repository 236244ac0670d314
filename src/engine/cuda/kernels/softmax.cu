// Softmax over the last axis, cross-entropy with soft targets and its gradient: float32, one block per row.
#include "common.cuh"

/** Maximum and sum of exp(x - maximum) of a row. */
__device__ __forceinline__ void rowStatistics(const float* x, u32 width, float* scratch, float& maximum, float& sum) {
  float m = NEGATIVE_INFINITY;
  for (u32 i = threadIdx.x; i < width; i += blockDim.x) m = fmaxf(m, x[i]);
  maximum = blockMaximum(m, scratch);
  float s = 0.0f;
  for (u32 i = threadIdx.x; i < width; i += blockDim.x) s += expf(x[i] - maximum);
  sum = blockSum(s, scratch);
}

extern "C" __global__ void softmax(float* y, const float* x, u32 width) {
  __shared__ float scratch[32];
  x += (u64)blockIdx.x * width;
  y += (u64)blockIdx.x * width;
  float maximum, sum;
  rowStatistics(x, width, scratch, maximum, sum);
  for (u32 i = threadIdx.x; i < width; i += blockDim.x) y[i] = expf(x[i] - maximum) / sum;
}

/** losses[row] = -sum(target * log softmax(logits)). */
extern "C" __global__ void crossEntropyRows(float* losses, const float* logits, const float* targets, u32 width) {
  __shared__ float scratch[32];
  logits += (u64)blockIdx.x * width;
  targets += (u64)blockIdx.x * width;
  float maximum, sum;
  rowStatistics(logits, width, scratch, maximum, sum);
  const float logSum = logf(sum);
  float loss = 0.0f;
  for (u32 i = threadIdx.x; i < width; i += blockDim.x) loss -= targets[i] * (logits[i] - maximum - logSum);
  loss = blockSum(loss, scratch);
  if (threadIdx.x == 0) losses[blockIdx.x] = loss;
}

/** dx = dLoss * (softmax(logits) * sum(target) - target) / rows. */
extern "C" __global__ void crossEntropyGradient(float* dx, const float* dLoss, const float* logits,
                                                const float* targets, u32 rows, u32 width) {
  __shared__ float scratch[32];
  const u64 base = (u64)blockIdx.x * width;
  float maximum, sum;
  rowStatistics(logits + base, width, scratch, maximum, sum);
  float mass = 0.0f;
  for (u32 i = threadIdx.x; i < width; i += blockDim.x) mass += targets[base + i];
  mass = blockSum(mass, scratch);
  const float factor = *dLoss / (float)rows;
  for (u32 i = threadIdx.x; i < width; i += blockDim.x)
    dx[base + i] = factor * (expf(logits[base + i] - maximum) / sum * mass - targets[base + i]);
}
