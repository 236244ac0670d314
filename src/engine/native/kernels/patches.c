#include "patches.h"

#include <math.h>

#include "convert.h"

/* Where a patch begins. */
struct corner {
  int64_t t, y, x;
};

/* 0 where the token does not exist. */
INLINE int find_corner(int64_t token, int64_t frames, int64_t height, int64_t width, int64_t tubelet, int64_t patch,
                       struct corner *corner) {
  int64_t down = height / patch, across = width / patch;
  if (token < 0 || token >= frames / tubelet * down * across) return 0;
  corner->t = token / (down * across) * tubelet;
  corner->y = token / across % down * patch;
  corner->x = token % across * patch;
  return 1;
}

INLINE void patchify(const struct patchify *a, const struct worker *worker, int bytes, int half) {
  int64_t values = a->channels * a->tubelet * a->patch * a->patch;
  int64_t pixel = a->channels_first ? 1 : a->channels;
  int64_t plane = a->channels_first ? a->height * a->width : 1;
  int64_t first, end;
  share(a->batch * a->tokens, worker->thread, worker->threads, &first, &end);
  for (int64_t row = first; row < end; row++) {
    int64_t token = a->indices == NULL ? row % a->tokens : a->indices[row];
    struct corner at;
    if (!find_corner(token, a->frame_count, a->height, a->width, a->tubelet, a->patch, &at)) {
      atomic_store(a->refused, 1);
      return;
    }
    int64_t out = row * values;
    for (int64_t c = 0; c < a->channels; c++) {
      float factor = a->factors[c], offset = a->factors[a->channels + c];
      for (int64_t t = at.t; t < at.t + a->tubelet; t++) {
        int64_t frame = (row / a->tokens * a->frame_count + t) * a->channels * a->height * a->width + c * plane;
        for (int64_t y = at.y; y < at.y + a->patch; y++) {
          int64_t from = frame + (y * a->width + at.x) * pixel;
          for (int64_t x = 0; x < a->patch; x++, from += pixel) {
            float value = bytes ? (float)((const uint8_t *)a->frames)[from] : ((const float *)a->frames)[from];
            store(a->y, out++, value * factor + offset, half);
          }
        }
      }
    }
  }
}

INLINE void patchify_bytes(const struct patchify *a, const struct worker *worker, int half) {
  patchify(a, worker, 1, half);
}
INLINE void patchify_floats(const struct patchify *a, const struct worker *worker, int half) {
  patchify(a, worker, 0, half);
}
BOTH_KERNELS(patchify_bytes, patchify)
BOTH_KERNELS(patchify_floats, patchify)

/*
 * The bytes of a patch lie one behind the other in scratch, followed by four numbers for each of `channels * LANES`
 * places: place k holds channel k % channels, so that vectors of any channel count are whole.
 */
struct target_scratch {
  uint8_t *pixels;
  uint32_t *sums, *squares;
  float *origins, *factors;
};

static struct target_scratch target_places(const struct patch_targets *a, char *scratch) {
  int64_t values = a->tubelet * a->patch * a->patch * a->channels, places = a->channels * LANES;
  struct target_scratch s;
  s.sums = (uint32_t *)scratch;
  s.squares = s.sums + places;
  s.origins = (float *)(s.squares + places);
  s.factors = s.origins + places;
  s.pixels = (uint8_t *)(s.factors + places);
  (void)values;
  return s;
}

int64_t patch_targets_scratch(const void *arguments, int64_t threads) {
  (void)threads;
  const struct patch_targets *a = arguments;
  return a->channels * LANES * 16 + a->tubelet * a->patch * a->patch * a->channels;
}

/* What place k subtracts from a pixel and multiplies it by. Sums of bytes are exact: a flat patch gives exactly 0. */
static void target_statistics(const struct patch_targets *a, const struct target_scratch *s) {
  int64_t places = a->channels * LANES, count = a->tubelet * a->patch * a->patch, values = count * a->channels;
  memset(s->sums, 0, (size_t)places * 2 * sizeof *s->sums);
  int64_t i = 0;
  for (; i + places <= values; i += places) {
    const uint8_t *restrict pixels = s->pixels + i;
    uint32_t *restrict sums = s->sums, *restrict squares = s->squares;
    for (int64_t k = 0; k < places; k++) {
      uint32_t value = pixels[k];
      sums[k] += value;
      squares[k] += value * value;
    }
  }
  for (int64_t k = 0; i + k < values; k++) {
    uint32_t value = s->pixels[i + k];
    s->sums[k] += value;
    s->squares[k] += value * value;
  }
  for (int64_t c = 0; c < a->channels; c++) {
    int64_t sum = 0, square = 0;
    for (int64_t k = c; k < places; k += a->channels) {
      sum += s->sums[k];
      square += s->squares[k];
    }
    double n = (double)count;
    double variance = (double)(count * square - sum * sum) / (n * (n - 1)) / (255.0 * 255.0);
    double factor = 1 / (255.0 * n * (sqrt(variance) + 1e-6));
    for (int64_t k = c; k < places; k += a->channels) {
      s->origins[k] = (float)sum;
      s->factors[k] = (float)factor;
    }
  }
}

INLINE void patch_targets(const struct patch_targets *a, const struct worker *worker, int half) {
  int64_t places = a->channels * LANES, line = a->patch * a->channels;
  int64_t count = a->tubelet * a->patch * a->patch, values = count * a->channels;
  struct target_scratch s = target_places(a, worker->scratch);
  int64_t first, end;
  share(a->batch * a->tokens, worker->thread, worker->threads, &first, &end);
  for (int64_t row = first; row < end; row++) {
    struct corner at;
    if (!find_corner(a->indices[row], a->frame_count, a->height, a->width, a->tubelet, a->patch, &at)) {
      atomic_store(a->refused, 1);
      return;
    }
    uint8_t *pixels = s.pixels;
    for (int64_t t = at.t; t < at.t + a->tubelet; t++) {
      for (int64_t y = at.y; y < at.y + a->patch; y++, pixels += line) {
        int64_t from = ((row / a->tokens * a->frame_count + t) * a->height + y) * a->width + at.x;
        memcpy(pixels, a->frames + from * a->channels, (size_t)line);
      }
    }
    if (a->normalize) {
      target_statistics(a, &s);
    } else {
      for (int64_t k = 0; k < places; k++) {
        s.origins[k] = 0;
        s.factors[k] = 1 / (255.0f * (float)count);
      }
    }
    void *y = element_of(a->y, row * values, half);
    for (int64_t i = 0; i < values; i += places) {
      int64_t here = values - i < places ? values - i : places;
      const uint8_t *from = s.pixels + i;
      void *to = element_of(y, i, half);
#pragma GCC ivdep
      for (int64_t k = 0; k < here; k++) {
        store(to, k, ((float)from[k] * (float)count - s.origins[k]) * s.factors[k], half);
      }
    }
  }
}
BOTH_KERNELS(patch_targets, patch_targets)
