/*
 * Attention, backward (Dao et al. 2022, algorithm 4): probabilities are computed again from the logarithm of the sum.
 * Scores are kept transposed, keys x queries, lanes are queries.
 *
 * For each block of KEY_BLOCK keys and QUERY_GROUPS groups of PANEL queries:
 *   p = 2^(c k q^T - log2 sum);  s = p (v do^T - delta), delta = sum over the head of do o
 *   dv += p do;  dk += scale s q;  dq^T += scale k^T s
 * A thread owns whole heads of samples.
 */
#include "attention.h"

#include "attention-pack.h"

#define KEY_BLOCK 96
#define KEY_UNITS(pairs) (KEY_BLOCK / PER_UNIT(pairs))
#define QUERY_GROUPS 3
#define QUERIES (QUERY_GROUPS * PANEL)
#define LOG2_E 1.4426950408889634

/* Working memory of a thread; head: its size rounded up to LANES. */
struct memory {
  uint32_t *k, *v;             /* rows of one block of keys: [KEY_BLOCK][units of the head] */
  uint32_t *k_columns;         /* [head / ROWS][KEY_UNITS][ROWS] */
  uint32_t *q, *d_o;           /* groups, each [units of the head][PANEL] */
  uint32_t *q_parts, *do_parts; /* blocks of QUERIES queries, each [part][units of QUERIES][vectors of the part] */
  float *log_sum, *delta;      /* [queries], log_sum to the base of 2 */
  float *dq;                   /* groups, each [head][PANEL] */
  float *dk, *dv;              /* [KEY_BLOCK][head], part by part: [part][KEY_BLOCK][vectors of the part] */
  char *p, *s;                 /* [KEY_BLOCK][QUERIES] elements */
  uint32_t *s_units;           /* groups of the block, each [KEY_UNITS][PANEL] */
};

static int64_t head_columns(const struct attention_gradient *a) {
  return round_up(a->head_size, LANES > ROWS ? LANES : ROWS);
}

static int64_t lay_out(const int pairs, const struct attention_gradient *a, char *base, struct memory *m) {
  const int64_t units = units_of(pairs, a->head_size), head = head_columns(a), queries = round_up(a->queries, QUERIES);
  const int64_t sizes[] = {
      KEY_BLOCK * units, KEY_BLOCK * units, head * KEY_UNITS(pairs), queries * units, queries * units,
      queries / PER_UNIT(pairs) * head, queries / PER_UNIT(pairs) * head, queries, queries, queries * head,
      KEY_BLOCK * head, KEY_BLOCK * head, KEY_BLOCK * QUERIES / PER_UNIT(pairs), KEY_BLOCK * QUERIES / PER_UNIT(pairs),
      KEY_UNITS(pairs) * QUERIES,
  };
  const int count = sizeof sizes / sizeof *sizes;
  char *at[sizeof sizes / sizeof *sizes];
  int64_t end = 0;
  for (int i = 0; i < count; i++) {
    at[i] = base == NULL ? NULL : base + end;
    end += round_up(sizes[i] * 4, 64) + 64;
  }
  if (m != NULL) {
    *m = (struct memory){
        .k = (uint32_t *)at[0], .v = (uint32_t *)at[1], .k_columns = (uint32_t *)at[2], .q = (uint32_t *)at[3],
        .d_o = (uint32_t *)at[4], .q_parts = (uint32_t *)at[5], .do_parts = (uint32_t *)at[6],
        .log_sum = (float *)at[7], .delta = (float *)at[8], .dq = (float *)at[9], .dk = (float *)at[10],
        .dv = (float *)at[11], .p = at[12], .s = at[13], .s_units = (uint32_t *)at[14],
    };
  }
  return end;
}

/* Pointers to one head of one sample. */
struct head {
  const char *q, *k, *v, *o, *d_o;
  char *dq, *dk, *dv;
  const float *log_sum_exp;
};

