/*
 * Matrix products of linear layers, y = x w^T + b with x [rows, inner], w [outer, inner] (the layout of
 * torch.nn.Linear). Suffix _f32: activations are float. Suffix _bf16: activations and the operands of products are
 * bfloat16, sums and everything about parameters are float.
 *
 * Every result has the same bits whatever the number of threads.
 *
 * Products read weights as packed panels of PANEL columns (see linear-pack.c for the layout, which differs between
 * processor levels): the forward panels hold w^T, the gradient panels hold w. In float input gradients read w itself,
 * which saves the memory of the gradient panels.
 */
#ifndef VIDEOMAE_LINEAR_H
#define VIDEOMAE_LINEAR_H

#include "kernel.h"

/*
 * y = gelu_gradient(x B + bias) + residual, where B [inner, columns] are panels. Kernels linear_product_f32, _bf16.
 * linear_product_plain_f32: B is not packed, gelu must be NULL.
 * Forward: inner and columns as the layer has them, the forward panels. Input gradient: x is dy [rows, outer], inner =
 * outer, columns = inner, the gradient panels, or w as a plain B. May be NULL: bias, residual, gelu_input, gelu (and y,
 * where gelu is given and nobody needs what comes before it). residual, gelu_input, gelu and y have the same stride;
 * residual may be y itself, and gelu_input too.
 */
struct linear_product {
  const void *x;          /* [rows, inner] */
  const void *panels;     /* B; plain: [inner, columns], no gaps */
  const float *bias;      /* [columns], added first */
  const void *gelu_input; /* [rows, columns]: the sum is multiplied by the derivative of gelu at these */
  const void *residual;   /* [rows, columns], added after that */
  void *y;                /* [rows, columns] */
  void *gelu;             /* [rows, columns]: gelu(y), exact (erf) */
  int64_t rows, inner, columns;
  int64_t x_stride, y_stride;
};
void linear_product_f32(const void *arguments, const struct worker *worker);
void linear_product_bf16(const void *arguments, const struct worker *worker);
void linear_product_plain_f32(const void *arguments, const struct worker *worker);
int64_t linear_product_f32_scratch(const void *arguments, int64_t threads);
int64_t linear_product_bf16_scratch(const void *arguments, int64_t threads);
int64_t linear_product_plain_f32_scratch(const void *arguments, int64_t threads);

/* dw = dy^T x and db = sum of the rows of dy, or added to them. Kernels linear_weight_gradient_f32, _bf16. */
struct linear_weight_gradient {
  const void *dy; /* [rows, outer] */
  const void *x;  /* [rows, inner] */
  float *dw;      /* [outer, inner], no gaps */
  float *db;      /* [outer] or NULL */
  int64_t rows, outer, inner;
  int64_t dy_stride, x_stride;
  int64_t accumulate; /* 0: dw and db are replaced, 1: they are added to */
};
void linear_weight_gradient_f32(const void *arguments, const struct worker *worker);
void linear_weight_gradient_bf16(const void *arguments, const struct worker *worker);
int64_t linear_weight_gradient_f32_scratch(const void *arguments, int64_t threads);
int64_t linear_weight_gradient_bf16_scratch(const void *arguments, int64_t threads);

/* Panels of a weight. Kernels linear_pack_f32, _bf16. */
struct linear_weights {
  const float *w; /* [outer, inner], no gaps; rows of a larger parameter will do */
  void *forward;  /* panels of w^T (inner x outer), or NULL */
  void *gradient; /* panels of w (outer x inner), or NULL; _bf16 only */
  int64_t outer, inner;
};
void linear_pack_f32(const void *arguments, const struct worker *worker);
void linear_pack_bf16(const void *arguments, const struct worker *worker);

/* Columns of a panel at this level. */
int64_t linear_panel_columns(void);
/* Bytes of the panels of B [inner, columns]. A multiple of 64; panels start at multiples of 64. */
int64_t linear_panels_f32_bytes(int64_t inner, int64_t columns);
int64_t linear_panels_bf16_bytes(int64_t inner, int64_t columns);

/*
 * Packs rows first to end of w, for kernels that have just written them (the optimizer). `first` is a multiple of
 * linear_panel_columns(), `end` too or the number of rows. Different row ranges may be packed by different threads.
 * `past_caches`: the panels of all weights together are too many for the caches.
 */
void linear_pack_rows_f32(const struct linear_weights *weights, int64_t first, int64_t end, int past_caches);
void linear_pack_rows_bf16(const struct linear_weights *weights, int64_t first, int64_t end, int past_caches);

#endif
