// Multi-head attention without tensor cores: any head width up to 32 * COLUMNS, both storage types, float32 arithmetic.
// The parity mode, and head widths that attention-tiles.cu does not take. One warp per query (or key), online softmax; the
// score matrix is never stored. Rows of q, k, v lie `strideQ` / `strideK` elements apart; head h owns columns
// h * headWidth onwards. Grid: (rows / warps rounded up, heads, batch). Dynamic shared memory: warps * 2 * headWidth floats.
#include "common.cuh"

#ifndef COLUMNS
#define COLUMNS 8 /* of a head, per lane */
#endif

struct Place {
  u32 row, lane, head, sample;
};

__device__ __forceinline__ Place place() {
  return {blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, threadIdx.x % 32, blockIdx.y, blockIdx.z};
}

__device__ __forceinline__ float dot(const float* shared, const Element* row, u32 width) {
  float sum = 0.0f;
  for (u32 i = 0; i < width; i++) sum += shared[i] * toFloat(row[i]);
  return sum;
}

/** o [B, Nq, heads * headWidth], logSumExp [B, heads, Nq]. */
extern "C" __global__ void attentionForward(Element* o, float* logSumExp, const Element* q, const Element* k,
                                            const Element* v, u32 queries, u32 keys, u32 strideQ, u32 strideK,
                                            u32 headWidth, float scale) {
  DYNAMIC_SHARED(memory);
  const Place at = place();
  if (at.row >= queries) return;  // a whole warp
  const u32 width = gridDim.y * headWidth;
  float* query = reinterpret_cast<float*>(memory) + threadIdx.x / 32 * 2 * headWidth;
  q += ((u64)at.sample * queries + at.row) * strideQ + at.head * headWidth;
  k += (u64)at.sample * keys * strideK + at.head * headWidth;
  v += (u64)at.sample * keys * strideK + at.head * headWidth;
  for (u32 i = at.lane; i < headWidth; i += 32) query[i] = scale * toFloat(q[i]);
  __syncwarp();
  float maximum = NEGATIVE_INFINITY, sum = 0.0f, result[COLUMNS];
#pragma unroll
  for (u32 c = 0; c < COLUMNS; c++) result[c] = 0.0f;
  for (u32 first = 0; first < keys; first += 32) {
    const u32 key = first + at.lane;
    const float score = key < keys ? dot(query, k + (u64)key * strideK, headWidth) : NEGATIVE_INFINITY;
    const float newMaximum = fmaxf(maximum, warpMaximum(score));
    const float p = expf(score - newMaximum), correction = expf(maximum - newMaximum);
    maximum = newMaximum;
    sum = sum * correction + warpSum(p);
#pragma unroll
    for (u32 c = 0; c < COLUMNS; c++) result[c] *= correction;
    const u32 count = keys - first < 32 ? keys - first : 32;
    for (u32 j = 0; j < count; j++) {
      const float weight = __shfl_sync(ALL_LANES, p, j);
      const Element* row = v + (u64)(first + j) * strideK;
#pragma unroll
      for (u32 c = 0; c < COLUMNS; c++)
        if (at.lane + c * 32 < headWidth) result[c] += weight * toFloat(row[at.lane + c * 32]);
    }
  }
  o += ((u64)at.sample * queries + at.row) * width + at.head * headWidth;
#pragma unroll
  for (u32 c = 0; c < COLUMNS; c++)
    if (at.lane + c * 32 < headWidth) fromFloat(o[at.lane + c * 32], result[c] / sum);
  if (at.lane == 0) logSumExp[((u64)at.sample * gridDim.y + at.head) * queries + at.row] = maximum + logf(sum);
}

/** delta [B, heads, Nq] = rowsum(do * o) (Dao et al. 2022, appendix B.2). */
extern "C" __global__ void attentionDelta(float* delta, const Element* dO, const Element* o, u32 queries,
                                          u32 headWidth) {
  const Place at = place();
  if (at.row >= queries) return;
  const u64 base = ((u64)at.sample * queries + at.row) * gridDim.y * headWidth + at.head * headWidth;
  float sum = 0.0f;
  for (u32 i = at.lane; i < headWidth; i += 32) sum += toFloat(dO[base + i]) * toFloat(o[base + i]);
  sum = warpSum(sum);
  if (at.lane == 0) delta[((u64)at.sample * gridDim.y + at.head) * queries + at.row] = sum;
}

