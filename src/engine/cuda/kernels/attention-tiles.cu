// Multi-head attention on tensor cores, forward and backward, for bfloat16 and head widths of 16 to 128 that are
// multiples of 8 (Dao 2023, FlashAttention-2, algorithms 1 and 2). A block of 4 warps owns rows of one side, ROW_TILES
// times 16 a warp, and walks over tiles of the other side in shared memory, the next tile arriving while this one is
// used. Scores stay in registers. The backward pass is two kernels, one that owns queries and one that owns keys: no
// atomics, so a step can be repeated bit by bit, at the price of computing the scores twice.
// Grid: (rows / rows of a block rounded up, heads, batch). Warps whose rows lie beyond the end only help to copy.
#include "attention-tiles.cuh"

/** o [B, Nq, heads * HEAD_WIDTH], logSumExp [B, heads, Nq]. Shared memory: 4 tiles. */
extern "C" __global__ void __launch_bounds__(128)
    attentionForward(bfloat16* o, float* logSumExp, const bfloat16* q, const bfloat16* k, const bfloat16* v,
                     u32 queries, u32 keys, u32 strideQ, u32 strideK, u32 headWidth, float scale) {
  DYNAMIC_SHARED(memory);
  bfloat16* tiles = reinterpret_cast<bfloat16*>(memory);  // k, v of two stages
  const u32 head = blockIdx.y, sample = blockIdx.z;
  const u32 first = (blockIdx.x * 4 + threadIdx.x / 32) * (ROW_TILES * 16);
  q += (u64)sample * queries * strideQ + head * headWidth;
  k += (u64)sample * keys * strideK + head * headWidth;
  v += (u64)sample * keys * strideK + head * headWidth;
  Fragments query[ROW_TILES];
  Accumulators result[ROW_TILES];
  float maximum[ROW_TILES][2], sum[ROW_TILES][2];
#pragma unroll
  for (u32 r = 0; r < ROW_TILES; r++) {
    loadRows(query[r], q, strideQ, first + r * 16, queries);
    clear(result[r]);
    maximum[r][0] = maximum[r][1] = NEGATIVE_INFINITY;
    sum[r][0] = sum[r][1] = 0.0f;
  }
  const float factor = scale * LOG2_E;
  const u32 count = (keys + TILE - 1) / TILE;
  copyStage<TILE>(tiles, 0, k, strideK, v, strideK, keys);
  for (u32 t = 0; t < count; t++) {
    const bfloat16* keyTile = takeStage<TILE>(tiles, t, count, k, strideK, v, strideK, keys);
    const bfloat16* valueTile = keyTile + TILE * ROW;
    if (first >= queries) continue;
    float score[ROW_TILES][TILE / 8][4];
#pragma unroll
    for (u32 r = 0; r < ROW_TILES; r++)
#pragma unroll
      for (u32 n = 0; n < TILE / 8; n++)
#pragma unroll
        for (u32 i = 0; i < 4; i++) score[r][n][i] = 0.0f;
#pragma unroll
    for (u32 step = 0; step < STEPS; step++) {
#pragma unroll
      for (u32 n = 0; n < TILE / 8; n += 2) {
        u32 b[4];
        loadTransposed(b, keyTile, n * 8, step);
#pragma unroll
        for (u32 r = 0; r < ROW_TILES; r++) {
          multiplyTile(score[r][n], query[r][step], b[0], b[1]);
          multiplyTile(score[r][n + 1], query[r][step], b[2], b[3]);
        }
      }
    }
    if ((t + 1) * TILE > keys) {
#pragma unroll
      for (u32 r = 0; r < ROW_TILES; r++)
#pragma unroll
        for (u32 n = 0; n < TILE / 8; n++)
#pragma unroll
          for (u32 i = 0; i < 4; i++)
            if (t * TILE + n * 8 + LANE % 4 * 2 + i % 2 >= keys) score[r][n][i] = NEGATIVE_INFINITY;
    }
#pragma unroll
    for (u32 r = 0; r < ROW_TILES; r++) {
      float highest[2] = {maximum[r][0], maximum[r][1]}, shift[2], correction[2];
#pragma unroll
      for (u32 n = 0; n < TILE / 8; n++)
#pragma unroll
        for (u32 i = 0; i < 4; i++) highest[i / 2] = fmaxf(highest[i / 2], score[r][n][i]);
#pragma unroll
      for (u32 half = 0; half < 2; half++) {
        highest[half] = quadMaximum(highest[half]);
        shift[half] = highest[half] * factor;
        correction[half] = power2(fmaf(maximum[r][half], factor, -shift[half]));
        maximum[r][half] = highest[half];
        sum[r][half] *= correction[half];
      }
#pragma unroll
      for (u32 n = 0; n < TILE / 8; n++) {
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
          score[r][n][i] = power2(fmaf(score[r][n][i], factor, -shift[i / 2]));
          sum[r][i / 2] += score[r][n][i];
        }
      }
#pragma unroll
      for (u32 n = 0; n < WIDTH / 8; n++)
#pragma unroll
        for (u32 i = 0; i < 4; i++) result[r][n][i] *= correction[i / 2];
    }
#pragma unroll
    for (u32 n = 0; n < TILE / 8; n += 2) {
      u32 weights[ROW_TILES][4];
#pragma unroll
      for (u32 r = 0; r < ROW_TILES; r++) asLeft(weights[r], score[r][n], score[r][n + 1]);
      addProduct(result, weights, valueTile, n * 8);
    }
  }
  const u32 stride = gridDim.y * headWidth;
  o += (u64)sample * queries * stride + head * headWidth;
  logSumExp += ((u64)sample * gridDim.y + head) * queries;
