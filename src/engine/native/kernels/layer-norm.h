/* Layer normalization over rows (Ba et al. 2016). _f32, _bf16: the type of x, y and their gradients. */
#ifndef LAYER_NORM_H
#define LAYER_NORM_H

#include "kernel.h"

/* y = (x - mean) inverse gamma + beta, inverse = 1 / sqrt(variance + epsilon). Kernel layer_norm. */
struct layer_norm {
  void *y;          /* [rows, width] */
  float *mean;      /* [rows] */
  float *inverse;   /* [rows] */
  const void *x;    /* [rows, width] */
  const float *gamma, *beta;
  int64_t rows, width;
  double epsilon;
};

/*
 * With n = (x - mean) inverse and g = dy gamma: dx = inverse (g - average(g) - n average(g n)) + addend. Every part
 * leaves its sums of dy n and of dy over rows in `partial` [parts, 2, width]. Kernel layer_norm_gradient.
 */
struct layer_norm_gradient {
  void *dx;
  float *partial;
  const void *dy, *x;
  const float *gamma, *mean, *inverse;
  const void *addend; /* NULL: none */
  int64_t rows, width;
};

/* Adds the partial sums up: dgamma, dbeta [width]. Kernel layer_norm_parameters. */
struct layer_norm_parameters {
  float *dgamma, *dbeta;
  const float *partial; /* [parts, 2, width] */
  int64_t parts, width;
};
void layer_norm_parameters(const void *arguments, const struct worker *worker);

#endif
