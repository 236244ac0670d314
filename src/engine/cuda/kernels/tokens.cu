// Token selection per sample and its transpose; means over tokens.
#include "common.cuh"

/** y[b, m] = x[b * stride + indices[b, m]], rows of `width`; stride 0: one table for all samples. */
extern "C" __global__ void gatherTokens(Element* y, const Element* x, const int* indices, u32 rows, u32 perSample,
                                        u32 stride, u32 width) {
  const u32 step = width % PACK == 0 ? PACK : 1;
  const u32 perRow = width / step, count = rows * perRow;
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < count; i += threads) {
    const u32 row = i / perRow, column = (i - row * perRow) * step;
    const u32 source = row / perSample * stride + (u32)indices[row];
    const Element* from = x + source * width + column;
    Element* to = y + row * width + column;
    if (step == 1) *to = *from;
    else storePack(to, loadPack(from));
  }
}

/**
 * x[b, n] = sum of y[b, m] over all m with indices[b, m] = n, in the order of m, so that the sum is always the same.
 * One block of 128 threads per (token, sample).
 */
extern "C" __global__ void __launch_bounds__(128)
    scatterTokens(Element* x, const Element* y, const int* indices, u32 tokens, u32 picked, u32 width) {
  __shared__ u32 votes[4];
  const u32 token = blockIdx.x, sample = blockIdx.y, warp = threadIdx.x / 32;
  const int* own = indices + sample * picked;
  for (u32 firstColumn = 0; firstColumn < width; firstColumn += 128) {
    const u32 column = firstColumn + threadIdx.x;
    float sum = 0.0f;
    for (u32 first = 0; first < picked; first += 128) {
      const u32 m = first + threadIdx.x;
      const u32 vote = __ballot_sync(ALL_LANES, m < picked && own[m] == (int)token);
      if (threadIdx.x % 32 == 0) votes[warp] = vote;
      __syncthreads();
      for (u32 w = 0; w < 4; w++) {
        for (u32 left = votes[w]; left != 0; left &= left - 1) {
          const u32 found = first + w * 32 + (u32)__ffs(left) - 1;
          if (column < width) sum += toFloat(y[(sample * picked + found) * width + column]);
        }
      }
      __syncthreads();
    }
    if (column < width) fromFloat(x[(sample * tokens + token) * width + column], sum);
  }
}

/** dx[b, n, d] = dy[b, d] / tokens. */
extern "C" __global__ void spreadTokens(Element* dx, const Element* dy, u32 count, u32 tokens, u32 width) {
  const float share = 1.0f / (float)tokens;
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < count; i += threads) {
    const u32 row = i / width;
    fromFloat(dx[i], share * toFloat(dy[row / tokens * width + i - row * width]));
  }
}
