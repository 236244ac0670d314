#define _GNU_SOURCE
#include "registry.h"

#include <string.h>

#include "attention.h"
#include "elementwise.h"
#include "layer-norm.h"
#include "linear.h"
#include "losses.h"
#include "movement.h"
#include "patches.h"
#include "reductions.h"
#include "updates.h"

#define EXPORT __attribute__((visibility("default")))

#define BOTH(name)                                                \
  void name##_f32(const void *arguments, const struct worker *);  \
  void name##_bf16(const void *arguments, const struct worker *);

BOTH(add)
BOTH(multiply)
BOTH(scale)
BOTH(scale_samples)
BOTH(absolute)
BOTH(square_root)
BOTH(gelu)
BOTH(gelu_gradient)
BOTH(layer_norm)
BOTH(layer_norm_gradient)
BOTH(squared_error)
BOTH(squared_error_gradient)
BOTH(scatter_rows)
BOTH(patchify_bytes)
BOTH(patchify_floats)
BOTH(patch_targets)
BOTH(sum_rows)
BOTH(sum_chunks)
BOTH(spread_rows)
BOTH(adamw)
BOTH(accumulate)
BOTH(average)
BOTH(zero)
void convert_to_bf16(const void *arguments, const struct worker *worker);
void convert_to_f32(const void *arguments, const struct worker *worker);

#define ONE(name, type, scratch) {#name, name, scratch, sizeof(struct type)}
#define TWO(name, type) ONE(name##_f32, type, NULL), ONE(name##_bf16, type, NULL)
/* With working memory: functions of both kernels, or one of both. */
#define TWO_WITH_SCRATCH(name) \
  ONE(name##_f32, name, name##_f32_scratch), ONE(name##_bf16, name, name##_bf16_scratch)

const struct kernel_entry kernel_entries[] = {
    TWO_WITH_SCRATCH(linear_product),
    ONE(linear_product_plain_f32, linear_product, linear_product_plain_f32_scratch),
    TWO_WITH_SCRATCH(linear_weight_gradient),
    TWO(linear_pack, linear_weights),
    TWO_WITH_SCRATCH(attention),
    TWO_WITH_SCRATCH(attention_gradient),
    ONE(convert_to_bf16, convert, NULL),
    ONE(convert_to_f32, convert, NULL),
    TWO(add, pair),
    TWO(multiply, pair),
    TWO(scale, scale),
    TWO(scale_samples, scale_samples),
    TWO(absolute, unary),
    TWO(square_root, unary),
    TWO(gelu, gelu),
    TWO(gelu_gradient, gelu_gradient),
    TWO(layer_norm, layer_norm),
    TWO(layer_norm_gradient, layer_norm_gradient),
    ONE(layer_norm_parameters, layer_norm_parameters, NULL),
    TWO(squared_error, squared_error),
    ONE(squared_error_loss, squared_error_loss, NULL),
    TWO(squared_error_gradient, squared_error_gradient),
    ONE(softmax, softmax, NULL),
    ONE(cross_entropy, cross_entropy, NULL),
    ONE(cross_entropy_gradient, cross_entropy_gradient, NULL),
    ONE(copy_blocks, copy_blocks, NULL),
    ONE(pad_blocks, pad_blocks, NULL),
    ONE(repeat_blocks, repeat_blocks, NULL),
    ONE(gather_rows, gather_rows, NULL),
    TWO(scatter_rows, scatter_rows),
    TWO(patchify_bytes, patchify),
    TWO(patchify_floats, patchify),
    ONE(patch_targets_f32, patch_targets, patch_targets_scratch),
    ONE(patch_targets_bf16, patch_targets, patch_targets_scratch),
    TWO(sum_rows, sum_rows),
    TWO(sum_chunks, sum_chunks),
    TWO(spread_rows, spread_rows),
    ONE(gradient_squares, gradient_squares, NULL),
    ONE(prepare_adamw, prepare_adamw, NULL),
    TWO(adamw, adamw),
    TWO(accumulate, simple_update),
    TWO(average, simple_update),
    TWO(zero, simple_update),
};
const int64_t kernel_count = sizeof kernel_entries / sizeof *kernel_entries;

/* Number of a kernel, or -1. */
EXPORT int64_t native_kernel_find(const char *name) {
  for (int64_t i = 0; i < kernel_count; i++) {
    if (strcmp(kernel_entries[i].name, name) == 0) return i;
  }
  return -1;
}

EXPORT void *native_kernel_address(int64_t number) { return (void *)kernel_entries[number].kernel; }

EXPORT int64_t native_kernel_argument_bytes(int64_t number) { return kernel_entries[number].argument_bytes; }

/* Bytes of working memory for each thread, at these sizes. */
EXPORT int64_t native_kernel_scratch(int64_t number, const void *arguments, int64_t threads) {
  const struct kernel_entry *entry = &kernel_entries[number];
  return entry->scratch == NULL ? 0 : entry->scratch(arguments, threads);
}

EXPORT int64_t native_panel_columns(void) { return linear_panel_columns(); }

EXPORT int64_t native_panel_bytes(int64_t inner, int64_t columns, int32_t half) {
  return half ? linear_panels_bf16_bytes(inner, columns) : linear_panels_f32_bytes(inner, columns);
}
