// Sums over rows, in two stages and always in the same order, so that a run can be repeated bit by bit.
#include "common.cuh"

/**
 * partial[z, chunk, column] = sum of x[z, row, column] over the rows of one chunk; x [batch, rows, columns].
 * Block (32, 8); grid (columns / 32 rounded up, chunks, batch).
 */
extern "C" __global__ void sumRows(float* partial, const Element* x, u32 rows, u32 columns, u32 rowsPerChunk) {
  __shared__ float sums[8][33];
  const u32 column = blockIdx.x * 32 + threadIdx.x, chunk = blockIdx.y;
  const u32 first = chunk * rowsPerChunk;
  const u32 last = first + rowsPerChunk < rows ? first + rowsPerChunk : rows;
  float sum = 0.0f;
  if (column < columns)
    for (u32 row = first + threadIdx.y; row < last; row += 8)
      sum += toFloat(x[(blockIdx.z * (u64)rows + row) * columns + column]);
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && column < columns) {
    for (u32 i = 1; i < 8; i++) sum += sums[i][threadIdx.x];
    partial[(blockIdx.z * gridDim.y + chunk) * columns + column] = sum;
  }
}

/** y[z, column] = factor * sum of partial[z, chunk, column] over the chunks. */
template <typename T>
__device__ __forceinline__ void sumPartials(T* y, const float* partial, u32 count, u32 chunks, u32 columns,
                                            float factor) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const u32 z = i / columns;
  const float* from = partial + z * chunks * columns + i - z * columns;
  float sum = 0.0f;
  for (u32 chunk = 0; chunk < chunks; chunk++) sum += from[chunk * columns];
  fromFloat(y[i], factor * sum);
}
extern "C" __global__ void sumPartialsToFloat(float* y, const float* partial, u32 count, u32 chunks, u32 columns,
                                              float factor) {
  sumPartials(y, partial, count, chunks, columns, factor);
}
extern "C" __global__ void sumPartialsToElement(Element* y, const float* partial, u32 count, u32 chunks, u32 columns,
                                                float factor) {
  sumPartials(y, partial, count, chunks, columns, factor);
}

/**
 * Two sums in one launch: first [columns] and second [columns] of partial [2, chunks, columns]. Many chunks: 32 threads
 * share a column. Block (32, 32); grid (columns / 32 rounded up, 2).
 */
extern "C" __global__ void sumPartialPairs(float* first, float* second, const float* partial, u32 chunks, u32 columns) {
  __shared__ float sums[32][33];
  const u32 column = blockIdx.x * 32 + threadIdx.x;
  partial += (u64)blockIdx.y * chunks * columns;
  float sum = 0.0f;
  if (column < columns)
    for (u32 chunk = threadIdx.y; chunk < chunks; chunk += 32) sum += partial[(u64)chunk * columns + column];
  sums[threadIdx.x][threadIdx.y] = sum;
  __syncthreads();
  // A warp is a row of the block: it adds what one column's threads have.
  const u32 own = blockIdx.x * 32 + threadIdx.y;
  sum = warpSum(sums[threadIdx.y][threadIdx.x]);
  if (threadIdx.x == 0 && own < columns) (blockIdx.y == 0 ? first : second)[own] = sum;
}
