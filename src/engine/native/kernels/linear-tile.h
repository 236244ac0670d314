/* The tile of linear layers: ROWS rows of A against one panel of B. */
#ifndef VIDEOMAE_LINEAR_TILE_H
#define VIDEOMAE_LINEAR_TILE_H

#include "tile.h"

/* Cache lines that are fetched ahead: the first one, and the bytes to the next. */
struct ahead {
  const char *at;
  int64_t step;
};

/*
 * sum = the tile. `row` and `step` are the bytes from one row and from one unit of A to the next.
 * `half`: the last unit of A has one element only (an odd inner dimension), and what comes after it must not be read.
 * Meanwhile a cache line every two steps, the first one at `ahead.at`, is fetched into the second-level cache.
 */
INLINE void tile_sums(const int pairs, const int rows, const char *a, int64_t row, const int64_t step, const char *b,
                      int64_t units, const int half, struct ahead ahead, vf sum[MOST_ROWS][MOST_VECTORS]) {
  UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < VECTORS; v++) sum[r][v] = (vf){0};
  const int64_t whole = pairs && half ? units - 1 : units;
  const char *const end = a + (whole & ~(int64_t)1) * step;
  for (; a != end; a += 2 * step, b += 2 * PANEL * 4, ahead.at += ahead.step) {
    __builtin_prefetch(ahead.at, 0, 2);
    tile_step(pairs, rows, VECTORS, a, row, b, sum);
    tile_step(pairs, rows, VECTORS, a + step, row, b + PANEL * 4, sum);
  }
  if (whole & 1) {
    tile_step(pairs, rows, VECTORS, a, row, b, sum);
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
    tile_step(pairs, rows, VECTORS, (const char *)last, 4, b, sum);
  }
}

/*
 * The sums of a whole tile of floats, where the units of B lie `b_step` bytes apart. They are written to `panel`, as the
 * tiles that follow read them.
 */
INLINE void tile_sums_copying(const char *a, int64_t row, const char *b, int64_t b_step, char *panel, int64_t units,
                              struct ahead ahead, vf sum[MOST_ROWS][MOST_VECTORS]) {
  UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int v = 0; v < VECTORS; v++) sum[r][v] = (vf){0};
  int64_t u = 0;
  for (; u + 1 < units; u += 2, ahead.at += ahead.step) {
    __builtin_prefetch(ahead.at, 0, 2);
    UNROLL for (int i = 0; i < 2; i++, a += 4, b += b_step, panel += PANEL * 4) {
      tile_step_copying(0, ROWS, VECTORS, a, row, b, 1, panel, sum);
    }
  }
  if (u < units) tile_step_copying(0, ROWS, VECTORS, a, row, b, 1, panel, sum);
}

/* The tile of tile_sums, written to c [rows][PANEL]. */
INLINE void tile(const int pairs, const int rows, const char *a, int64_t row, const int64_t step, const char *b,
                 int64_t units, const int half, struct ahead ahead, float *c) {
  vf sum[MOST_ROWS][MOST_VECTORS];
  tile_sums(pairs, rows, a, row, step, b, units, half, ahead, sum);
  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int v = 0; v < VECTORS; v++) store(c + r * PANEL + v * LANES, sum[r][v]);
}

#endif
