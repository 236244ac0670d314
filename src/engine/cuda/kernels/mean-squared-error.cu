// Mean squared error over rows of predicted patches, with or without a weight per row, and its gradient.
#include "common.cuh"

/** partial[block] = sum of weight * squared differences; partial[blocks + block] = sum of weights of its rows. */
extern "C" __global__ void squaredErrorPartials(float* partial, const Element* prediction, const Element* target,
                                                const float* weights, u32 rows, u32 width) {
  __shared__ float scratch[32];
  float total = 0.0f, weightSum = 0.0f;
  for (u32 row = blockIdx.x; row < rows; row += gridDim.x) {
    const float weight = weights == nullptr ? 1.0f : weights[row];
    weightSum += weight;
    const Element *a = prediction + (u64)row * width, *b = target + (u64)row * width;
    float sum = 0.0f;
    if (width % PACK == 0) {
      for (u32 i = threadIdx.x * PACK; i < width; i += blockDim.x * PACK) {
        const ElementPack p = loadPack(a + i), t = loadPack(b + i);
#pragma unroll
        for (u32 j = 0; j < PACK; j++) {
          const float difference = toFloat(p.v[j]) - toFloat(t.v[j]);
          sum += difference * difference;
        }
      }
    } else {
      for (u32 i = threadIdx.x; i < width; i += blockDim.x) {
        const float difference = toFloat(a[i]) - toFloat(b[i]);
        sum += difference * difference;
      }
    }
    total += weight * sum;
  }
  total = blockSum(total, scratch);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = total;
    partial[gridDim.x + blockIdx.x] = weightSum;
  }
}

/** loss = sum of partial[0 ..] / (width * sum of partial[blocks ..]); one block. */
extern "C" __global__ void squaredErrorLoss(float* loss, const float* partial, u32 blocks, u32 width) {
  __shared__ float scratch[32];
  float total = 0.0f, weightSum = 0.0f;
  for (u32 i = threadIdx.x; i < blocks; i += blockDim.x) {
    total += partial[i];
    weightSum += partial[blocks + i];
  }
  total = blockSum(total, scratch);
  weightSum = blockSum(weightSum, scratch);
  if (threadIdx.x == 0) *loss = total / ((float)width * weightSum);
}

/** y = sum of x; one block. */
extern "C" __global__ void sumAll(float* y, const float* x, u32 count, float factor) {
  __shared__ float scratch[32];
  float sum = 0.0f;
  for (u32 i = threadIdx.x; i < count; i += blockDim.x) sum += x[i];
  sum = blockSum(sum, scratch);
  if (threadIdx.x == 0) *y = factor * sum;
}

/** dLoss * 2 * weight * (prediction - target) / (width * sum of weights); without weights that sum is the rows. */
extern "C" __global__ void squaredErrorGradient(Element* dx, const float* dLoss, const Element* prediction,
                                                const Element* target, const float* weights, const float* weightSum,
                                                u32 rows, u32 width) {
  const float factor = *dLoss * 2.0f / ((float)width * (weights == nullptr ? (float)rows : *weightSum));
  const u32 step = width % PACK == 0 ? PACK : 1;
  const u32 perRow = width / step, count = rows * perRow;
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < count; i += threads) {
    const u32 row = i / perRow;
    const u64 at = (u64)row * width + (i - row * perRow) * step;
    const float scale = weights == nullptr ? factor : factor * weights[row];
    if (step == 1) {
      fromFloat(dx[at], scale * (toFloat(prediction[at]) - toFloat(target[at])));
      continue;
    }
    ElementPack p = loadPack(prediction + at);
    const ElementPack t = loadPack(target + at);
#pragma unroll
    for (u32 j = 0; j < PACK; j++) fromFloat(p.v[j], scale * (toFloat(p.v[j]) - toFloat(t.v[j])));
    storePack(dx + at, p);
  }
}
