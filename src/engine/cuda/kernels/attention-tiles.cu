// Multi-head attention on tensor cores, forward and backward, for bfloat16 and head widths of 16 to 128 that are
// multiples of 8 (Dao 2023, FlashAttention-2, algorithms 1 and 2). A block of 4 warps owns 64 rows, 16 a warp, and walks
// over tiles of the other side in shared memory, the next tile arriving while this one is used. Scores stay in
// registers. The backward pass is two kernels, one that owns queries and one that owns keys: no atomics, so a step can
// be repeated bit by bit, at the price of computing the scores twice.
// Grid: (rows / 64 rounded up, heads, batch).
#include "attention-tiles.cuh"

/** o [B, Nq, heads * HEAD_WIDTH], logSumExp [B, heads, Nq]. Shared memory: 4 tiles. */
extern "C" __global__ void __launch_bounds__(128)
    attentionForward(bfloat16* o, float* logSumExp, const bfloat16* q, const bfloat16* k, const bfloat16* v,
                     u32 queries, u32 keys, u32 strideQ, u32 strideK, u32 headWidth, float scale) {
  DYNAMIC_SHARED(memory);
  bfloat16* tiles = reinterpret_cast<bfloat16*>(memory);  // k, v of two stages
  const u32 head = blockIdx.y, sample = blockIdx.z, first = blockIdx.x * TILE + threadIdx.x / 32 * 16;
  q += (u64)sample * queries * strideQ + head * headWidth;
  k += (u64)sample * keys * strideK + head * headWidth;
  v += (u64)sample * keys * strideK + head * headWidth;
  Fragments query;
  loadRows(query, q, strideQ, first, queries);
  Accumulators result;
  clear(result);
  float maximum[2] = {NEGATIVE_INFINITY, NEGATIVE_INFINITY}, sum[2] = {0.0f, 0.0f};
  const float factor = scale * LOG2_E;
  const u32 count = (keys + TILE - 1) / TILE;
  copyStage<TILE>(tiles, 0, k, strideK, v, strideK, keys);
  for (u32 t = 0; t < count; t++) {
    const bfloat16* keyTile = takeStage<TILE>(tiles, t, count, k, strideK, v, strideK, keys);
    const bfloat16* valueTile = keyTile + TILE * ROW;
    float score[TILE / 8][4];
#pragma unroll
    for (u32 n = 0; n < TILE / 8; n++)
#pragma unroll
      for (u32 i = 0; i < 4; i++) score[n][i] = 0.0f;
#pragma unroll
    for (u32 step = 0; step < STEPS; step++) {
#pragma unroll
      for (u32 n = 0; n < TILE / 8; n += 2) {
        u32 b[4];
        loadTransposed(b, keyTile, n * 8, step);
        multiplyTile(score[n], query[step], b[0], b[1]);
        multiplyTile(score[n + 1], query[step], b[2], b[3]);
      }
    }
    float highest[2] = {maximum[0], maximum[1]};
#pragma unroll
    for (u32 n = 0; n < TILE / 8; n++) {
#pragma unroll
      for (u32 i = 0; i < 4; i++) {
        const bool valid = t * TILE + n * 8 + LANE % 4 * 2 + i % 2 < keys;
        score[n][i] = valid ? score[n][i] * factor : NEGATIVE_INFINITY;
        highest[i / 2] = fmaxf(highest[i / 2], score[n][i]);
      }
    }
    float correction[2];
#pragma unroll
    for (u32 half = 0; half < 2; half++) {
      highest[half] = quadMaximum(highest[half]);
      correction[half] = exp2f(maximum[half] - highest[half]);
      maximum[half] = highest[half];
      sum[half] *= correction[half];
    }
#pragma unroll
    for (u32 n = 0; n < TILE / 8; n++) {
#pragma unroll
      for (u32 i = 0; i < 4; i++) {
        score[n][i] = exp2f(score[n][i] - maximum[i / 2]);
        sum[i / 2] += score[n][i];
      }
    }
#pragma unroll
    for (u32 n = 0; n < WIDTH / 8; n++)
#pragma unroll
      for (u32 i = 0; i < 4; i++) result[n][i] *= correction[i / 2];
#pragma unroll
    for (u32 n = 0; n < TILE / 8; n += 2) {
      u32 weights[4];
      asLeft(weights, score[n], score[n + 1]);
      addProduct(result, weights, valueTile, n * 8);
    }
    __syncthreads();  // before the tile is overwritten
  }
  sum[0] = quadSum(sum[0]);
  sum[1] = quadSum(sum[1]);
  const u32 stride = gridDim.y * headWidth;
  o += (u64)sample * queries * stride + head * headWidth;
  storeRows(o, stride, first, queries, result, 1.0f / sum[0], 1.0f / sum[1]);
  if (LANE % 4 == 0) {
    logSumExp += ((u64)sample * gridDim.y + head) * queries;
    const u32 row = first + LANE / 4;
    if (row < queries) logSumExp[row] = (maximum[0] + log2f(sum[0])) / LOG2_E;
    if (row + 8 < queries) logSumExp[row + 8] = (maximum[1] + log2f(sum[1])) / LOG2_E;
  }
}

