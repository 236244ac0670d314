/*
 * Multi-head attention without the matrix of scores: o = softmax(scale q k^T) v per head. Head h owns columns
 * h * head_size onwards of q, k, v and o. Suffix _f32: q, k, v, o and their gradients are float; _bf16: bfloat16, with
 * float sums and softmax. Any number of queries, keys and heads, any head size; scale > 0.
 *
 * Every result has the same bits whatever the number of threads.
 */
#ifndef VIDEOMAE_ATTENTION_H
#define VIDEOMAE_ATTENTION_H

#include "kernel.h"

/* Row t of sample b starts at pointer + (b * rows + t) * stride. Kernels attention_f32, _bf16. */
struct attention {
  const void *q; /* rows: queries */
  const void *k; /* rows: keys */
  const void *v; /* rows: keys; may be k */
  void *o;       /* rows: queries */
  float *log_sum_exp; /* [batch, heads, queries]: logarithm of the sum of exp(scale q k) */
  int64_t batch, heads, queries, keys, head_size;
  int64_t q_stride, k_stride, v_stride, o_stride;
  double scale;
};
void attention_f32(const void *arguments, const struct worker *worker);
void attention_bf16(const void *arguments, const struct worker *worker);
int64_t attention_f32_scratch(const void *arguments, int64_t threads);
int64_t attention_bf16_scratch(const void *arguments, int64_t threads);

/* Where dk and dv are the same pointer, their sum is written (keys that are the values, too). */
struct attention_gradient {
  const void *q, *k, *v; /* as in the forward pass */
  const void *o;         /* what it returned, with o_stride */
  const void *d_o;       /* gradient of o, with d_o_stride */
  const float *log_sum_exp;
  void *dq, *dk, *dv;
  int64_t batch, heads, queries, keys, head_size;
  int64_t q_stride, k_stride, v_stride, o_stride, d_o_stride, dq_stride, dk_stride, dv_stride;
  double scale;
};
void attention_gradient_f32(const void *arguments, const struct worker *worker);
void attention_gradient_bf16(const void *arguments, const struct worker *worker);
int64_t attention_gradient_f32_scratch(const void *arguments, int64_t threads);
int64_t attention_gradient_bf16_scratch(const void *arguments, int64_t threads);

#endif
