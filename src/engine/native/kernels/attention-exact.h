/*
 * Attention in double, with plain loops: for heads whose scores may be so large that floats cannot tell them apart, or beyond
 * the range of floats, or whose queries or keys are not finite. Nothing that trains has such scores.
 */
#ifndef VIDEOMAE_ATTENTION_EXACT_H
#define VIDEOMAE_ATTENTION_EXACT_H

#include "attention.h"

/*
 * A float of this size has steps of 1/2 (a factor of 1.4 in a probability, to the base of 2). Where scores may be larger, kernels
 * call the functions below.
 */
#define LARGEST_SCORE 4194304.0

/* Queries first to end of head `unit`, counted over samples. `half`: bfloat16. */
void attention_exact(int half, const struct attention *a, int64_t unit, int64_t first, int64_t end);

/* All gradients of head `unit`. `statistics`: working memory of 3 doubles for each query. */
void attention_gradient_exact(int half, const struct attention_gradient *a, int64_t unit, double *statistics);

#endif
