/*
 * The operands of attention's products for one head, cut into 4-byte units (see tile.h) in working memory. `m` points to
 * the head's columns in its first row; what lies beyond the last row or column becomes zero.
 */
#ifndef VIDEOMAE_ATTENTION_PACK_H
#define VIDEOMAE_ATTENTION_PACK_H

#include "tile.h"

/* LANES units of row `row` from unit u on; pairs lie within the row. */
INLINE vu units_of_row(const int pairs, const char *m, int64_t stride, int64_t row, int64_t u, int64_t columns) {
  const int64_t n = columns - u * PER_UNIT(pairs);
  if (n <= 0) return (vu){0};
  if (!pairs) return (vu)load_element(0, m, row * stride + u, n);
  const bfloat16 *const p = (const bfloat16 *)m + row * stride + 2 * u;
  if (n >= 2 * LANES) return load_bits(p);
  vu units = {0};
  memcpy(&units, p, (size_t)n * 2);
  return units;
}

/* LANES units from column `column` on; a pair takes from rows row and row + 1. */
INLINE vu units_of_columns(const int pairs, const char *m, int64_t stride, int64_t row, int64_t rows, int64_t column,
                           int64_t columns) {
  const int64_t n = columns - column;
  if (n <= 0 || row >= rows) return (vu){0};
  if (!pairs) return (vu)load_element(0, m, row * stride + column, n);
  if (n >= LANES && row + 1 < rows) {
    const bfloat16 *const p = (const bfloat16 *)m + row * stride + column;
    return pair_columns(p, p + stride);
  }
  const vu low = (vu)load_element(1, m, row * stride + column, n);
  const vu high = row + 1 < rows ? (vu)load_element(1, m, (row + 1) * stride + column, n) : (vu){0};
  return (low >> 16) | high;
}

/* [rows rounded up to ROWS][units]: operand A whose inner dimension is the head. */
INLINE void pack_rows_of_head(const int pairs, const char *m, int64_t stride, int64_t rows, int64_t columns,
                              uint32_t *to) {
  const int64_t units = units_of(pairs, columns);
  for (int64_t row = 0; row < round_up(rows, ROWS); row++) {
    for (int64_t u = 0; u < units; u += LANES) {
      const vu block = row < rows ? units_of_row(pairs, m, stride, row, u, columns) : (vu){0};
      if (units - u >= LANES) store_bits(to + row * units + u, block);
      else memcpy(to + row * units + u, &block, (size_t)(units - u) * 4);
    }
  }
}

/* [units][PANEL] of rows row to row + PANEL: operand B whose inner dimension is the head. */
INLINE void pack_panel_of_head(const int pairs, const char *m, int64_t stride, int64_t row, int64_t rows,
                               int64_t columns, uint32_t *to) {
  const int64_t units = units_of(pairs, columns);
  for (int v = 0; v < VECTORS; v++) {
    const int64_t first = row + v * LANES;
    for (int64_t u = 0; u < units; u += LANES) {
      vu block[LANES];
      UNROLL for (int i = 0; i < LANES; i++) {
        block[i] = first + i < rows ? units_of_row(pairs, m, stride, first + i, u, columns) : (vu){0};
      }
      transpose(block);
      const int64_t count = units - u < LANES ? units - u : LANES;
      for (int64_t i = 0; i < count; i++) store_bits(to + (u + i) * PANEL + v * LANES, block[i]);
    }
  }
}

/* [columns / ROWS][units][ROWS] with `units` units along the rows from row `row` on: operand A, transposed. */
INLINE void pack_columns_as_rows(const int pairs, const char *m, int64_t stride, int64_t row, int64_t rows,
                                 int64_t units, int64_t columns, uint32_t *to) {
  const int width = LANES < ROWS ? LANES : ROWS;
  for (int64_t u = 0; u < units; u++) {
    for (int64_t column = 0; column < columns; column += LANES) {
      const vu block = units_of_columns(pairs, m, stride, row + u * PER_UNIT(pairs), rows, column, columns);
      scatter_parts(block, width, (char *)(to + (column / ROWS * units + u) * ROWS + column % ROWS), units * ROWS * 4);
    }
  }
}

/* Vectors of the next part of a width of `left` vectors: parts that tiles cover well. */
INLINE int next_part(int64_t left) {
  if (REGISTERS == 32) return left == 3 || left == 5 || left == 6 || left == 9 ? 3 : left >= 4 ? 4 : (int)left;
  return left == 4 ? 2 : left >= 3 ? 3 : (int)left;
}

/* Parts of next_part() vectors one behind the other, each [units][vectors]: operand B, with `units` units of rows. */
INLINE void pack_columns_in_parts(const int pairs, const char *m, int64_t stride, int64_t row, int64_t rows,
                                  int64_t units, int64_t columns, uint32_t *to) {
  const int64_t vectors = round_up(columns, LANES) / LANES;
  for (int64_t v = 0; v < vectors;) {
    const int part = next_part(vectors - v);
    uint32_t *const base = to + units * v * LANES;
    for (int64_t u = 0; u < units; u++) {
      for (int i = 0; i < part; i++) {
        store_bits(base + (u * part + i) * LANES, units_of_columns(pairs, m, stride, row + u * PER_UNIT(pairs), rows,
                                                                   (v + i) * LANES, columns));
      }
    }
    v += part;
  }
}

/* Rows of the transposed matrix t [columns][PANEL] (lane i is row i), each times factor, to m from row `row` on. */
INLINE void write_transposed(const int pairs, const float *t, const vf factor[VECTORS], char *m, int64_t stride,
                             int64_t row, int64_t rows, int64_t columns) {
  for (int v = 0; v < VECTORS; v++) {
    const int64_t first = row + v * LANES;
    if (first >= rows) return;
    for (int64_t column = 0; column < columns; column += LANES) {
      vu block[LANES];
      UNROLL for (int i = 0; i < LANES; i++) block[i] = (vu)(load(t + (column + i) * PANEL + v * LANES) * factor[v]);
      transpose(block);
      for (int64_t i = 0; i < LANES && first + i < rows; i++) {
        store_element(pairs, m, (first + i) * stride + column, (vf)block[i], columns - column);
      }
    }
  }
}

#endif
