/*
 * GELU and its gradient without a matrix product. The functions are those that products end with: where a program computes the
 * GELU of a product again, it gets the same floats.
 */
#include "gelu.h"

#include "elementwise.h"

INLINE void gelu_elements(const int pairs, const struct gelu *a, const struct worker *worker) {
  int64_t first, end;
  share_elements(a->count, worker, &first, &end);
  for (int64_t i = first; i < end; i += LANES) {
    store_element(pairs, a->y, i, gelu(pairs, load_element(pairs, a->x, i, end - i)), end - i);
  }
}
void gelu_f32(const void *arguments, const struct worker *worker) { gelu_elements(0, arguments, worker); }
void gelu_bf16(const void *arguments, const struct worker *worker) { gelu_elements(1, arguments, worker); }

INLINE void gelu_gradient(const int pairs, const struct gelu_gradient *a, const struct worker *worker) {
  int64_t first, end;
  share_elements(a->count, worker, &first, &end);
  for (int64_t i = first; i < end; i += LANES) {
    const vf slope = gelu_derivative(pairs, load_element(pairs, a->x, i, end - i));
    store_element(pairs, a->dx, i, load_element(pairs, a->dy, i, end - i) * slope, end - i);
  }
}
void gelu_gradient_f32(const void *arguments, const struct worker *worker) { gelu_gradient(0, arguments, worker); }
void gelu_gradient_bf16(const void *arguments, const struct worker *worker) { gelu_gradient(1, arguments, worker); }
