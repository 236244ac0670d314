#include "attention-exact.h"

#include <math.h>

#include "convert.h"

/* Columns of a head that are summed at a time. */
#define STRIP 64

/* Columns of a head in the rows of one sample. */
struct rows {
  const void *data;
  int64_t start, stride; /* elements */
  int half;
};

INLINE double at(const struct rows *m, int64_t row, int64_t column) {
  return load(m->data, m->start + row * m->stride + column, m->half);
}

static double dot(const struct rows *a, int64_t i, const struct rows *b, int64_t j, int64_t size) {
  double sum = 0;
  for (int64_t c = 0; c < size; c++) sum += at(a, i, c) * at(b, j, c);
  return sum;
}

/* Largest scaled score of query i, and the sum of exp(score - largest). A NaN comes through. */
static double sum_exponentials(const struct rows *q, int64_t i, const struct rows *k, int64_t keys, int64_t size,
                               double scale, double *largest) {
  double most = -INFINITY, sum = 0;
  for (int64_t j = 0; j < keys; j++) {
    const double score = scale * dot(q, i, k, j, size);
    if (score > most || score != score) most = score;
  }
  for (int64_t j = 0; j < keys; j++) sum += exp(scale * dot(q, i, k, j, size) - most);
  *largest = most;
  return sum;
}

void attention_exact(int half, const struct attention *a, int64_t unit, int64_t first, int64_t end) {
  const int64_t sample = unit / a->heads, column = unit % a->heads * a->head_size, size = a->head_size;
  const struct rows q = {a->q, sample * a->queries * a->q_stride + column, a->q_stride, half};
  const struct rows k = {a->k, sample * a->keys * a->k_stride + column, a->k_stride, half};
  const struct rows v = {a->v, sample * a->keys * a->v_stride + column, a->v_stride, half};
  for (int64_t i = first; i < end; i++) {
    double most, sum = sum_exponentials(&q, i, &k, a->keys, size, a->scale, &most);
    a->log_sum_exp[unit * a->queries + i] = (float)(most + log(sum));
    for (int64_t strip = 0; strip < size; strip += STRIP) {
      const int64_t count = size - strip < STRIP ? size - strip : STRIP;
      double o[STRIP] = {0};
      for (int64_t j = 0; j < a->keys; j++) {
        const double p = exp(a->scale * dot(&q, i, &k, j, size) - most) / sum;
        for (int64_t c = 0; c < count; c++) o[c] += p * at(&v, j, strip + c);
      }
      const int64_t to = (sample * a->queries + i) * a->o_stride + column + strip;
      for (int64_t c = 0; c < count; c++) store(a->o, to + c, (float)o[c], half);
    }
  }
}

struct gradient {
  struct rows q, k, v, d_o;
  const double *statistics; /* [queries, 3]: largest score, sum, delta */
  int64_t size;
  double scale;
};

/* Probability of key j for query i; *d_score is the gradient of their score. */
static double probability(const struct gradient *g, int64_t i, int64_t j, double *d_score) {
  const double *s = g->statistics + 3 * i;
  const double p = exp(g->scale * dot(&g->q, i, &g->k, j, g->size) - s[0]) / s[1];
  *d_score = g->scale * p * (dot(&g->d_o, i, &g->v, j, g->size) - s[2]);
  return p;
}

void attention_gradient_exact(int half, const struct attention_gradient *a, int64_t unit, double *statistics) {
  const int64_t sample = unit / a->heads, column = unit % a->heads * a->head_size, size = a->head_size;
#define ROWS_OF(pointer, count, stride) {pointer, sample * (count) * (stride) + column, stride, half}
  const struct rows o = ROWS_OF(a->o, a->queries, a->o_stride);
  const struct gradient g = {ROWS_OF(a->q, a->queries, a->q_stride), ROWS_OF(a->k, a->keys, a->k_stride),
                             ROWS_OF(a->v, a->keys, a->v_stride), ROWS_OF(a->d_o, a->queries, a->d_o_stride),
                             statistics, size, a->scale};
  for (int64_t i = 0; i < a->queries; i++) {
    double *s = statistics + 3 * i;
    s[1] = sum_exponentials(&g.q, i, &g.k, a->keys, size, a->scale, &s[0]);
    s[2] = dot(&g.d_o, i, &o, i, size);
  }
  for (int64_t strip = 0; strip < size; strip += STRIP) {
    const int64_t count = size - strip < STRIP ? size - strip : STRIP;
    for (int64_t j = 0; j < a->keys; j++) {
      double dk[STRIP] = {0}, dv[STRIP] = {0};
      for (int64_t i = 0; i < a->queries; i++) {
        double d_score, p = probability(&g, i, j, &d_score);
        for (int64_t c = 0; c < count; c++) {
          dk[c] += d_score * at(&g.q, i, strip + c);
          dv[c] += p * at(&g.d_o, i, strip + c);
        }
      }
      const int64_t to = column + strip, row = sample * a->keys + j;
      for (int64_t c = 0; c < count; c++) {
        const double both = a->dk == a->dv ? dk[c] + dv[c] : dk[c];
        store(a->dk, row * a->dk_stride + to + c, (float)both, half);
        if (a->dk != a->dv) store(a->dv, row * a->dv_stride + to + c, (float)dv[c], half);
      }
    }
    for (int64_t i = 0; i < a->queries; i++) {
      double dq[STRIP] = {0};
      for (int64_t j = 0; j < a->keys; j++) {
        double d_score;
        probability(&g, i, j, &d_score);
        for (int64_t c = 0; c < count; c++) dq[c] += d_score * at(&g.k, j, strip + c);
      }
      const int64_t to = (sample * a->queries + i) * a->dq_stride + column + strip;
      for (int64_t c = 0; c < count; c++) store(a->dq, to + c, (float)dq[c], half);
    }
  }
}