#pragma unroll
  for (u32 r = 0; r < ROW_TILES; r++) {
    const float low = quadSum(sum[r][0]), high = quadSum(sum[r][1]);
    storeRows(o, stride, first + r * 16, queries, result[r], 1.0f / low, 1.0f / high);
    if (LANE % 4 == 0) {
      const u32 row = first + r * 16 + LANE / 4;
      if (row < queries) logSumExp[row] = maximum[r][0] * scale + logf(low);
      if (row + 8 < queries) logSumExp[row + 8] = maximum[r][1] * scale + logf(high);
    }
  }
}

/** dq = scale dS k, dS = P * (do v^T - delta); dq has the layout of q. Shared memory: 4 tiles. */
extern "C" __global__ void __launch_bounds__(128)
    attentionQueryGradient(bfloat16* dq, const bfloat16* dO, const float* logSumExp, const float* delta,
                           const bfloat16* q, const bfloat16* k, const bfloat16* v, u32 queries, u32 keys, u32 strideQ,
                           u32 strideK, u32 headWidth, float scale) {
  DYNAMIC_SHARED(memory);
  bfloat16* tiles = reinterpret_cast<bfloat16*>(memory);
  const u32 head = blockIdx.y, sample = blockIdx.z;
  const u32 first = (blockIdx.x * 4 + threadIdx.x / 32) * (ROW_TILES * 16);
  const u32 strideO = gridDim.y * headWidth;
  q += (u64)sample * queries * strideQ + head * headWidth;
  dq += (u64)sample * queries * strideQ + head * headWidth;
  dO += (u64)sample * queries * strideO + head * headWidth;
  k += (u64)sample * keys * strideK + head * headWidth;
  v += (u64)sample * keys * strideK + head * headWidth;
  logSumExp += ((u64)sample * gridDim.y + head) * queries;
  delta += ((u64)sample * gridDim.y + head) * queries;
  Fragments query[ROW_TILES], gradient[ROW_TILES];
  Accumulators result[ROW_TILES];
  float offset[ROW_TILES][2], mean[ROW_TILES][2];
#pragma unroll
  for (u32 r = 0; r < ROW_TILES; r++) {
    loadRows(query[r], q, strideQ, first + r * 16, queries);
    loadRows(gradient[r], dO, strideO, first + r * 16, queries);
    clear(result[r]);
#pragma unroll
    for (u32 half = 0; half < 2; half++) {
      const u32 row = first + r * 16 + LANE / 4 + half * 8;
      offset[r][half] = row < queries ? logSumExp[row] * LOG2_E : 0.0f;
      mean[r][half] = row < queries ? delta[row] : 0.0f;
    }
  }
  const float factor = scale * LOG2_E;
  const u32 count = (keys + TILE - 1) / TILE;
  copyStage<TILE>(tiles, 0, k, strideK, v, strideK, keys);
  for (u32 t = 0; t < count; t++) {
    const bfloat16* keyTile = takeStage<TILE>(tiles, t, count, k, strideK, v, strideK, keys);
    const bfloat16* valueTile = keyTile + TILE * ROW;
    if (first >= queries) continue;
#pragma unroll 1
    for (u32 n = 0; n < TILE; n += 16) {  // 16 keys at a time: few registers
      float score[ROW_TILES][2][4] = {}, slope[ROW_TILES][2][4] = {};
#pragma unroll
      for (u32 step = 0; step < STEPS; step++) {
        u32 b[4];
        loadTransposed(b, keyTile, n, step);
#pragma unroll
        for (u32 r = 0; r < ROW_TILES; r++) {
          multiplyTile(score[r][0], query[r][step], b[0], b[1]);
          multiplyTile(score[r][1], query[r][step], b[2], b[3]);
        }
        loadTransposed(b, valueTile, n, step);
#pragma unroll
        for (u32 r = 0; r < ROW_TILES; r++) {
          multiplyTile(slope[r][0], gradient[r][step], b[0], b[1]);
          multiplyTile(slope[r][1], gradient[r][step], b[2], b[3]);
        }
      }
      u32 weights[ROW_TILES][4];
#pragma unroll
      for (u32 r = 0; r < ROW_TILES; r++) {
#pragma unroll
        for (u32 half = 0; half < 2; half++) {
#pragma unroll
          for (u32 i = 0; i < 4; i++) {
            // Keys beyond the end are zeros, so whatever finite weight they have adds nothing; weights of others are at
            // most 1.
            const float p = power2(fminf(fmaf(score[r][half][i], factor, -offset[r][i / 2]), 1.0f));
            score[r][half][i] = p * (slope[r][half][i] - mean[r][i / 2]);
          }
        }
        asLeft(weights[r], score[r][0], score[r][1]);
      }
      addProduct(result, weights, keyTile, n);
    }
  }
#pragma unroll
  for (u32 r = 0; r < ROW_TILES; r++) storeRows(dq, strideQ, first + r * 16, queries, result[r], scale, scale);
}

