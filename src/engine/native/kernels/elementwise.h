/* Operations on single numbers. Kernels end in _f32 or _bf16, the type of everything that is void here. */
#ifndef ELEMENTWISE_H
#define ELEMENTWISE_H

#include "kernel.h"

/* Shares begin at multiples of this, so that threads do not write to one cache line. */
#define GRAIN 64

static inline void share_elements(int64_t count, const struct worker *worker, int64_t *first, int64_t *end) {
  share((count + GRAIN - 1) / GRAIN, worker->thread, worker->threads, first, end);
  *first *= GRAIN;
  *end = *end * GRAIN < count ? *end * GRAIN : count;
}

/* Kernels convert_to_bf16 (from float) and convert_to_f32 (from bfloat16). */
struct convert {
  void *to;
  const void *from;
  int64_t count;
};

/* y = a + b, a * b; b repeats after `b_count`, which divides count. Kernels add, multiply. */
struct pair {
  void *y;
  const void *a, *b;
  int64_t count, b_count;
};

/* y = factor x. Kernel scale. */
struct scale {
  void *y;
  const void *x;
  int64_t count;
  double factor;
};

/* y = x times its sample's factor. Kernel scale_samples. */
struct scale_samples {
  void *y;
  const void *x;
  const float *factors; /* [samples] */
  int64_t samples, per_sample;
};

/* y = |x|, y = the root of x. Kernels absolute, square_root. */
struct unary {
  void *y;
  const void *x;
  int64_t count;
};

/* Kernel gelu. */
struct gelu {
  void *y;
  const void *x;
  int64_t count;
};

/* dx = dy gelu'(x). Kernel gelu_gradient. */
struct gelu_gradient {
  void *dx;
  const void *dy, *x;
  int64_t count;
};

#endif
