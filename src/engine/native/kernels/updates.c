#include "updates.h"

#include <math.h>

#include "convert.h"
#include "linear.h"

/* From here on, 8 million elements or so, parameters, moments and panels are more than a third-level cache holds. */
#define MANY_CHUNKS 256

/* Packs what a chunk has changed. */
INLINE void pack_chunk(const struct update_row *row, const struct update_chunk *chunk, int half, int past_caches) {
  if (row->forward == NULL && row->gradient == NULL) return;
  struct linear_weights weights = {row->target, row->forward, row->gradient, row->outer, row->inner};
  int64_t first = chunk->first / row->inner, end = chunk->end / row->inner;
  if (half) linear_pack_rows_bf16(&weights, first, end, past_caches);
  else linear_pack_rows_f32(&weights, first, end, past_caches);
}

static double exact_squares(const float *source, int64_t first, int64_t end, double scale) {
  double sums[LANES] = {0}, sum = 0;
  int64_t i = first;
  for (; i + LANES <= end; i += LANES) {
    for (int k = 0; k < LANES; k++) sums[k] += source[i + k] * scale * (source[i + k] * scale);
  }
  for (; i < end; i++) sum += source[i] * scale * (source[i] * scale);
  for (int k = 0; k < LANES; k++) sum += sums[k];
  return sum;
}

void gradient_squares(const void *arguments, const struct worker *worker) {
  const struct gradient_squares *a = arguments;
  int64_t first, end;
  share(a->chunk_count, worker->thread, worker->threads, &first, &end);
  float scale = (float)a->scale;
  for (int64_t c = first; c < end; c++) {
    const struct update_chunk *chunk = &a->chunks[c];
    const float *source = a->rows[chunk->row].source;
    double total = 0;
    /* Floats are summed over short stretches only: a large gradient's square must not swallow the others. */
    for (int64_t start = chunk->first; start < chunk->end; start += 4096) {
      int64_t stop = start + 4096 < chunk->end ? start + 4096 : chunk->end;
      floats sum = {0};
      int64_t i = start;
      for (; i + LANES <= stop; i += LANES) {
        floats g = load_lanes(source, i, 0) * scale;
        sum += g * g;
      }
      float rest = 0;
      for (; i < stop; i++) rest += source[i] * scale * (source[i] * scale);
      double squares = (double)sum_lanes(sum) + rest;
      /* Squares beyond the range of floats; zeros are quick. */
      if (!(squares > 1e-25 && squares < 1e30)) squares = exact_squares(source, start, stop, a->scale);
      total += squares;
    }
    a->partial[c] = total;
  }
}

void prepare_adamw(const void *arguments, const struct worker *worker) {
  const struct prepare_adamw *a = arguments;
  if (worker->thread != 0) return;
  double total = 0;
  for (int64_t c = 0; c < a->chunk_count; c++) total += a->partial[c];
  double norm = sqrt(total);
  double clip = 1;
  if (a->clip_norm > 0 && a->clip_norm / (norm + 1e-6) < 1) clip = a->clip_norm / (norm + 1e-6);
  struct adamw_scalars *s = a->scalars;
  /* The second moments of such gradients would be infinite for ever. */
  if ((1 - a->beta2) * norm * clip * norm * clip > 1e38) norm = INFINITY;
  s->usable = isfinite((float)norm) ? 1 : 0;
  s->gradient_factor = a->gradient_scale * clip;
  s->learning_rate = *a->learning_rate;
  s->weight_decay = *a->weight_decay;
  s->first_correction = 1 / (1 - pow(a->beta1, *a->step));
  s->second_correction = 1 / sqrt(1 - pow(a->beta2, *a->step));
  *a->norm = (float)norm;
}

INLINE void adamw(const struct adamw *a, const struct worker *worker, int half) {
  const struct adamw_scalars *s = a->scalars;
  if (s->usable == 0) return;
  int64_t begin, stop;
  share(a->chunk_count, worker->thread, worker->threads, &begin, &stop);
  float beta1 = (float)a->beta1, beta2 = (float)a->beta2, epsilon = (float)a->epsilon;
  float rest1 = (float)(1 - a->beta1), rest2 = (float)(1 - a->beta2);
  float root = (float)s->second_correction;
  /* Two factors where one would be too small for a float. */
  const double tiny = s->gradient_factor < 0x1p-100 ? 0x1p-60 : 1;
  float factor = (float)(s->gradient_factor / tiny), before = (float)tiny;
  for (int64_t c = begin; c < stop; c++) {
    const struct update_chunk *chunk = &a->chunks[c];
    const struct update_row *row = &a->rows[chunk->row];
    double rate = s->learning_rate * row->learning_rate_scale;
    float keep = (float)(1 - rate * s->weight_decay * row->decay_scale);
    float step = (float)(rate * s->first_correction);
    float *restrict p = row->target, *restrict m = row->first, *restrict v = row->second;
    const float *restrict source = row->source;
    for (int64_t i = chunk->first; i < chunk->end; i++) {
      float g = source[i] * before * factor;
      float first = beta1 * m[i] + rest1 * g;
      float second = beta2 * v[i] + rest2 * g * g;
      m[i] = first;
      v[i] = second;
      p[i] = p[i] * keep - step * first / (sqrtf(second) * root + epsilon);
    }
    pack_chunk(row, chunk, half, a->chunk_count >= MANY_CHUNKS);
  }
}
BOTH_KERNELS(adamw, adamw)

enum simple_kind { ACCUMULATE, AVERAGE, ZERO };

INLINE void simple(const struct simple_update *a, const struct worker *worker, int half, enum simple_kind kind) {
  int64_t begin, stop;
  share(a->chunk_count, worker->thread, worker->threads, &begin, &stop);
  float factor = kind == ZERO ? 0 : *a->factor;
  for (int64_t c = begin; c < stop; c++) {
    const struct update_chunk *chunk = &a->chunks[c];
    const struct update_row *row = &a->rows[chunk->row];
    float *restrict target = row->target;
    const float *restrict source = row->source;
    if (kind == ZERO) {
      memset(target + chunk->first, 0, (size_t)(chunk->end - chunk->first) * sizeof *target);
    } else if (kind == ACCUMULATE) {
      for (int64_t i = chunk->first; i < chunk->end; i++) target[i] += factor * source[i];
    } else {
      float rest = 1 - factor;
      for (int64_t i = chunk->first; i < chunk->end; i++) target[i] = factor * target[i] + rest * source[i];
    }
    pack_chunk(row, chunk, half, a->chunk_count >= MANY_CHUNKS);
  }
}

INLINE void accumulate(const struct simple_update *a, const struct worker *worker, int half) {
  simple(a, worker, half, ACCUMULATE);
}
INLINE void average(const struct simple_update *a, const struct worker *worker, int half) {
  simple(a, worker, half, AVERAGE);
}
INLINE void zero(const struct simple_update *a, const struct worker *worker, int half) { simple(a, worker, half, ZERO); }
BOTH_KERNELS(accumulate, simple_update)
BOTH_KERNELS(average, simple_update)
BOTH_KERNELS(zero, simple_update)
