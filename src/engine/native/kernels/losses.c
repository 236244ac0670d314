#include "losses.h"

#include <math.h>

#include "functions.h"

/* Squares beyond the range of floats. */
static double exact_error(const void *prediction, const void *target, int64_t width, int half) {
  double sum = 0;
  for (int64_t i = 0; i < width; i++) {
    double error = (double)load(prediction, i, half) - load(target, i, half);
    sum += error * error;
  }
  return sum;
}

INLINE void squared_error(const struct squared_error *a, const struct worker *worker, int half) {
  int64_t first, end, width = a->width;
  share(a->rows, worker->thread, worker->threads, &first, &end);
  double total = 0, weights = 0;
  for (int64_t row = first; row < end; row++) {
    const void *prediction = element(a->prediction, row * width, half);
    const void *target = element(a->target, row * width, half);
    floats sum = {0};
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
      floats error = load_lanes(prediction, i, half) - load_lanes(target, i, half);
      sum += error * error;
    }
    float rest = 0;
    for (; i < width; i++) {
      float error = load(prediction, i, half) - load(target, i, half);
      rest += error * error;
    }
    double weight = a->weight == NULL ? 1 : a->weight[row];
    double row_total = (double)sum_lanes(sum) + rest;
    if (!(row_total < 1e30)) row_total = exact_error(prediction, target, width, half);
    total += weight * row_total;
    weights += weight;
  }
  a->partial[2 * worker->thread] = total;
  a->partial[2 * worker->thread + 1] = weights;
}
BOTH_KERNELS(squared_error, squared_error)

void squared_error_loss(const void *arguments, const struct worker *worker) {
  const struct squared_error_loss *a = arguments;
  if (worker->thread != 0) return;
  double total = 0, weights = 0;
  for (int64_t part = 0; part < a->parts; part++) {
    total += a->partial[2 * part];
    weights += a->partial[2 * part + 1];
  }
  *a->loss = (float)(total / (weights * (double)a->width));
}

INLINE void squared_error_gradient(const struct squared_error_gradient *a, const struct worker *worker, int half) {
  int64_t first, end, width = a->width;
  share(a->rows, worker->thread, worker->threads, &first, &end);
  double weights = (double)a->rows;
  if (a->weight != NULL) {
    weights = 0;
    for (int64_t row = 0; row < a->rows; row++) weights += a->weight[row];
  }
  double common = 2.0 * *a->d_loss / ((double)width * weights);
  for (int64_t row = first; row < end; row++) {
    const void *prediction = element(a->prediction, row * width, half);
    const void *target = element(a->target, row * width, half);
    void *dx = element_of(a->dx, row * width, half);
    /* Halves are exact, and so is the difference of any two of them as far as floats can be. */
    float factor = (float)(2 * (a->weight == NULL ? common : common * a->weight[row]));
#pragma GCC ivdep
    for (int64_t i = 0; i < width; i++) {
      store(dx, i, factor * (0.5f * load(prediction, i, half) - 0.5f * load(target, i, half)), half);
    }
  }
}
BOTH_KERNELS(squared_error_gradient, squared_error_gradient)

/* Largest of a row, and the sum of exp(x - largest); rows of logits are short. */
INLINE float row_exponentials(const float *x, int64_t width, float *largest) {
  float most = x[0];
  for (int64_t i = 1; i < width; i++) most = x[i] > most ? x[i] : most;
  double sum = 0;
  for (int64_t i = 0; i < width; i++) sum += exponential(x[i] - most);
  *largest = most;
  return (float)sum;
}

void softmax(const void *arguments, const struct worker *worker) {
  const struct softmax *a = arguments;
  int64_t first, end;
  share(a->rows, worker->thread, worker->threads, &first, &end);
  for (int64_t row = first; row < end; row++) {
    const float *x = a->x + row * a->width;
    float *y = a->y + row * a->width;
    float largest, sum = row_exponentials(x, a->width, &largest);
    for (int64_t i = 0; i < a->width; i++) y[i] = exponential(x[i] - largest) / sum;
  }
}

void cross_entropy(const void *arguments, const struct worker *worker) {
  const struct cross_entropy *a = arguments;
  if (worker->thread != 0) return;
  double total = 0;
  for (int64_t row = 0; row < a->rows; row++) {
    const float *x = a->logits + row * a->width;
    const float *target = a->targets + row * a->width;
    float largest, logarithm = logf(row_exponentials(x, a->width, &largest));
    for (int64_t i = 0; i < a->width; i++) {
      total -= (double)target[i] * ((double)x[i] - largest - logarithm);
    }
  }
  *a->loss = (float)(total / (double)a->rows);
}

void cross_entropy_gradient(const void *arguments, const struct worker *worker) {
  const struct cross_entropy_gradient *a = arguments;
  int64_t first, end;
  share(a->rows, worker->thread, worker->threads, &first, &end);
  double scale = (double)*a->d_loss / (double)a->rows;
  for (int64_t row = first; row < end; row++) {
    const float *x = a->logits + row * a->width;
    const float *target = a->targets + row * a->width;
    float *dx = a->dx + row * a->width;
    float largest, sum = row_exponentials(x, a->width, &largest);
    double mass = 0;
    for (int64_t i = 0; i < a->width; i++) mass += target[i];
    for (int64_t i = 0; i < a->width; i++) {
      dx[i] = (float)(scale * (exponential(x[i] - largest) / sum * mass - target[i]));
    }
  }
}
