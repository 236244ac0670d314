/* Losses and their gradients. Losses of classification are float throughout. */
#ifndef LOSSES_H
#define LOSSES_H

#include "kernel.h"

/*
 * Sums of squared errors of rows: every part leaves sum(weight * sum over the row) and sum(weight) in `partial`
 * [parts, 2]. Kernels squared_error_f32, _bf16 (prediction and target).
 */
struct squared_error {
  double *partial;
  const void *prediction, *target; /* [rows, width] */
  const float *weight;             /* [rows] or NULL: all 1 */
  int64_t rows, width;
};

/* loss = sum of errors / (width * sum of weights). Kernel squared_error_loss. */
struct squared_error_loss {
  float *loss;
  const double *partial;
  int64_t parts, width;
};
void squared_error_loss(const void *arguments, const struct worker *worker);

/* dx = d_loss 2 weight (prediction - target) / (width * sum of weights). Kernels squared_error_gradient_f32, _bf16. */
struct squared_error_gradient {
  void *dx;
  const float *d_loss;
  const void *prediction, *target;
  const float *weight; /* [rows] or NULL */
  int64_t rows, width;
};

/* Softmax of rows. Kernel softmax. */
struct softmax {
  float *y;
  const float *x;
  int64_t rows, width;
};
void softmax(const void *arguments, const struct worker *worker);

/* loss = mean over rows of -sum(target log softmax(logits)). Kernel cross_entropy. */
struct cross_entropy {
  float *loss;
  const float *logits, *targets;
  int64_t rows, width;
};
void cross_entropy(const void *arguments, const struct worker *worker);

/* dx = d_loss (softmax(logits) sum(target) - target) / rows. Kernel cross_entropy_gradient. */
struct cross_entropy_gradient {
  float *dx;
  const float *d_loss, *logits, *targets;
  int64_t rows, width;
};
void cross_entropy_gradient(const void *arguments, const struct worker *worker);

#endif
