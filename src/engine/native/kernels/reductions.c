#include "reductions.h"

#include "convert.h"

/* Columns that are summed at a time: their sums stay in the first-level cache. */
#define STRIP 512

INLINE void sum_rows(const struct sum_rows *a, const struct worker *worker, int half) {
  int64_t columns = a->columns;
  int64_t strips = (columns + STRIP - 1) / STRIP;
  int64_t first, end;
  share(a->batch * a->chunks * strips, worker->thread, worker->threads, &first, &end);
  for (int64_t i = first; i < end; i++) {
    int64_t column = i % strips * STRIP, chunk = i / strips % a->chunks, sample = i / strips / a->chunks;
    int64_t count = columns - column < STRIP ? columns - column : STRIP;
    int64_t row, last;
    share(a->rows, chunk, a->chunks, &row, &last);
    const float factor = (float)a->factor;
    float sums[STRIP] = {0};
    for (; row < last; row++) {
      const void *x = element(a->x, (sample * a->rows + row) * columns + column, half);
      for (int64_t k = 0; k < count; k++) sums[k] += factor * load(x, k, half);
    }
    memcpy(a->partial + (sample * a->chunks + chunk) * columns + column, sums, (size_t)count * sizeof *sums);
  }
}
BOTH_KERNELS(sum_rows, sum_rows)

INLINE void sum_chunks(const struct sum_chunks *a, const struct worker *worker, int half) {
  int64_t first, end;
  share(a->batch * a->columns, worker->thread, worker->threads, &first, &end);
  for (int64_t i = first; i < end; i++) {
    const float *partial = a->partial + i / a->columns * a->chunks * a->columns + i % a->columns;
    float sum = 0;
    for (int64_t chunk = 0; chunk < a->chunks; chunk++) sum += partial[chunk * a->columns];
    store(a->to, i, sum, half);
  }
}
BOTH_KERNELS(sum_chunks, sum_chunks)

INLINE void spread_rows(const struct spread_rows *a, const struct worker *worker, int half) {
  int64_t first, end;
  share(a->batch * a->rows, worker->thread, worker->threads, &first, &end);
  for (int64_t row = first; row < end; row++) {
    const void *dy = element(a->dy, row / a->rows * a->columns, half);
    void *dx = element_of(a->dx, row * a->columns, half);
#pragma GCC ivdep
    for (int64_t i = 0; i < a->columns; i++) store(dx, i, load(dy, i, half) / (float)a->rows, half);
  }
}
BOTH_KERNELS(spread_rows, spread_rows)