static void find_head(const struct attention_gradient *a, int64_t unit, int64_t size, struct head *h) {
  const int64_t sample = unit / a->heads, column = unit % a->heads * a->head_size;
#define HEAD_OF(pointer, rows, stride) (void *)((char *)(pointer) + (sample * (rows) * (stride) + column) * size)
  *h = (struct head){
      .q = HEAD_OF(a->q, a->queries, a->q_stride), .k = HEAD_OF(a->k, a->keys, a->k_stride),
      .v = HEAD_OF(a->v, a->keys, a->v_stride), .o = HEAD_OF(a->o, a->queries, a->o_stride),
      .d_o = HEAD_OF(a->d_o, a->queries, a->d_o_stride), .dq = HEAD_OF(a->dq, a->queries, a->dq_stride),
      .dk = HEAD_OF(a->dk, a->keys, a->dk_stride), .dv = HEAD_OF(a->dv, a->keys, a->dv_stride),
      .log_sum_exp = a->log_sum_exp + unit * a->queries,
  };
}

/* Everything about queries that all blocks of keys share. */
INLINE void prepare_queries(const int pairs, const struct attention_gradient *a, const struct head *h,
                            const struct memory *m) {
  const int64_t units = units_of(pairs, a->head_size), head = head_columns(a), queries = round_up(a->queries, QUERIES);
  const int64_t block_units = QUERIES / PER_UNIT(pairs);
  for (int64_t row = 0; row < queries; row += PANEL) {
    pack_panel_of_head(pairs, h->q, a->q_stride, row, a->queries, a->head_size, m->q + row * units);
    pack_panel_of_head(pairs, h->d_o, a->d_o_stride, row, a->queries, a->head_size, m->d_o + row * units);
  }
  for (int64_t row = 0; row < queries; row += QUERIES) {
    const int64_t at = row / PER_UNIT(pairs) * head;
    pack_columns_in_parts(pairs, h->q, a->q_stride, row, a->queries, block_units, a->head_size, m->q_parts + at);
    pack_columns_in_parts(pairs, h->d_o, a->d_o_stride, row, a->queries, block_units, a->head_size, m->do_parts + at);
  }
  for (int64_t row = 0; row < queries; row++) {
    vf sum = {0};
    for (int64_t j = 0; row < a->queries && j < a->head_size; j += LANES) {
      const int64_t left = a->head_size - j;
      sum = sum + load_element(pairs, h->d_o, row * a->d_o_stride + j, left) *
                      load_element(pairs, h->o, row * a->o_stride + j, left);
    }
    m->delta[row] = row < a->queries ? sum_lanes(sum) : 0;
    m->log_sum[row] = row < a->queries ? h->log_sum_exp[row] * (float)LOG2_E : 0;
  }
  memset(m->dq, 0, (size_t)(queries * head) * 4);
}

INLINE void zero(const int rows, vf sum[MOST_ROWS][MOST_VECTORS]) {
  UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < VECTORS; v++) sum[r][v] = (vf){0};
}

