/*
 * The operands of attention's products for one head, cut into 4-byte units (see tile.h) in working memory. `m` points to
 * the head's columns in its first row; what is beyond the last row or column becomes zero.
 */
#ifndef VIDEOMAE_ATTENTION_PACK_H
#define VIDEOMAE_ATTENTION_PACK_H

#include "attention-exact.h"
#include "tile.h"

/* The larger magnitudes of b's elements and of `most`, as bits: infinity and NaN are the largest. */
INLINE vu raise(const int pairs, vu most, vu b) {
  b = b & (pairs ? 0x7fff7fffu : 0x7fffffffu);
#if defined(__AVX512BW__)
  if (pairs) return (vu)_mm512_max_epu16((__m512i)most, (__m512i)b);
  return (vu)_mm512_max_epu32((__m512i)most, (__m512i)b);
#elif defined(__AVX2__)
  if (pairs) return (vu)_mm256_max_epu16((__m256i)most, (__m256i)b);
  return (vu)_mm256_max_epu32((__m256i)most, (__m256i)b);
#else
  if (!pairs) return (vu)choose(most > b, (vf)most, (vf)b);
  const vu low = b & 0xffffu, high = b & 0xffff0000u, most_low = most & 0xffffu, most_high = most & 0xffff0000u;
  return (vu)choose(most_low > low, (vf)most_low, (vf)low) | (vu)choose(most_high > high, (vf)most_high, (vf)high);
#endif
}

/* The largest magnitude that `raise` has met; infinity or NaN where there was one. */
INLINE float largest_magnitude(const int pairs, vu most) {
  uint32_t bits = 0;
  for (int i = 0; i < LANES; i++) {
    const uint32_t high = pairs ? most[i] & 0xffff0000u : most[i], low = pairs ? most[i] << 16 : 0;
    if (high > bits) bits = high;
    if (low > bits) bits = low;
  }
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

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

/* Of the rows of a head. */
INLINE float largest_of_rows(const int pairs, const char *m, int64_t stride, int64_t rows, int64_t columns) {
  const int64_t units = units_of(pairs, columns), size = pairs ? 2 : 4;
  vu most = {0}, other = {0};
  if (columns * size % (2 * LANES * 4) == 0) {
    for (int64_t row = 0; row < rows; row++, m += stride * size) {
      for (int64_t u = 0; u < units; u += 2 * LANES) {
        most = raise(pairs, most, load_bits(m + u * 4));
        other = raise(pairs, other, load_bits(m + (u + LANES) * 4));
      }
    }
    return largest_magnitude(pairs, raise(pairs, most, other));
  }
  for (int64_t row = 0; row < rows; row++) {
    for (int64_t u = 0; u < units; u += LANES) most = raise(pairs, most, units_of_row(pairs, m, stride, row, u, columns));
  }
  return largest_magnitude(pairs, most);
}

/*
 * Whether floats can tell the scores of a head apart. A score is at most head_size times the largest query times the largest
 * key. For the whole head, whatever part of it a thread has.
 */
INLINE int bounded(const int pairs, const char *q, int64_t q_stride, int64_t queries, const char *k, int64_t k_stride,
                   int64_t keys, int64_t head_size, double scale) {
  const double largest = (double)largest_of_rows(pairs, q, q_stride, queries, head_size) *
                         largest_of_rows(pairs, k, k_stride, keys, head_size);
  return largest * (double)head_size * scale * 1.4426950408889634 <= LARGEST_SCORE;
}
static __attribute__((noinline)) int scores_fit(const int pairs, const char *q, int64_t q_stride, int64_t queries,
                                                const char *k, int64_t k_stride, int64_t keys, int64_t head_size,
                                                double scale) {
  if (pairs) return bounded(1, q, q_stride, queries, k, k_stride, keys, head_size, scale);
  return bounded(0, q, q_stride, queries, k, k_stride, keys, head_size, scale);
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
