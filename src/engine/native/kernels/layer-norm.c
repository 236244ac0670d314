#include "layer-norm.h"

#include <math.h>

#include "convert.h"

INLINE float row_mean(const void *x, int64_t width, int half) {
  floats sum = {0};
  int64_t i = 0;
  for (; i + LANES <= width; i += LANES) sum += load_lanes(x, i, half);
  float rest = 0;
  for (; i < width; i++) rest += load(x, i, half);
  return (sum_lanes(sum) + rest) / (float)width;
}

INLINE float row_variance(const void *x, int64_t width, float mean, int half) {
  floats sum = {0};
  int64_t i = 0;
  for (; i + LANES <= width; i += LANES) {
    floats deviation = load_lanes(x, i, half) - mean;
    sum += deviation * deviation;
  }
  float rest = 0;
  for (; i < width; i++) rest += (load(x, i, half) - mean) * (load(x, i, half) - mean);
  return (sum_lanes(sum) + rest) / (float)width;
}

/*
 * Rows that floats cannot describe: squares beyond their range, or a mean so far from zero that its rounding is seen in the
 * deviations. Such rows are computed again in double. A NaN says yes.
 */
#define LARGEST_VARIANCE 1e30f
#define SMALLEST_INVERSE 1e-14f
#define LARGEST_GRADIENT 1e30f
INLINE int needs_double(float mean, float variance) {
  return !(variance < LARGEST_VARIANCE && mean * mean * 0x1p-22f <= variance);
}

static double exact_mean(const void *x, int64_t width, int half) {
  double sum = 0;
  for (int64_t i = 0; i < width; i++) sum += load(x, i, half);
  return sum / (double)width;
}

static double exact_variance(const void *x, int64_t width, double mean, int half) {
  double sum = 0;
  for (int64_t i = 0; i < width; i++) {
    double deviation = load(x, i, half) - mean;
    sum += deviation * deviation;
  }
  return sum / (double)width;
}

static void exact_row(const struct layer_norm *a, int64_t row, int half) {
  const void *x = element(a->x, row * a->width, half);
  void *y = element_of(a->y, row * a->width, half);
  double mean = exact_mean(x, a->width, half);
  double inverse = 1 / sqrt(exact_variance(x, a->width, mean, half) + a->epsilon);
  a->mean[row] = (float)mean;
  a->inverse[row] = (float)inverse;
  for (int64_t i = 0; i < a->width; i++) {
    store(y, i, (float)((load(x, i, half) - mean) * inverse * a->gamma[i] + a->beta[i]), half);
  }
}

INLINE void layer_norm(const struct layer_norm *a, const struct worker *worker, int half) {
  int64_t first, end, width = a->width;
  share(a->rows, worker->thread, worker->threads, &first, &end);
  for (int64_t row = first; row < end; row++) {
    const void *x = element(a->x, row * width, half);
    void *y = element_of(a->y, row * width, half);
    float mean = row_mean(x, width, half);
    float variance = row_variance(x, width, mean, half) + (float)a->epsilon;
    if (needs_double(mean, variance)) {
      exact_row(a, row, half);
      continue;
    }
    float inverse = 1.0f / sqrtf(variance);
    a->mean[row] = mean;
    a->inverse[row] = inverse;
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
      floats n = (load_lanes(x, i, half) - mean) * inverse;
      store_lanes(y, i, n * load_lanes(a->gamma, i, 0) + load_lanes(a->beta, i, 0), half);
    }
    for (; i < width; i++) store(y, i, (load(x, i, half) - mean) * inverse * a->gamma[i] + a->beta[i], half);
  }
}
BOTH_KERNELS(layer_norm, layer_norm)

struct row_gradient {
  const void *dy, *x, *addend;
  void *dx;
  float *dgamma, *dbeta;
  float mean, inverse;
};

/* Averages of g and g n over a row, and the row's part of dgamma and dbeta. */
INLINE void row_averages(const struct row_gradient *r, const float *gamma, int64_t width, int half, float averages[2]) {
  floats sum = {0}, product = {0};
  int64_t i = 0;
  for (; i + LANES <= width; i += LANES) {
    floats dy = load_lanes(r->dy, i, half);
    floats n = (load_lanes(r->x, i, half) - r->mean) * r->inverse;
    floats g = dy * load_lanes(gamma, i, 0);
    sum += g;
    product += g * n;
    store_lanes(r->dgamma, i, load_lanes(r->dgamma, i, 0) + dy * n, 0);
    store_lanes(r->dbeta, i, load_lanes(r->dbeta, i, 0) + dy, 0);
  }
  float rest = 0, rest_product = 0;
  for (; i < width; i++) {
    float dy = load(r->dy, i, half);
    float n = (load(r->x, i, half) - r->mean) * r->inverse;
    rest += dy * gamma[i];
    rest_product += dy * gamma[i] * n;
    r->dgamma[i] += dy * n;
    r->dbeta[i] += dy;
  }
  averages[0] = (sum_lanes(sum) + rest) / (float)width;
  averages[1] = (sum_lanes(product) + rest_product) / (float)width;
}