/* p and s of ROWS keys from key on and the queries of group g of the block; rows from `valid` on become zero. */
INLINE void probabilities(const int pairs, const int vectors, const int full, const struct attention_gradient *a, const struct memory *m,
                          int64_t row, int64_t g, int64_t key, int64_t valid) {
  const int64_t units = units_of(pairs, a->head_size);
  const vf c = splat((float)(a->scale * LOG2_E));
  float kept[ROWS * PANEL] __attribute__((aligned(64)));
  vf sum[MOST_ROWS][MOST_VECTORS], log_sum[VECTORS], delta[VECTORS];
  UNROLL for (int v = 0; v < vectors; v++) log_sum[v] = load(m->log_sum + row + v * LANES);
  zero(ROWS, sum);
  tile_steps(pairs, ROWS, vectors, (const char *)(m->k + key * units), units * 4, 4, (const char *)(m->q + row * units),
             PANEL * 4, units, sum);
  UNROLL for (int r = 0; r < ROWS; r++) {
    vf p[VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
      p[v] = power_of_two(pairs, sum[r][v] * c - log_sum[v]);
      if (!full && r >= valid) p[v] = (vf){0};
      store(kept + r * PANEL + v * LANES, p[v]);
    }
    store_elements(pairs, vectors, m->p, (key + r) * QUERIES + g * PANEL, p);
  }
  zero(ROWS, sum);
  tile_steps(pairs, ROWS, vectors, (const char *)(m->v + key * units), units * 4, 4,
             (const char *)(m->d_o + row * units), PANEL * 4, units, sum);
  UNROLL for (int v = 0; v < vectors; v++) delta[v] = load(m->delta + row + v * LANES);
  uint32_t *const s_units = m->s_units + g * KEY_UNITS(pairs) * PANEL;
  UNROLL for (int r = 0; r < ROWS; r += PER_UNIT(pairs)) {
    uint32_t *const unit = s_units + (key + r) / PER_UNIT(pairs) * PANEL;
    const int64_t at = (key + r) * QUERIES + g * PANEL;
    vf low[VECTORS], high[VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
      low[v] = (sum[r][v] - delta[v]) * load(kept + r * PANEL + v * LANES);
      if (pairs) high[v] = (sum[r + 1][v] - delta[v]) * load(kept + (r + 1) * PANEL + v * LANES);
    }
    store_elements(pairs, vectors, m->s, at, low);
    if (pairs) store_elements(pairs, vectors, m->s, at + QUERIES, high);
    UNROLL for (int v = 0; v < vectors; v++) {
      store_bits(unit + v * LANES, pairs ? narrow_pairs(low[v], high[v]) : (vu)low[v]);
    }
  }
}

/* c [keys][vectors] += x [keys][QUERIES] b [units][vectors] for one part of the head. */
INLINE void accumulate_part(const int pairs, const int vectors, const char *x, int64_t keys, const uint32_t *b,
                            int64_t units, float *c) {
  const int rows = ROWS_FOR(vectors);
  const int64_t stride = QUERIES / PER_UNIT(pairs) * 4;
  for (int64_t key = 0; key < keys; key += rows, c += rows * vectors * LANES) {
    vf sum[MOST_ROWS][MOST_VECTORS];
    UNROLL for (int r = 0; r < rows; r++) {
      UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = load(c + (r * vectors + v) * LANES);
    }
    tile_steps(pairs, rows, vectors, x + key * stride, stride, 4, (const char *)b, vectors * LANES * 4, units, sum);
    UNROLL for (int r = 0; r < rows; r++) {
      UNROLL for (int v = 0; v < vectors; v++) store(c + (r * vectors + v) * LANES, sum[r][v]);
    }
  }
}
INLINE void accumulate(const int pairs, const struct attention_gradient *a, const char *x, int64_t keys,
                       const uint32_t *parts, int64_t units, float *c) {
  const int64_t vectors = round_up(a->head_size, LANES) / LANES, all = QUERIES / PER_UNIT(pairs);
  for (int64_t v = 0; v < vectors;) {
    const int part = next_part(vectors - v);
    const uint32_t *const b = parts + all * v * LANES;
    float *const to = c + KEY_BLOCK * v * LANES;
    if (part == 1) accumulate_part(pairs, 1, x, keys, b, units, to);
    else if (part == 2) accumulate_part(pairs, 2, x, keys, b, units, to);
    else if (part == 3) accumulate_part(pairs, 3, x, keys, b, units, to);
#if REGISTERS == 32
    else accumulate_part(pairs, 4, x, keys, b, units, to);
#endif
    v += part;
  }
}

