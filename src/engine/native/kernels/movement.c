#include "movement.h"

#include "convert.h"

/* Blocks are cut where they are larger than this, so that a few large ones are work for all threads. */
static const int64_t piece = 64 << 10;

void copy_blocks(const void *arguments, const struct worker *worker) {
  const struct copy_blocks *a = arguments;
  int64_t pieces = (a->block + piece - 1) / piece;
  int64_t first, end;
  share(a->outer * pieces, worker->thread, worker->threads, &first, &end);
  for (int64_t i = first; i < end; i++) {
    int64_t start = i % pieces * piece;
    int64_t bytes = a->block - start < piece ? a->block - start : piece;
    char *to = (char *)a->to + a->to_offset + i / pieces * a->to_stride + start;
    const char *from = (const char *)a->from + a->from_offset + i / pieces * a->from_stride + start;
    memcpy(to, from, (size_t)bytes);
  }
}

void pad_blocks(const void *arguments, const struct worker *worker) {
  const struct pad_blocks *a = arguments;
  int64_t all = a->before + a->size + a->after;
  int64_t first, end;
  /* By bytes: a parameter's gradient is one large block. */
  share((a->outer * all + 63) / 64, worker->thread, worker->threads, &first, &end);
  int64_t at = first * 64, last = end * 64 < a->outer * all ? end * 64 : a->outer * all;
  while (at < last) {
    int64_t block = at / all, within = at % all;
    int zero = within < a->before || within >= a->before + a->size;
    int64_t until = within < a->before ? a->before : within < a->before + a->size ? a->before + a->size : all;
    int64_t bytes = until - within < last - at ? until - within : last - at;
    char *to = (char *)a->to + at;
    if (zero) memset(to, 0, (size_t)bytes);
    else memcpy(to, (const char *)a->from + block * a->size + within - a->before, (size_t)bytes);
    at += bytes;
  }
}

void repeat_blocks(const void *arguments, const struct worker *worker) {
  const struct repeat_blocks *a = arguments;
  int64_t first, end;
  share(a->times, worker->thread, worker->threads, &first, &end);
  for (int64_t i = first; i < end; i++) memcpy((char *)a->to + i * a->bytes, a->from, (size_t)a->bytes);
}

void gather_rows(const void *arguments, const struct worker *worker) {
  const struct gather_rows *a = arguments;
  int64_t first, end;
  share(a->rows, worker->thread, worker->threads, &first, &end);
  for (int64_t row = first; row < end; row++) {
    int64_t index = a->indices[row];
    if (index < 0 || index >= a->limit) {
      atomic_store(a->refused, 1);
      return;
    }
    int64_t from = row / a->picked * a->rows_per_sample + index;
    memcpy((char *)a->y + row * a->bytes, (const char *)a->x + from * a->bytes, (size_t)a->bytes);
  }
}

INLINE void scatter_rows(const struct scatter_rows *a, const struct worker *worker, int half) {
  int64_t width = a->width, first, end;
  share(a->batch * a->tokens, worker->thread, worker->threads, &first, &end);
  memset(element_of(a->x, first * width, half), 0, (size_t)((end - first) * width * (half ? 2 : 4)));
  if (first == end) return;
  for (int64_t sample = first / a->tokens; sample <= (end - 1) / a->tokens; sample++) {
    for (int64_t k = 0; k < a->picked; k++) {
      int64_t index = a->indices[sample * a->picked + k];
      if (index < 0 || index >= a->tokens) {
        atomic_store(a->refused, 1);
        return;
      }
      int64_t row = sample * a->tokens + index;
      if (row < first || row >= end) continue;
      void *to = element_of(a->x, row * width, half);
      const void *from = element(a->y, (sample * a->picked + k) * width, half);
#pragma GCC ivdep
      for (int64_t i = 0; i < width; i++) store(to, i, load(to, i, half) + load(from, i, half), half);
    }
  }
}
BOTH_KERNELS(scatter_rows, scatter_rows)