/** dq = scale dS k, dS = P * (do v^T - delta); dq has the layout of q. Shared memory: 4 tiles. */
extern "C" __global__ void __launch_bounds__(128)
    attentionQueryGradient(bfloat16* dq, const bfloat16* dO, const float* logSumExp, const float* delta,
                           const bfloat16* q, const bfloat16* k, const bfloat16* v, u32 queries, u32 keys, u32 strideQ,
                           u32 strideK, u32 headWidth, float scale) {
  DYNAMIC_SHARED(memory);
  bfloat16* tiles = reinterpret_cast<bfloat16*>(memory);
  const u32 head = blockIdx.y, sample = blockIdx.z, first = blockIdx.x * TILE + threadIdx.x / 32 * 16;
  const u32 strideO = gridDim.y * headWidth;
  q += (u64)sample * queries * strideQ + head * headWidth;
  dq += (u64)sample * queries * strideQ + head * headWidth;
  dO += (u64)sample * queries * strideO + head * headWidth;
  k += (u64)sample * keys * strideK + head * headWidth;
  v += (u64)sample * keys * strideK + head * headWidth;
  logSumExp += ((u64)sample * gridDim.y + head) * queries;
  delta += ((u64)sample * gridDim.y + head) * queries;
  Fragments query, gradient;
  loadRows(query, q, strideQ, first, queries);
  loadRows(gradient, dO, strideO, first, queries);
  float offset[2], mean[2];
#pragma unroll
  for (u32 half = 0; half < 2; half++) {
    const u32 row = first + LANE / 4 + half * 8;
    offset[half] = row < queries ? logSumExp[row] * LOG2_E : 0.0f;
    mean[half] = row < queries ? delta[row] : 0.0f;
  }
  Accumulators result;
  clear(result);
  const float factor = scale * LOG2_E;
  const u32 count = (keys + TILE - 1) / TILE;
  copyTile(tiles, k, strideK, 0, TILE, keys);
  copyTile(tiles + TILE * ROW, v, strideK, 0, TILE, keys);
  commitCopies();
  for (u32 t = 0; t < count; t++) {
    // takeStage, written out: through it nvcc 13.0 takes 142 registers at heads of 64 instead of 96 (sm_80).
    const bfloat16* keyTile = tiles + t % 2 * (2 * TILE * ROW);
    const bfloat16* valueTile = keyTile + TILE * ROW;
    if (t + 1 < count) {
      bfloat16* next = tiles + (t + 1) % 2 * (2 * TILE * ROW);
      copyTile(next, k, strideK, (t + 1) * TILE, TILE, keys);
      copyTile(next + TILE * ROW, v, strideK, (t + 1) * TILE, TILE, keys);
      commitCopies();
      waitForCopies<1>();
    } else {
      waitForCopies<0>();
    }
    __syncthreads();
#pragma unroll
    for (u32 n = 0; n < TILE; n += 16) {  // 16 keys at a time: few registers
      float score[2][4] = {}, slope[2][4] = {};
#pragma unroll
      for (u32 step = 0; step < STEPS; step++) {
        u32 b[4];
        loadTransposed(b, keyTile, n, step);
        multiplyTile(score[0], query[step], b[0], b[1]);
        multiplyTile(score[1], query[step], b[2], b[3]);
        loadTransposed(b, valueTile, n, step);
        multiplyTile(slope[0], gradient[step], b[0], b[1]);
        multiplyTile(slope[1], gradient[step], b[2], b[3]);
      }
#pragma unroll
      for (u32 half = 0; half < 2; half++) {
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
          const bool valid = t * TILE + n + half * 8 + LANE % 4 * 2 + i % 2 < keys;
          const float p = valid ? exp2f(score[half][i] * factor - offset[i / 2]) : 0.0f;
          score[half][i] = p * (slope[half][i] - mean[i / 2]);
        }
      }
      u32 weights[4];
      asLeft(weights, score[0], score[1]);
      addProduct(result, weights, keyTile, n);
    }
    __syncthreads();
  }
  storeRows(dq, strideQ, first, queries, result, scale, scale);
}

