/*
 * Attention, forward. Scores are kept transposed, keys x queries: the lanes of a vector are queries, so the softmax
 * (Milakov & Gimelshein 2018: running maximum and sum, as FlashAttention, Dao et al. 2022) needs no step across lanes.
 *
 * For each group of PANEL queries and block of KEY_BLOCK keys:
 *   scores [keys, queries] = k q^T;  p = 2^(c scores - maximum), c = scale log2(e);  o^T [head, queries] += v^T p
 * A thread owns a range of groups, counted over samples and heads; a result depends on its own query only.
 */
#include "attention.h"

#include "attention-pack.h"

#define KEY_BLOCK 128
#define LOG2_E 1.4426950408889634
#define LN_2 0.6931471805599453

/* Working memory of a thread. */
struct memory {
  uint32_t *k;   /* [keys][units of the head] */
  uint32_t *v;   /* blocks of keys, each [head / ROWS][units of the block][ROWS] */
  uint32_t *q;   /* [units of the head][PANEL] */
  float *scores; /* [KEY_BLOCK][PANEL] */
  uint32_t *p;   /* [units of KEY_BLOCK][PANEL] */
  float *o;      /* [head rounded up to LANES][PANEL] */
};

static int64_t lay_out(const int pairs, const struct attention *a, char *base, struct memory *m) {
  const int64_t units = units_of(pairs, a->head_size), head = round_up(a->head_size, LANES > ROWS ? LANES : ROWS);
  const int64_t keys = round_up(a->keys, KEY_BLOCK);
  const int64_t sizes[] = {keys * units, head * units_of(pairs, keys), units * PANEL, KEY_BLOCK * PANEL,
                           units_of(pairs, KEY_BLOCK) * PANEL, head * PANEL};
  int64_t at[7] = {0};
  for (int i = 0; i < 6; i++) at[i + 1] = at[i] + round_up(sizes[i] * 4, 64);
  if (m != NULL) {
    *m = (struct memory){(uint32_t *)(base + at[0]), (uint32_t *)(base + at[1]), (uint32_t *)(base + at[2]),
                         (float *)(base + at[3]), (uint32_t *)(base + at[4]), (float *)(base + at[5])};
  }
  return at[6];
}

/* scores = k q^T for keys first to first + keys; `best` is raised to the largest of each lane. */
INLINE void score(const int pairs, const int vectors, const struct attention *a, const struct memory *m, int64_t first, int64_t keys,
                  vf best[VECTORS]) {
  const int64_t units = units_of(pairs, a->head_size);
  for (int64_t key = 0; key < keys; key += ROWS) {
    vf sum[MOST_ROWS][MOST_VECTORS];
    UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = (vf){0};
    tile_steps(pairs, ROWS, vectors, (const char *)(m->k + (first + key) * units), units * 4, 4, (const char *)m->q,
               PANEL * 4, units, sum);
    UNROLL for (int r = 0; r < ROWS; r++) {
      UNROLL for (int v = 0; v < vectors; v++) store(m->scores + (key + r) * PANEL + v * LANES, sum[r][v]);
    }
    if (key + ROWS <= keys) {
      UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int v = 0; v < vectors; v++) best[v] = larger(best[v], sum[r][v]);
    } else {
      for (int64_t r = 0; key + r < keys; r++) {
        for (int v = 0; v < vectors; v++) best[v] = larger(best[v], load(m->scores + (key + r) * PANEL + v * LANES));
      }
    }
  }
}

/* p = 2^(c scores - shift) as units, and its sums over keys. */
INLINE void exponentials(const int pairs, const struct memory *m, int64_t keys, vf c, vf shift, vf *sum, int v) {
  const float *s = m->scores + v * LANES;
  uint32_t *p = m->p + v * LANES;
  if (!pairs) {
    for (int64_t key = 0; key < keys; key++) {
      const vf e = power_of_two(0, load(s + key * PANEL) * c - shift);
      *sum = *sum + e;
      store(p + key * PANEL, e);
    }
    return;
  }
  vf second = {0};
  for (int64_t key = 0; key + 1 < keys; key += 2) {
    const vf low = power_of_two(1, load(s + key * PANEL) * c - shift);
    const vf high = power_of_two(1, load(s + (key + 1) * PANEL) * c - shift);
    *sum = *sum + low;
    second = second + high;
    store_bits(p + key / 2 * PANEL, narrow_pairs(low, high));
  }
  *sum = *sum + second;
  if (keys & 1) {
    const vf low = power_of_two(1, load(s + (keys - 1) * PANEL) * c - shift);
    *sum = *sum + low;
    store_bits(p + keys / 2 * PANEL, narrow_pairs(low, (vf){0}));
  }
}

/* o^T = o^T * factor + v^T p over `units` units of keys. */
INLINE void weigh(const int pairs, const int vectors, const struct attention *a, const struct memory *m, const uint32_t *values,
                  int64_t units, const vf factor[VECTORS]) {
  for (int64_t j = 0; j < a->head_size; j += ROWS) {
    vf sum[MOST_ROWS][MOST_VECTORS];
    float *const o = m->o + j * PANEL;
    UNROLL for (int r = 0; r < ROWS; r++) {
      UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = load(o + r * PANEL + v * LANES) * factor[v];
    }
    tile_steps(pairs, ROWS, vectors, (const char *)(values + j * units), 4, ROWS * 4, (const char *)m->p,
               PANEL * 4, units, sum);
    UNROLL for (int r = 0; r < ROWS; r++) {
      UNROLL for (int v = 0; v < vectors; v++) store(o + r * PANEL + v * LANES, sum[r][v]);
    }
  }
}

