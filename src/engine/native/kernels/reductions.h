/* Sums over rows, and their spreading. */
#ifndef REDUCTIONS_H
#define REDUCTIONS_H

#include "kernel.h"

/*
 * x is [batch, rows, columns]. Chunk c of a sample leaves the sums of its rows, each times factor, in partial
 * [batch, chunks, columns].
 * Kernels sum_rows_f32, _bf16 (x).
 */
struct sum_rows {
  float *partial;
  const void *x;
  int64_t batch, rows, columns, chunks;
  double factor;
};

/* to [batch, columns] = the sum of the chunks. Kernels sum_chunks_f32, _bf16 (to). */
struct sum_chunks {
  void *to;
  const float *partial;
  int64_t batch, chunks, columns;
};

/* dx [batch, rows, columns] = dy [batch, columns] / rows. Kernels spread_rows_f32, _bf16. */
struct spread_rows {
  void *dx;
  const void *dy;
  int64_t batch, rows, columns;
};

#endif