/* dq^T += k^T s for one group of queries. */
INLINE void accumulate_dq(const int pairs, const int vectors, const struct attention_gradient *a, const struct memory *m, int64_t row,
                          int64_t g, int64_t units) {
  const uint32_t *const s = m->s_units + g * KEY_UNITS(pairs) * PANEL;
  for (int64_t j = 0; j < a->head_size; j += ROWS) {
    float *const c = m->dq + row * head_columns(a) + j * PANEL;
    vf sum[MOST_ROWS][MOST_VECTORS];
    UNROLL for (int r = 0; r < ROWS; r++) {
      UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = load(c + r * PANEL + v * LANES);
    }
    tile_steps(pairs, ROWS, vectors, (const char *)(m->k_columns + j * KEY_UNITS(pairs)), 4, ROWS * 4,
               (const char *)s, PANEL * 4, units, sum);
    UNROLL for (int r = 0; r < ROWS; r++) {
      UNROLL for (int v = 0; v < vectors; v++) store(c + r * PANEL + v * LANES, sum[r][v]);
    }
  }
}

/* Rows of dk (times scale) and dv; where both go to one place their sum. */
INLINE void write_keys(const int pairs, const struct attention_gradient *a, const struct head *h,
                       const struct memory *m, int64_t first, int64_t keys) {
  const int64_t vectors = round_up(a->head_size, LANES) / LANES;
  const vf scale = splat((float)a->scale);
  for (int64_t v = 0; v < vectors;) {
    const int part = next_part(vectors - v);
    for (int64_t key = 0; key < keys; key++) {
      for (int i = 0; i < part; i++) {
        const int64_t from = KEY_BLOCK * v * LANES + (key * part + i) * LANES, column = (v + i) * LANES;
        const int64_t left = a->head_size - column;
        const vf dk = load(m->dk + from) * scale, dv = load(m->dv + from);
        if (h->dk == h->dv) {
          store_element(pairs, h->dk, (first + key) * a->dk_stride + column, dk + dv, left);
        } else {
          store_element(pairs, h->dk, (first + key) * a->dk_stride + column, dk, left);
          store_element(pairs, h->dv, (first + key) * a->dv_stride + column, dv, left);
        }
      }
    }
    v += part;
  }
}

/*
 * Queries stream from the third-level cache: while p and s of one tile of keys are computed, a part of what comes next
 * is fetched, dq of these queries and everything about the next block of queries.
 */
struct ahead {
  const char *from[5];
  int64_t bytes[5]; /* per tile */
};
INLINE void fetch_ahead(struct ahead *ahead) {
  for (int i = 0; i < 5; i++) {
    for (int64_t at = 0; at < ahead->bytes[i]; at += 64) __builtin_prefetch(ahead->from[i] + at, 1, 2);
    ahead->from[i] += ahead->bytes[i];
  }
}
INLINE struct ahead ahead_of(const int pairs, const struct attention_gradient *a, const struct memory *m, int64_t row) {
  const int64_t head = head_columns(a), units = units_of(pairs, a->head_size), tiles = QUERIES / PANEL * KEY_BLOCK / ROWS;
  const int64_t next = row + QUERIES < a->queries ? row + QUERIES : 0, part = next / PER_UNIT(pairs) * head;
  const int64_t operand = round_up(QUERIES * units * 4 / tiles, 64);
  return (struct ahead){
      {(const char *)(m->dq + row * head), (const char *)(m->q + next * units), (const char *)(m->d_o + next * units),
       (const char *)(m->q_parts + part), (const char *)(m->do_parts + part)},
      {round_up(QUERIES * head * 4 / tiles, 64), operand, operand, operand, operand},
  };
}