/* Queries row to row + PANEL of one head. */
INLINE void attend(const int pairs, const struct attention *a, const struct memory *m, const char *q, char *o,
                   float *log_sum_exp, int64_t row) {
  pack_panel_of_head(pairs, q, a->q_stride, row, a->queries, a->head_size, m->q);
  memset(m->o, 0, (size_t)round_up(a->head_size, LANES > ROWS ? LANES : ROWS) * PANEL * 4);
  const vf c = splat((float)(a->scale * LOG2_E));
  const int64_t rows = a->queries - row < PANEL ? a->queries - row : PANEL;
  vf best[VECTORS], sum[VECTORS], factor[VECTORS];
  UNROLL for (int v = 0; v < VECTORS; v++) best[v] = splat(-INFINITY), sum[v] = (vf){0}, factor[v] = splat(1);
  for (int64_t first = 0; first < a->keys; first += KEY_BLOCK) {
    const int64_t keys = a->keys - first < KEY_BLOCK ? a->keys - first : KEY_BLOCK;
    vf raised[VECTORS];
    UNROLL for (int v = 0; v < VECTORS; v++) raised[v] = best[v];
    /* The last queries often fill one vector only. */
    if (rows <= LANES) score(pairs, 1, a, m, first, keys, raised);
    else score(pairs, VECTORS, a, m, first, keys, raised);
    for (int v = 0; v * LANES < rows; v++) {
      factor[v] = power_of_two(0, larger((best[v] - raised[v]) * c, splat(-127)));
      best[v] = raised[v];
      sum[v] = sum[v] * factor[v];
      exponentials(pairs, m, keys, c, best[v] * c, &sum[v], v);
    }
    const int64_t head = round_up(a->head_size, LANES > ROWS ? LANES : ROWS);
    const uint32_t *const values = m->v + first / PER_UNIT(pairs) * head;
    if (rows <= LANES) weigh(pairs, 1, a, m, values, units_of(pairs, keys), factor);
    else weigh(pairs, VECTORS, a, m, values, units_of(pairs, keys), factor);
  }
  float logarithms[PANEL];
  for (int v = 0; v * LANES < rows; v++) {
    factor[v] = splat(1) / sum[v];
    store(logarithms + v * LANES, (best[v] * c + logarithm_of_two(sum[v])) * splat((float)LN_2));
  }
  memcpy(log_sum_exp + row, logarithms, (size_t)rows * 4);
  write_transposed(pairs, m->o, factor, o, a->o_stride, row, a->queries, a->head_size);
}

INLINE void forward(const int pairs, const struct attention *a, const struct worker *worker) {
  struct memory m;
  lay_out(pairs, a, worker->scratch, &m);
  const int64_t size = pairs ? 2 : 4, groups = (a->queries + PANEL - 1) / PANEL;
  const int64_t head = round_up(a->head_size, LANES > ROWS ? LANES : ROWS);
  int64_t group, end;
  share(a->batch * a->heads * groups, worker->thread, worker->threads, &group, &end);
  while (group < end) {
    const int64_t unit = group / groups, sample = unit / a->heads, column = unit % a->heads * a->head_size;
    const char *const q = (const char *)a->q + (sample * a->queries * a->q_stride + column) * size;
    const char *const k = (const char *)a->k + (sample * a->keys * a->k_stride + column) * size;
    const char *const v = (const char *)a->v + (sample * a->keys * a->v_stride + column) * size;
    char *const o = (char *)a->o + (sample * a->queries * a->o_stride + column) * size;
    if (!scores_fit(pairs, q, a->q_stride, a->queries, k, a->k_stride, a->keys, a->head_size, a->scale)) {
      const int64_t first = group % groups * PANEL, last = end - unit * groups < groups ? (end - unit * groups) * PANEL : a->queries;
      attention_exact(pairs, a, unit, first, last);
      group = (unit + 1) * groups;
      continue;
    }
    pack_rows_of_head(pairs, k, a->k_stride, a->keys, a->head_size, m.k);
    for (int64_t first = 0; first < a->keys; first += KEY_BLOCK) {
      const int64_t keys = a->keys - first < KEY_BLOCK ? a->keys - first : KEY_BLOCK;
      pack_columns_as_rows(pairs, v, a->v_stride, first, a->keys, units_of(pairs, keys), a->head_size,
                           m.v + first / PER_UNIT(pairs) * head);
    }
    for (; group < end && group / groups == unit; group++) {
      attend(pairs, a, &m, q, o, a->log_sum_exp + unit * a->queries, group % groups * PANEL);
    }
  }
}

void attention_f32(const void *arguments, const struct worker *worker) { forward(0, arguments, worker); }
void attention_bf16(const void *arguments, const struct worker *worker) { forward(1, arguments, worker); }
int64_t attention_f32_scratch(const void *arguments, int64_t threads) {
  (void)threads;
  return lay_out(0, arguments, NULL, NULL);
}
int64_t attention_bf16_scratch(const void *arguments, int64_t threads) {
  (void)threads;
  return lay_out(1, arguments, NULL, NULL);
}