#define KEY_ROWS 64              /* of a block of the key gradient */
#define OWN_ROWS_IN_REGISTERS (WIDTH <= 64)

/**
 * dv = P^T do and dk = scale dS^T q; both have the layout of k and v. Scores are computed transposed, keys as rows.
 * Shared memory: 2 stages of a tile of q, one of do, and of their rows' statistics; the block's own k and v, where
 * registers are too few for them.
 */
extern "C" __global__ void __launch_bounds__(128)
    attentionKeyGradient(bfloat16* dk, bfloat16* dv, const bfloat16* dO, const float* logSumExp, const float* delta,
                         const bfloat16* q, const bfloat16* k, const bfloat16* v, u32 queries, u32 keys, u32 strideQ,
                         u32 strideK, u32 headWidth, float scale) {
  DYNAMIC_SHARED(memory);
  bfloat16* tiles = reinterpret_cast<bfloat16*>(memory);
  float* statistics = reinterpret_cast<float*>(tiles + 4 * QUERY_TILE * ROW);
  const u32 head = blockIdx.y, sample = blockIdx.z, warpRow = threadIdx.x / 32 * 16;
  const u32 first = blockIdx.x * KEY_ROWS + warpRow;
  const u32 strideO = gridDim.y * headWidth;
  q += (u64)sample * queries * strideQ + head * headWidth;
  dO += (u64)sample * queries * strideO + head * headWidth;
  k += (u64)sample * keys * strideK + head * headWidth;
  v += (u64)sample * keys * strideK + head * headWidth;
  dk += (u64)sample * keys * strideK + head * headWidth;
  dv += (u64)sample * keys * strideK + head * headWidth;
  logSumExp += ((u64)sample * gridDim.y + head) * queries;
  delta += ((u64)sample * gridDim.y + head) * queries;
#if OWN_ROWS_IN_REGISTERS
  Fragments ownKeys, ownValues;
  loadRows(ownKeys, k, strideK, first, keys);
  loadRows(ownValues, v, strideK, first, keys);
#else
  bfloat16* ownKeys = reinterpret_cast<bfloat16*>(statistics + 4 * QUERY_TILE);
  bfloat16* ownValues = ownKeys + KEY_ROWS * ROW;
  copyTile(ownKeys, k, strideK, blockIdx.x * KEY_ROWS, KEY_ROWS, keys);
  copyTile(ownValues, v, strideK, blockIdx.x * KEY_ROWS, KEY_ROWS, keys);
#endif
  // A stage of statistics: log2 of the softmax denominators of a tile's rows, then their deltas. The first threads own one
  // each. Queries beyond the end weigh 2^-infinity = 0.
  const bool owner = threadIdx.x < 2 * QUERY_TILE, denominators = threadIdx.x < QUERY_TILE;
  const u32 own = threadIdx.x % QUERY_TILE;
  const float* source = denominators ? logSumExp : delta;
  const float unit = denominators ? LOG2_E : 1.0f, beyond = denominators ? -NEGATIVE_INFINITY : 0.0f;
  if (owner) statistics[threadIdx.x] = own < queries ? source[own] * unit : beyond;
  copyStage<QUERY_TILE>(tiles, 0, q, strideQ, dO, strideO, queries);
  Accumulators resultK[1], resultV[1];
  clear(resultK[0]);
  clear(resultV[0]);
  const float factor = scale * LOG2_E;
  const u32 count = (queries + QUERY_TILE - 1) / QUERY_TILE;
  for (u32 t = 0; t < count; t++) {
    const bfloat16* queryTile = takeStage<QUERY_TILE>(tiles, t, count, q, strideQ, dO, strideO, queries);
    const bfloat16* gradientTile = queryTile + QUERY_TILE * ROW;
    const float* offsets = statistics + t % 2 * (2 * QUERY_TILE);
    const u32 nextRow = (t + 1) * QUERY_TILE + own;
    const float next = nextRow < queries ? source[nextRow] * unit : beyond;  // on its way while this tile is used
    if (first < keys) {
#pragma unroll
      for (u32 n = 0; n < QUERY_TILE; n += 16) {
        float score[2][4] = {}, slope[2][4] = {};
#pragma unroll
        for (u32 step = 0; step < STEPS; step++) {
#if OWN_ROWS_IN_REGISTERS
          const u32(&key)[4] = ownKeys[step], (&value)[4] = ownValues[step];
#else
          u32 key[4], value[4];
          loadLeft(key, ownKeys, warpRow, step);
          loadLeft(value, ownValues, warpRow, step);
#endif
          u32 b[4];
          loadTransposed(b, queryTile, n, step);
          multiplyTile(score[0], key, b[0], b[1]);
          multiplyTile(score[1], key, b[2], b[3]);
          loadTransposed(b, gradientTile, n, step);
          multiplyTile(slope[0], value, b[0], b[1]);
          multiplyTile(slope[1], value, b[2], b[3]);
        }
#pragma unroll
        for (u32 half = 0; half < 2; half++) {
          const float* at = offsets + n + half * 8 + LANE % 4 * 2;
          const float offset[2] = {at[0], at[1]}, mean[2] = {at[QUERY_TILE], at[QUERY_TILE + 1]};
#pragma unroll
          for (u32 i = 0; i < 4; i++) {
            const float p = power2(fmaf(score[half][i], factor, -offset[i % 2]));
            slope[half][i] = p * (slope[half][i] - mean[i % 2]);
            score[half][i] = p;
          }
        }
        u32 weights[1][4];
        asLeft(weights[0], score[0], score[1]);
        addProduct(resultV, weights, gradientTile, n);
        asLeft(weights[0], slope[0], slope[1]);
        addProduct(resultK, weights, queryTile, n);
      }
    }
    if (owner && t + 1 < count) statistics[(t + 1) % 2 * (2 * QUERY_TILE) + threadIdx.x] = next;
  }
  storeRows(dk, strideK, first, keys, resultK[0], scale, scale);
  storeRows(dv, strideK, first, keys, resultV[0], 1.0f, 1.0f);
}
