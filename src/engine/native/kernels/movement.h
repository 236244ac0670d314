/* Moving rows of bytes: concat, slice, pad, broadcast, gather; and scatter, which adds. */
#ifndef MOVEMENT_H
#define MOVEMENT_H

#include <stdatomic.h>

#include "kernel.h"

/* Copies `outer` blocks of `block` bytes; strides and offsets in bytes. Kernel copy_blocks. */
struct copy_blocks {
  void *to;
  const void *from;
  int64_t outer, block;
  int64_t to_stride, to_offset, from_stride, from_offset;
};
void copy_blocks(const void *arguments, const struct worker *worker);

/* `outer` times: `before` zero bytes, `size` bytes of x, `after` zero bytes. Kernel pad_blocks. */
struct pad_blocks {
  void *to;
  const void *from;
  int64_t outer, before, size, after;
};
void pad_blocks(const void *arguments, const struct worker *worker);

/* `times` copies of `bytes` bytes. Kernel repeat_blocks. */
struct repeat_blocks {
  void *to;
  const void *from;
  int64_t times, bytes;
};
void repeat_blocks(const void *arguments, const struct worker *worker);

/*
 * y[row] = x[sample * rows_per_sample + index[row]], sample = row / picked; 0 rows per sample: one table for all.
 * Rows are `bytes` long; indices are below `limit`. Kernel gather_rows.
 */
struct gather_rows {
  void *y;
  const void *x;
  const int32_t *indices; /* [rows] */
  _Atomic int64_t *refused;
  int64_t rows, picked, rows_per_sample, bytes, limit;
};
void gather_rows(const void *arguments, const struct worker *worker);

/* x [batch, tokens, width] is zero, and the sum of the rows of y [batch, picked, width] that point there. Kernels
 * scatter_rows_f32, _bf16. */
struct scatter_rows {
  void *x;
  const void *y;
  const int32_t *indices; /* [batch, picked] */
  _Atomic int64_t *refused;
  int64_t batch, tokens, picked, width;
};

#endif
