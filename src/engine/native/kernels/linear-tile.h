/*
 * The inner loop of every matrix product here: a tile of ROWS x (VECTORS vectors) of C = A B, held in registers.
 *
 * Operands are made of 4-byte units along the inner dimension: a float, or a pair of bfloat16. B comes in packed panels
 * of PANEL columns, [units][PANEL], so that a step reads VECTORS whole vectors; of A a step reads one unit per row and
 * spreads it over a vector. 24 sums need as many multiply-adds per 3 + 8 loads: on a processor with two of each a cycle
 * the loads are hidden, and a panel may stream from the second-level cache.
 */
#ifndef VIDEOMAE_LINEAR_TILE_H
#define VIDEOMAE_LINEAR_TILE_H

#include "simd.h"

#define VECTORS 3
#define PANEL (VECTORS * LANES)
#if LANES == 16 || defined(__aarch64__)
#define ROWS 8
#else
#define ROWS 4
#endif

/* Elements in a 4-byte unit, and units that hold `count` elements. */
#define PER_UNIT(pairs) ((pairs) ? 2 : 1)
INLINE int64_t units_of(const int pairs, int64_t count) { return pairs ? (count + 1) / 2 : count; }
INLINE int64_t panels_of(int64_t columns) { return (columns + PANEL - 1) / PANEL; }

/* One step: units of A at a + r * row. */
INLINE void tile_step(const int pairs, const int rows, const char *a, int64_t row, const char *b, vf sum[ROWS][VECTORS]) {
  vu column[VECTORS];
  UNROLL for (int v = 0; v < VECTORS; v++) column[v] = load_bits(b + v * LANES * 4);
  UNROLL for (int r = 0; r < rows; r++) {
    const vu spread = splat_from(a + r * row);
    UNROLL for (int v = 0; v < VECTORS; v++) sum[r][v] = multiply_add(pairs, sum[r][v], spread, column[v]);
  }
}

/*
 * Writes the tile to c [rows][PANEL]. `row` and `step` are the bytes from one row and from one unit of A to the next.
 * `half`: the last unit of A has one element only (an odd inner dimension), and what stands behind it must not be read.
 * Meanwhile the memory from `ahead` on, a cache line every two steps, is fetched into the second-level cache.
 */
INLINE void tile(const int pairs, const int rows, const char *a, int64_t row, const int64_t step, const char *b,
                 int64_t units, const int half, const char *ahead, float *c) {
  vf sum[ROWS][VECTORS];
  UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < VECTORS; v++) sum[r][v] = (vf){0};
  const int64_t whole = pairs && half ? units - 1 : units;
  const char *const end = a + (whole & ~(int64_t)1) * step;
  for (; a != end; a += 2 * step, b += 2 * PANEL * 4, ahead += 64) {
    __builtin_prefetch(ahead, 0, 2);
    tile_step(pairs, rows, a, row, b, sum);
    tile_step(pairs, rows, a + step, row, b + PANEL * 4, sum);
  }
  if (whole & 1) {
    tile_step(pairs, rows, a, row, b, sum);
    a += step;
    b += PANEL * 4;
  }
  if (whole != units) {
    uint32_t last[ROWS];
    UNROLL for (int r = 0; r < rows; r++) {
      bfloat16 element;
      memcpy(&element, a + r * row, 2);
      last[r] = element;
    }
    tile_step(pairs, rows, (const char *)last, 4, b, sum);
  }
  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int v = 0; v < VECTORS; v++) store(c + r * PANEL + v * LANES, sum[r][v]);
}

#endif