/* One block of keys against all queries of a head. */
INLINE void key_block(const int pairs, const struct attention_gradient *a, const struct head *h,
                      const struct memory *m, int64_t first) {
  const int64_t size = pairs ? 2 : 4, head = head_columns(a);
  const int64_t keys = a->keys - first < KEY_BLOCK ? a->keys - first : KEY_BLOCK;
  pack_rows_of_head(pairs, h->k + first * a->k_stride * size, a->k_stride, keys, a->head_size, m->k);
  pack_rows_of_head(pairs, h->v + first * a->v_stride * size, a->v_stride, keys, a->head_size, m->v);
  pack_columns_as_rows(pairs, h->k, a->k_stride, first, first + keys, KEY_UNITS(pairs), a->head_size, m->k_columns);
  memset(m->dk, 0, (size_t)(KEY_BLOCK * head) * 4);
  memset(m->dv, 0, (size_t)(KEY_BLOCK * head) * 4);
  for (int64_t row = 0; row < a->queries; row += QUERIES) {
    const int64_t left = a->queries - row;
    const int64_t groups = left >= QUERIES ? QUERY_GROUPS : (left + PANEL - 1) / PANEL;
    struct ahead ahead = ahead_of(pairs, a, m, row);
    for (int64_t g = 0; g < groups; g++) {
      for (int64_t key = 0; key < keys; key += ROWS) {
        fetch_ahead(&ahead);
        const int64_t valid = keys - key, first_row = row + g * PANEL;
        /* The last queries often fill one vector only. */
        if (a->queries - first_row <= LANES) probabilities(pairs, 1, 0, a, m, first_row, g, key, valid);
        else if (valid >= ROWS) probabilities(pairs, VECTORS, 1, a, m, first_row, g, key, valid);
        else probabilities(pairs, VECTORS, 0, a, m, first_row, g, key, valid);
      }
    }
    const int64_t at = row / PER_UNIT(pairs) * head, query_units = units_of(pairs, left < QUERIES ? left : QUERIES);
    accumulate(pairs, a, m->p, keys, m->do_parts + at, query_units, m->dv);
    accumulate(pairs, a, m->s, keys, m->q_parts + at, query_units, m->dk);
    for (int64_t g = 0; g < groups; g++) {
      const int64_t first_row = row + g * PANEL, key_units = units_of(pairs, keys);
      if (a->queries - first_row <= LANES) accumulate_dq(pairs, 1, a, m, first_row, g, key_units);
      else accumulate_dq(pairs, VECTORS, a, m, first_row, g, key_units);
    }
  }
  write_keys(pairs, a, h, m, first, keys);
}

INLINE void backward(const int pairs, const struct attention_gradient *a, const struct worker *worker) {
  struct memory m;
  lay_out(pairs, a, worker->scratch, &m);
  vf scale[VECTORS];
  for (int v = 0; v < VECTORS; v++) scale[v] = splat((float)a->scale);
  int64_t unit, end;
  share(a->batch * a->heads, worker->thread, worker->threads, &unit, &end);
  for (; unit < end; unit++) {
    struct head h;
    find_head(a, unit, pairs ? 2 : 4, &h);
    if (!scores_fit(pairs, h.q, a->q_stride, a->queries, h.k, a->k_stride, a->keys, a->head_size, a->scale)) {
      /* log_sum, delta and dq lie one behind the other: 24 bytes for each query at least. */
      attention_gradient_exact(pairs, a, unit, (double *)m.log_sum);
      continue;
    }
    prepare_queries(pairs, a, &h, &m);
    for (int64_t first = 0; first < a->keys; first += KEY_BLOCK) key_block(pairs, a, &h, &m, first);
    for (int64_t row = 0; row < a->queries; row += PANEL) {
      write_transposed(pairs, m.dq + row * head_columns(a), scale, h.dq, a->dq_stride, row, a->queries, a->head_size);
    }
  }
}

void attention_gradient_f32(const void *arguments, const struct worker *worker) { backward(0, arguments, worker); }
void attention_gradient_bf16(const void *arguments, const struct worker *worker) { backward(1, arguments, worker); }
int64_t attention_gradient_f32_scratch(const void *arguments, int64_t threads) {
  (void)threads;
  return lay_out(0, arguments, NULL, NULL);
}
int64_t attention_gradient_bf16_scratch(const void *arguments, int64_t threads) {
  (void)threads;
  return lay_out(1, arguments, NULL, NULL);
}
