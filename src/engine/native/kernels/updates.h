/*
 * Updates of the state: AdamW with clipping, accumulation, averages, zeroing, over tables of tensors. A target that
 * matrix products read is packed along. _f32, _bf16: the type of the panels.
 */
#ifndef UPDATES_H
#define UPDATES_H

#include "kernel.h"

struct update_row {
  float *target;
  const float *source;
  float *first, *second; /* moments */
  void *forward;         /* panels of target [outer, inner], or NULL */
  void *gradient;
  int64_t outer, inner; /* 1, count where it is not packed */
  double decay_scale, learning_rate_scale;
};

/* Elements [first, end) of a row's tensor; where it is packed, rows of whole panels. */
struct update_chunk {
  int64_t row, first, end;
};

/* Sum of the squares of scale * source for every chunk. Kernel gradient_squares. */
struct gradient_squares {
  double *partial; /* [chunk_count] */
  const struct update_row *rows;
  const struct update_chunk *chunks;
  int64_t chunk_count;
  double scale;
};
void gradient_squares(const void *arguments, const struct worker *worker);

/* What adamw needs to know of the whole. Kernel prepare_adamw. */
struct adamw_scalars {
  double usable; /* 0: the norm is not finite or second moments would not be, nothing changes */
  double gradient_factor;
  double learning_rate, weight_decay;
  double first_correction, second_correction; /* 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
};

struct prepare_adamw {
  struct adamw_scalars *scalars;
  float *norm; /* before clipping, after gradient_scale; infinity where nothing changes */
  const double *partial;
  const float *learning_rate, *weight_decay, *step;
  int64_t chunk_count;
  double beta1, beta2, gradient_scale;
  double clip_norm; /* 0: no clipping */
};
void prepare_adamw(const void *arguments, const struct worker *worker);

/* Kernels adamw_f32, _bf16. */
struct adamw {
  const struct update_row *rows;
  const struct update_chunk *chunks;
  const struct adamw_scalars *scalars;
  int64_t chunk_count;
  double beta1, beta2, epsilon;
};

/* target += factor source (accumulate), target = factor target + (1 - factor) source (average), target = 0 (zero). */
struct simple_update {
  const struct update_row *rows;
  const struct update_chunk *chunks;
  const float *factor; /* scalar, NULL for zero */
  int64_t chunk_count;
};

#endif