INLINE void row_input(const struct row_gradient *r, const float *gamma, int64_t width, int half, const float averages[2]) {
  int64_t i = 0;
  for (; i + LANES <= width; i += LANES) {
    floats n = (load_lanes(r->x, i, half) - r->mean) * r->inverse;
    floats g = load_lanes(r->dy, i, half) * load_lanes(gamma, i, 0);
    floats dx = (g - averages[0] - n * averages[1]) * r->inverse;
    if (r->addend != NULL) dx += load_lanes(r->addend, i, half);
    store_lanes(r->dx, i, dx, half);
  }
  for (; i < width; i++) {
    float n = (load(r->x, i, half) - r->mean) * r->inverse;
    float dx = (load(r->dy, i, half) * gamma[i] - averages[0] - n * averages[1]) * r->inverse;
    if (r->addend != NULL) dx += load(r->addend, i, half);
    store(r->dx, i, dx, half);
  }
}

/* A row of the gradient in double; `parameters`: dgamma and dbeta too. */
static void exact_row_gradient(const struct row_gradient *r, const float *gamma, int64_t width, int half, int parameters) {
  double mean = exact_mean(r->x, width, half), inverse = r->inverse;
  /* Epsilon is nothing beside such a variance, and the float is next to 0 or is 0. */
  if (!(r->inverse > SMALLEST_INVERSE)) inverse = 1 / sqrt(exact_variance(r->x, width, mean, half));
  double average = 0, product = 0;
  for (int64_t i = 0; i < width; i++) {
    double dy = load(r->dy, i, half), n = (load(r->x, i, half) - mean) * inverse;
    average += dy * gamma[i];
    product += dy * gamma[i] * n;
    if (!parameters) continue;
    r->dgamma[i] += (float)(dy * n);
    r->dbeta[i] += (float)dy;
  }
  average /= (double)width;
  product /= (double)width;
  for (int64_t i = 0; i < width; i++) {
    double n = (load(r->x, i, half) - mean) * inverse;
    double dx = ((double)load(r->dy, i, half) * gamma[i] - average - n * product) * inverse;
    if (r->addend != NULL) dx += load(r->addend, i, half);
    store(r->dx, i, (float)dx, half);
  }
}

INLINE void layer_norm_gradient(const struct layer_norm_gradient *a, const struct worker *worker, int half) {
  int64_t first, end, width = a->width;
  share(a->rows, worker->thread, worker->threads, &first, &end);
  float *partial = a->partial + worker->thread * 2 * width;
  memset(partial, 0, (size_t)(2 * width) * sizeof *partial);
  for (int64_t row = first; row < end; row++) {
    int64_t start = row * width;
    struct row_gradient r = {
        .dy = element(a->dy, start, half),
        .x = element(a->x, start, half),
        .addend = a->addend == NULL ? NULL : element(a->addend, start, half),
        .dx = element_of(a->dx, start, half),
        .dgamma = partial,
        .dbeta = partial + width,
        .mean = a->mean[row],
        .inverse = a->inverse[row],
    };
    const float deviations = r.mean * r.inverse;
    if (!(r.inverse > SMALLEST_INVERSE && deviations * deviations * 0x1p-22f <= 1)) {
      exact_row_gradient(&r, a->gamma, width, half, 1);
      continue;
    }
    float averages[2];
    row_averages(&r, a->gamma, width, half, averages);
    if (fabsf(averages[0]) < LARGEST_GRADIENT && fabsf(averages[1]) < LARGEST_GRADIENT) {
      row_input(&r, a->gamma, width, half, averages);
    } else {
      exact_row_gradient(&r, a->gamma, width, half, 0);
    }
  }
}
BOTH_KERNELS(layer_norm_gradient, layer_norm_gradient)

void layer_norm_parameters(const void *arguments, const struct worker *worker) {
  const struct layer_norm_parameters *a = arguments;
  int64_t first, end;
  share(2 * a->width, worker->thread, worker->threads, &first, &end);
  for (int64_t i = first; i < end; i++) {
    float sum = 0;
    for (int64_t part = 0; part < a->parts; part++) sum += a->partial[part * 2 * a->width + i];
    if (i < a->width) a->dgamma[i] = sum;
    else a->dbeta[i - a->width] = sum;
  }
}