/**
 * dv = P^T do and dk = scale dS^T q; both have the layout of k and v. Scores are computed transposed, keys as rows.
 * Shared memory: 2 stages of a tile of q and one of do, then the block's own k and v.
 */
extern "C" __global__ void __launch_bounds__(128)
    attentionKeyGradient(bfloat16* dk, bfloat16* dv, const bfloat16* dO, const float* logSumExp, const float* delta,
                         const bfloat16* q, const bfloat16* k, const bfloat16* v, u32 queries, u32 keys, u32 strideQ,
                         u32 strideK, u32 headWidth, float scale) {
  DYNAMIC_SHARED(memory);
  bfloat16* tiles = reinterpret_cast<bfloat16*>(memory);
  bfloat16* ownKeys = tiles + 4 * QUERY_TILE * ROW;
  bfloat16* ownValues = ownKeys + TILE * ROW;
  const u32 head = blockIdx.y, sample = blockIdx.z, warpRow = threadIdx.x / 32 * 16;
  const u32 strideO = gridDim.y * headWidth;
  q += (u64)sample * queries * strideQ + head * headWidth;
  dO += (u64)sample * queries * strideO + head * headWidth;
  k += (u64)sample * keys * strideK + head * headWidth;
  v += (u64)sample * keys * strideK + head * headWidth;
  dk += (u64)sample * keys * strideK + head * headWidth;
  dv += (u64)sample * keys * strideK + head * headWidth;
  logSumExp += ((u64)sample * gridDim.y + head) * queries;
  delta += ((u64)sample * gridDim.y + head) * queries;
  copyTile(ownKeys, k, strideK, blockIdx.x * TILE, TILE, keys);
  copyTile(ownValues, v, strideK, blockIdx.x * TILE, TILE, keys);
  copyStage<QUERY_TILE>(tiles, 0, q, strideQ, dO, strideO, queries);
  Accumulators resultK, resultV;
  clear(resultK);
  clear(resultV);
  const float factor = scale * LOG2_E;
  const u32 count = (queries + QUERY_TILE - 1) / QUERY_TILE;
  for (u32 t = 0; t < count; t++) {
    const bfloat16* queryTile = takeStage<QUERY_TILE>(tiles, t, count, q, strideQ, dO, strideO, queries);
    const bfloat16* gradientTile = queryTile + QUERY_TILE * ROW;
#pragma unroll
    for (u32 n = 0; n < QUERY_TILE; n += 16) {
      float score[2][4] = {}, slope[2][4] = {};
#pragma unroll
      for (u32 step = 0; step < STEPS; step++) {
        u32 a[4], b[4];
        loadLeft(a, ownKeys, warpRow, step);
        loadTransposed(b, queryTile, n, step);
        multiplyTile(score[0], a, b[0], b[1]);
        multiplyTile(score[1], a, b[2], b[3]);
        loadLeft(a, ownValues, warpRow, step);
        loadTransposed(b, gradientTile, n, step);
        multiplyTile(slope[0], a, b[0], b[1]);
        multiplyTile(slope[1], a, b[2], b[3]);
      }
#pragma unroll
      for (u32 half = 0; half < 2; half++) {
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
          const u32 query = t * QUERY_TILE + n + half * 8 + LANE % 4 * 2 + i % 2;
          const bool valid = query < queries;
          const float p = valid ? exp2f(score[half][i] * factor - logSumExp[query] * LOG2_E) : 0.0f;
          slope[half][i] = valid ? p * (slope[half][i] - delta[query]) : 0.0f;
          score[half][i] = p;
        }
      }
      u32 weights[4];
      asLeft(weights, score[0], score[1]);
      addProduct(resultV, weights, gradientTile, n);
      asLeft(weights, slope[0], slope[1]);
      addProduct(resultK, weights, queryTile, n);
    }
    __syncthreads();
  }
  const u32 first = blockIdx.x * TILE + warpRow;
  storeRows(dk, strideK, first, keys, resultK, scale, scale);
  storeRows(dv, strideK, first, keys, resultV, 1.0f, 1.0f);
}
