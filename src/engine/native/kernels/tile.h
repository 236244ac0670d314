/*
 * The inner loop of every matrix product here: a tile of C = A B, `rows` x `vectors` vectors, held in registers.
 *
 * Operands are made of 4-byte units along the inner dimension: a float, or a pair of bfloat16. Of B a step reads
 * `vectors` whole vectors, of A it reads one unit per row and spreads it over a vector. Some 24 sums need as many
 * multiply-adds for 3 + 8 loads: on a processor with two of each a cycle the loads are hidden, and B may stream from the
 * second-level cache.
 */
#ifndef VIDEOMAE_TILE_H
#define VIDEOMAE_TILE_H

#include "simd.h"

/* Vector registers. */
#if LANES == 16 || defined(__aarch64__)
#define REGISTERS 32
#else
#define REGISTERS 16
#endif

/* The usual tile, and the width of its panels of B: [units][PANEL]. */
#define VECTORS 3
#define PANEL (VECTORS * LANES)
#define ROWS (REGISTERS == 32 ? 8 : 4)

/* Rows of a tile that is `vectors` wide; all divide 48. */
#define ROWS_FOR(vectors)                                                                              \
  (REGISTERS == 32 ? ((vectors) == 1 ? 16 : (vectors) == 2 ? 12 : (vectors) == 3 ? 8 : 6)              \
                   : ((vectors) == 1 ? 8 : (vectors) == 2 ? 6 : 4))
#define MOST_ROWS 16
#define MOST_VECTORS 4

/* Elements in a unit, and units that hold `count` elements. */
#define PER_UNIT(pairs) ((pairs) ? 2 : 1)
INLINE int64_t units_of(const int pairs, int64_t count) { return pairs ? (count + 1) / 2 : count; }
INLINE int64_t round_up(int64_t count, int64_t multiple) { return (count + multiple - 1) / multiple * multiple; }
INLINE int64_t panels_of(int64_t columns) { return (columns + PANEL - 1) / PANEL; }

/* One step: units of A at a + r * row. `copies`: what it has loaded of B is written to `copy`. */
INLINE void tile_step_copying(const int pairs, const int rows, const int vectors, const char *a, int64_t row,
                              const char *b, const int copies, char *copy, vf sum[MOST_ROWS][MOST_VECTORS]) {
  vu column[MOST_VECTORS];
  UNROLL for (int v = 0; v < vectors; v++) column[v] = load_bits(b + v * LANES * 4);
  if (copies) UNROLL for (int v = 0; v < vectors; v++) store_bits(copy + v * LANES * 4, column[v]);
  UNROLL for (int r = 0; r < rows; r++) {
    const vu spread = splat_from(a + r * row);
    UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = multiply_add(pairs, sum[r][v], spread, column[v]);
  }
}
INLINE void tile_step(const int pairs, const int rows, const int vectors, const char *a, int64_t row, const char *b,
                      vf sum[MOST_ROWS][MOST_VECTORS]) {
  tile_step_copying(pairs, rows, vectors, a, row, b, 0, NULL, sum);
}

/*
 * Adds `units` steps to sum. `row` and `step` are the bytes from one row and from one unit of A to the next, `b_step` from
 * one unit of B to the next.
 */
INLINE void tile_steps(const int pairs, const int rows, const int vectors, const char *a, int64_t row,
                       const int64_t step, const char *b, const int64_t b_step, int64_t units,
                       vf sum[MOST_ROWS][MOST_VECTORS]) {
  for (int64_t u = 0; u < units; u++, a += step, b += b_step) {
    tile_step(pairs, rows, vectors, a, row, b, sum);
  }
}

#endif
