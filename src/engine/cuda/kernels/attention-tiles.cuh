// Tiles of a head in shared memory and the pieces of them that lanes hold: what the kernels of attention-tiles.cu share.
#pragma once
#include "mma.cuh"

#ifndef HEAD_WIDTH
#define HEAD_WIDTH 64
#endif
#define WIDTH ((HEAD_WIDTH + 15) / 16 * 16) /* zeros beyond HEAD_WIDTH */
#define STEPS (WIDTH / 16)                  /* k-steps over the head width */
#define ROW (WIDTH + 8)                     /* elements of a row in shared memory: no bank conflicts */
#ifndef ROW_TILES
#define ROW_TILES 1 /* tiles of 16 queries that a warp owns: an operand from shared memory serves all of them */
#endif
#ifndef QUERY_TILE
#define QUERY_TILE 32 /* rows of a tile of the key gradient: 32 or 64 */
#endif
#define TILE 64
#define LOG2_E 1.44269504f

typedef u32 Fragments[STEPS][4];
typedef float Accumulators[WIDTH / 8][4];

/** Starts the copy of `rows` rows from `first` on; rows from `limit` on and columns beyond the head are zeros. */
__device__ __forceinline__ void copyTile(bfloat16* tile, const bfloat16* from, u32 stride, u32 first, u32 rows,
                                         u32 limit) {
  for (u32 i = threadIdx.x; i < rows * (WIDTH / 8); i += 128) {
    const u32 row = i / (WIDTH / 8), column = i % (WIDTH / 8) * 8;
    const bool valid = first + row < limit && column < HEAD_WIDTH;
    copyAsync(tile + row * ROW + column, valid ? from + (u64)(first + row) * stride + column : from, valid);
  }
}

/** Starts the copy of tile number `t` of two matrices; two stages of two tiles each take turns. */
template <u32 ROWS>
__device__ __forceinline__ void copyStage(bfloat16* tiles, u32 t, const bfloat16* first, u32 strideFirst,
                                          const bfloat16* second, u32 strideSecond, u32 limit) {
  bfloat16* stage = tiles + t % 2 * (2 * ROWS * ROW);
  copyTile(stage, first, strideFirst, t * ROWS, ROWS, limit);
  copyTile(stage + ROWS * ROW, second, strideSecond, t * ROWS, ROWS, limit);
  commitCopies();
}

/**
 * Has stage `t` of `count` there for all threads, and the next one on its way into the stage that all threads have
 * left when they come here. One barrier a tile.
 */
template <u32 ROWS>
__device__ __forceinline__ const bfloat16* takeStage(bfloat16* tiles, u32 t, u32 count, const bfloat16* first,
                                                     u32 strideFirst, const bfloat16* second, u32 strideSecond,
                                                     u32 limit) {
  waitForCopies<0>();
  __syncthreads();
  if (t + 1 < count) copyStage<ROWS>(tiles, t + 1, first, strideFirst, second, strideSecond, limit);
  return tiles + t % 2 * (2 * ROWS * ROW);
}

/** A operand of 16 rows from global memory; rows from `limit` on are zeros. */
__device__ __forceinline__ void loadRows(Fragments& a, const bfloat16* from, u32 stride, u32 first, u32 limit) {
#pragma unroll
  for (u32 step = 0; step < STEPS; step++) {
#pragma unroll
    for (u32 i = 0; i < 4; i++) {
      const u32 row = first + LANE / 4 + i % 2 * 8, column = step * 16 + LANE % 4 * 2 + i / 2 * 8;
      const bool valid = row < limit && column < HEAD_WIDTH;
      a[step][i] = valid ? *reinterpret_cast<const u32*>(from + (u64)row * stride + column) : 0u;
    }
  }
}

/** A operand: rows first .. first + 15 of a tile, columns of one k-step. */
__device__ __forceinline__ void loadLeft(u32 (&a)[4], const bfloat16* tile, u32 first, u32 step) {
  loadMatrices<false>(a, tile + (first + LANE % 16) * ROW + step * 16 + LANE / 16 * 8);
}
/** B operands of two column tiles for products with the transposed tile: rows first .. first + 15 are the columns. */
__device__ __forceinline__ void loadTransposed(u32 (&b)[4], const bfloat16* tile, u32 first, u32 step) {
  loadMatrices<false>(b, tile + (first + LANE % 8 + LANE / 16 * 8) * ROW + step * 16 + LANE / 8 % 2 * 8);
}
/** B operands of two column tiles for products with the tile: rows first .. first + 15 are summed over. */
__device__ __forceinline__ void loadPlain(u32 (&b)[4], const bfloat16* tile, u32 first, u32 step) {
  loadMatrices<true>(b, tile + (first + LANE % 16) * ROW + step * 16 + LANE / 16 * 8);
}

/** Two neighboring column tiles of an accumulator as the A operand of a next product. */
__device__ __forceinline__ void asLeft(u32 (&a)[4], const float (&first)[4], const float (&second)[4]) {
  a[0] = packPair(first[0], first[1]);
  a[1] = packPair(first[2], first[3]);
  a[2] = packPair(second[0], second[1]);
  a[3] = packPair(second[2], second[3]);
}

/** result [TILES * 16, WIDTH] += left [TILES * 16, 16] * rows first .. first + 15 of the tile. */
template <u32 TILES>
__device__ __forceinline__ void addProduct(Accumulators (&result)[TILES], const u32 (&left)[TILES][4],
                                           const bfloat16* tile, u32 first) {
#pragma unroll
  for (u32 step = 0; step < STEPS; step++) {
    u32 b[4];
    loadPlain(b, tile, first, step);
#pragma unroll
    for (u32 r = 0; r < TILES; r++) {
      multiplyTile(result[r][step * 2], left[r], b[0], b[1]);
      multiplyTile(result[r][step * 2 + 1], left[r], b[2], b[3]);
    }
  }
}

__device__ __forceinline__ void clear(Accumulators& result) {
#pragma unroll
  for (u32 n = 0; n < WIDTH / 8; n++)
#pragma unroll
    for (u32 i = 0; i < 4; i++) result[n][i] = 0.0f;
}

/** Writes rows first + g and first + g + 8, multiplied by their factors. */
__device__ __forceinline__ void storeRows(bfloat16* to, u32 stride, u32 first, u32 limit, const Accumulators& result,
                                          float factorLow, float factorHigh) {
#pragma unroll
  for (u32 n = 0; n < WIDTH / 8; n++) {
    const u32 column = n * 8 + LANE % 4 * 2, row = first + LANE / 4;
    if (column >= HEAD_WIDTH) continue;
    if (row < limit)
      *reinterpret_cast<u32*>(to + (u64)row * stride + column) =
          packPair(result[n][0] * factorLow, result[n][1] * factorLow);
    if (row + 8 < limit)
      *reinterpret_cast<u32*>(to + (u64)(row + 8) * stride + column) =
          packPair(result[n][2] * factorHigh, result[n][3] * factorHigh);
  }
}

/** 2^x; results too small for a normal float32 are 0. */
__device__ __forceinline__ float power2(float x) {
#ifdef CUDA_EMULATION
  return exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

/** Over the four lanes that share a row of an accumulator. */
__device__ __forceinline__ float quadMaximum(float x) {
  x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 1));
  return fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 2));
}
__device__ __forceinline__ float quadSum(float x) {
  x += __shfl_xor_sync(ALL_LANES, x, 1);
  return x + __shfl_xor_sync(ALL_LANES, x, 2);
}
