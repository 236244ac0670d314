#include "elementwise.h"

#include "convert.h"

void convert_to_bf16(const void *arguments, const struct worker *worker) {
  const struct convert *a = arguments;
  const float *restrict from = a->from;
  bfloat16 *restrict to = a->to;
  int64_t first, end;
  share_elements(a->count, worker, &first, &end);
  for (int64_t i = first; i < end; i++) to[i] = narrow(from[i]);
}

void convert_to_f32(const void *arguments, const struct worker *worker) {
  const struct convert *a = arguments;
  const bfloat16 *restrict from = a->from;
  float *restrict to = a->to;
  int64_t first, end;
  share_elements(a->count, worker, &first, &end);
  for (int64_t i = first; i < end; i++) to[i] = widen(from[i]);
}

enum pair_operation { ADD, MULTIPLY };

INLINE float combine(float a, float b, enum pair_operation operation) { return operation == ADD ? a + b : a * b; }

INLINE void pair(const struct pair *a, const struct worker *worker, int half, enum pair_operation operation) {
  int64_t first, end;
  share_elements(a->count, worker, &first, &end);
  if (a->b_count == 1) {
    float b = load(a->b, 0, half);
    for (int64_t i = first; i < end; i++) store(a->y, i, combine(load(a->a, i, half), b, operation), half);
    return;
  }
  int64_t at = first;
  while (at < end) {
    int64_t within = at % a->b_count;
    int64_t run = a->b_count - within < end - at ? a->b_count - within : end - at;
    void *y = element_of(a->y, at, half);
    const void *left = element(a->a, at, half);
    const void *right = element(a->b, within, half);
#pragma GCC ivdep
    for (int64_t i = 0; i < run; i++) store(y, i, combine(load(left, i, half), load(right, i, half), operation), half);
    at += run;
  }
}

INLINE void add(const struct pair *a, const struct worker *worker, int half) { pair(a, worker, half, ADD); }
INLINE void multiply(const struct pair *a, const struct worker *worker, int half) { pair(a, worker, half, MULTIPLY); }
BOTH_KERNELS(add, pair)
BOTH_KERNELS(multiply, pair)

INLINE void scale(const struct scale *a, const struct worker *worker, int half) {
  int64_t first, end;
  share_elements(a->count, worker, &first, &end);
  float factor = (float)a->factor;
#pragma GCC ivdep
  for (int64_t i = first; i < end; i++) store(a->y, i, factor * load(a->x, i, half), half);
}
BOTH_KERNELS(scale, scale)

INLINE void scale_samples(const struct scale_samples *a, const struct worker *worker, int half) {
  for (int64_t sample = 0; sample < a->samples; sample++) {
    int64_t first, end;
    share_elements(a->per_sample, worker, &first, &end);
    float factor = a->factors[sample];
    int64_t start = sample * a->per_sample;
#pragma GCC ivdep
    for (int64_t i = start + first; i < start + end; i++) store(a->y, i, factor * load(a->x, i, half), half);
  }
}
BOTH_KERNELS(scale_samples, scale_samples)

INLINE void absolute(const struct unary *a, const struct worker *worker, int half) {
  int64_t first, end;
  share_elements(a->count, worker, &first, &end);
#pragma GCC ivdep
  for (int64_t i = first; i < end; i++) store(a->y, i, __builtin_fabsf(load(a->x, i, half)), half);
}
BOTH_KERNELS(absolute, unary)

INLINE void square_root(const struct unary *a, const struct worker *worker, int half) {
  int64_t first, end;
  share_elements(a->count, worker, &first, &end);
#pragma GCC ivdep
  for (int64_t i = first; i < end; i++) store(a->y, i, __builtin_sqrtf(load(a->x, i, half)), half);
}
BOTH_KERNELS(square_root, unary)