/** dq, one warp per query; dq has the layout of q. */
extern "C" __global__ void attentionQueryGradient(Element* dq, const Element* dO, const float* logSumExp,
                                                  const float* delta, const Element* q, const Element* k,
                                                  const Element* v, u32 queries, u32 keys, u32 strideQ, u32 strideK,
                                                  u32 headWidth, float scale) {
  DYNAMIC_SHARED(memory);
  const Place at = place();
  if (at.row >= queries) return;
  const u32 width = gridDim.y * headWidth;
  float* query = reinterpret_cast<float*>(memory) + threadIdx.x / 32 * 2 * headWidth;
  float* gradient = query + headWidth;
  const u64 rowQ = ((u64)at.sample * queries + at.row) * strideQ + at.head * headWidth;
  dO += ((u64)at.sample * queries + at.row) * width + at.head * headWidth;
  k += (u64)at.sample * keys * strideK + at.head * headWidth;
  v += (u64)at.sample * keys * strideK + at.head * headWidth;
  for (u32 i = at.lane; i < headWidth; i += 32) {
    query[i] = scale * toFloat(q[rowQ + i]);
    gradient[i] = toFloat(dO[i]);
  }
  __syncwarp();
  const u64 statistic = ((u64)at.sample * gridDim.y + at.head) * queries + at.row;
  const float lse = logSumExp[statistic], offset = delta[statistic];
  float result[COLUMNS];
#pragma unroll
  for (u32 c = 0; c < COLUMNS; c++) result[c] = 0.0f;
  for (u32 first = 0; first < keys; first += 32) {
    const u32 key = first + at.lane;
    float dS = 0.0f;
    if (key < keys) {
      const float p = expf(dot(query, k + (u64)key * strideK, headWidth) - lse);
      dS = p * (dot(gradient, v + (u64)key * strideK, headWidth) - offset) * scale;
    }
    const u32 count = keys - first < 32 ? keys - first : 32;
    for (u32 j = 0; j < count; j++) {
      const float weight = __shfl_sync(ALL_LANES, dS, j);
      const Element* row = k + (u64)(first + j) * strideK;
#pragma unroll
      for (u32 c = 0; c < COLUMNS; c++)
        if (at.lane + c * 32 < headWidth) result[c] += weight * toFloat(row[at.lane + c * 32]);
    }
  }
#pragma unroll
  for (u32 c = 0; c < COLUMNS; c++)
    if (at.lane + c * 32 < headWidth) fromFloat(dq[rowQ + at.lane + c * 32], result[c]);
}

/** dk and dv, one warp per key; both have the layout of k and v. */
extern "C" __global__ void attentionKeyGradient(Element* dk, Element* dv, const Element* dO, const float* logSumExp,
                                                const float* delta, const Element* q, const Element* k,
                                                const Element* v, u32 queries, u32 keys, u32 strideQ, u32 strideK,
                                                u32 headWidth, float scale) {
  DYNAMIC_SHARED(memory);
  const Place at = place();
  if (at.row >= keys) return;
  const u32 width = gridDim.y * headWidth;
  float* key = reinterpret_cast<float*>(memory) + threadIdx.x / 32 * 2 * headWidth;
  float* value = key + headWidth;
  const u64 rowK = ((u64)at.sample * keys + at.row) * strideK + at.head * headWidth;
  dO += (u64)at.sample * queries * width + at.head * headWidth;
  q += (u64)at.sample * queries * strideQ + at.head * headWidth;
  for (u32 i = at.lane; i < headWidth; i += 32) {
    key[i] = scale * toFloat(k[rowK + i]);
    value[i] = toFloat(v[rowK + i]);
  }
  __syncwarp();
  const u64 statistics = ((u64)at.sample * gridDim.y + at.head) * queries;
  float resultK[COLUMNS], resultV[COLUMNS];
#pragma unroll
  for (u32 c = 0; c < COLUMNS; c++) resultK[c] = resultV[c] = 0.0f;
  for (u32 first = 0; first < queries; first += 32) {
    const u32 query = first + at.lane;
    float p = 0.0f, dS = 0.0f;
    if (query < queries) {
      p = expf(dot(key, q + (u64)query * strideQ, headWidth) - logSumExp[statistics + query]);
      dS = p * (dot(value, dO + (u64)query * width, headWidth) - delta[statistics + query]) * scale;
    }
    const u32 count = queries - first < 32 ? queries - first : 32;
    for (u32 j = 0; j < count; j++) {
      const float weightV = __shfl_sync(ALL_LANES, p, j), weightK = __shfl_sync(ALL_LANES, dS, j);
      const Element *rowQ = q + (u64)(first + j) * strideQ, *rowO = dO + (u64)(first + j) * width;
#pragma unroll
      for (u32 c = 0; c < COLUMNS; c++) {
        if (at.lane + c * 32 >= headWidth) continue;
        resultK[c] += weightK * toFloat(rowQ[at.lane + c * 32]);
        resultV[c] += weightV * toFloat(rowO[at.lane + c * 32]);
      }
    }
  }
#pragma unroll
  for (u32 c = 0; c < COLUMNS; c++) {
    if (at.lane + c * 32 >= headWidth) continue;
    fromFloat(dk[rowK + at.lane + c * 32], resultK[c]);
    fromFloat(dv[rowK + at.lane + c * 32], resultV[c]);
  }
}
