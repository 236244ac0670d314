/* From frames to patches, and to the pixels that a model has to predict. */
#ifndef PATCHES_H
#define PATCHES_H

#include <stdatomic.h>

#include "kernel.h"

/*
 * y [batch, tokens, channels * tubelet * patch * patch] in the order (c, p0, p1, p2): pixel * factor + offset.
 * Kernels patchify_bytes_f32, patchify_bytes_bf16, patchify_floats_f32, patchify_floats_bf16: frames, then y.
 */
struct patchify {
  void *y;
  const void *frames;     /* [batch, frames, height, width, channels], or channels before height */
  const int32_t *indices; /* [batch, tokens], or NULL: all in order */
  const float *factors;   /* [2, channels]: factors, offsets */
  _Atomic int64_t *refused;
  int64_t batch, tokens, frame_count, height, width, channels;
  int64_t tubelet, patch;
  int64_t channels_first;
};

/*
 * y [batch, tokens, tubelet * patch * patch * channels] in the order (p0, p1, p2, c): pixels on [0, 1], or with
 * `normalize` less their mean over patch and channel, divided by the deviation plus 1e-6. Kernels patch_targets_f32, _bf16.
 */
struct patch_targets {
  void *y;
  const uint8_t *frames;  /* [batch, frames, height, width, channels] */
  const int32_t *indices; /* [batch, tokens] */
  _Atomic int64_t *refused;
  int64_t batch, tokens, frame_count, height, width, channels;
  int64_t tubelet, patch;
  int64_t normalize;
};
int64_t patch_targets_scratch(const void *arguments, int64_t threads);

#endif
