/*
 * y = gelu_gradient(x B + bias) + residual, see linear.h.
 *
 * A thread owns a rectangle of y. It walks over blocks of rows whose part of x fits the second-level cache, over panels,
 * and over tiles of ROWS rows; the next panel is fetched while it works on one. No sum is ever cut along the inner
 * dimension, so the bits of a result depend on nothing but its row of x and its column of B.
 *
 * `plain`: B is [inner, columns] as it is. The columns of a panel lie too far apart to stay in a cache, so that the first
 * tile that reads them writes them to working memory for the others; its stores hide behind its multiply-adds.
 */
#include "gelu.h"
#include "linear-tile.h"
#include "linear.h"

/* Bytes of x that stay in the second-level cache beside a panel. */
#define ROW_BLOCK_BYTES (320 << 10)
/* More where each block copies its panels: x then streams from the third-level cache. */
#define PLAIN_ROW_BLOCK_BYTES (2 << 20)

/* What happens to `rows` rows of sums c [rows][PANEL] that belong to y from row `row` and column `column` on. */
INLINE void finish(const int pairs, const struct linear_product *p, const float *c, int64_t row, int64_t rows,
                   int64_t column) {
  for (int v = 0; v < VECTORS; v++, column += LANES) {
    const int64_t n = p->columns - column;
    if (n <= 0) return;
    const vf bias = p->bias == NULL ? (vf){0} : n >= LANES ? load(p->bias + column) : load_first(p->bias + column, n);
    for (int64_t r = 0; r < rows; r++) {
      const int64_t at = (row + r) * p->y_stride + column;
      vf y = load(c + r * PANEL + v * LANES) + bias;
      if (p->gelu_input != NULL) y = y * gelu_derivative(pairs, load_element(pairs, p->gelu_input, at, n));
      if (p->residual != NULL) y = y + load_element(pairs, p->residual, at, n);
      if (p->y != NULL) store_element(pairs, p->y, at, y, n);
      if (p->gelu != NULL) store_element(pairs, p->gelu, at, gelu(pairs, y), n);
    }
  }
}

/* What follows the sums of a whole tile: nothing but bias and residual, also gelu, or also the derivative of gelu. */
enum { PLAIN, GELU, GELU_GRADIENT };

INLINE void finish_row(const int pairs, const int kind, const struct linear_product *p, const vf sum[VECTORS],
                       const vf bias[VECTORS], int64_t at) {
  vf y[VECTORS], after[VECTORS];
  UNROLL for (int v = 0; v < VECTORS; v++) {
    y[v] = sum[v] + bias[v];
    if (kind == GELU_GRADIENT) {
      y[v] = y[v] * gelu_derivative(pairs, load_element(pairs, p->gelu_input, at + v * LANES, LANES));
    }
    if (p->residual != NULL) y[v] = y[v] + load_element(pairs, p->residual, at + v * LANES, LANES);
    if (kind == GELU) after[v] = gelu(pairs, y[v]);
  }
  if (p->y != NULL) store_elements(pairs, VECTORS, p->y, at, y);
  if (kind == GELU) store_elements(pairs, VECTORS, p->gelu, at, after);
}

/* A panel of B. */
struct panel {
  const char *b;      /* units of it */
  int64_t b_step;     /* bytes from one to the next, where they are copied */
  char *copy;         /* where they are copied to, or NULL */
  int64_t units;
  struct ahead ahead; /* of the next panel */
};

/*
 * A whole tile at y's row `row` and column `column`. Sums that need no gelu stay in registers; gelu needs too many of
 * them for itself.
 */
INLINE void whole_tile(const int pairs, const int copies, const int kind, const struct linear_product *p, const char *a,
                       int64_t stride, struct panel panel, int64_t row, int64_t column, float *c) {
  vf sum[MOST_ROWS][MOST_VECTORS], bias[VECTORS];
  if (copies) tile_sums_copying(a, stride, panel.b, panel.b_step, panel.copy, panel.units, panel.ahead, sum);
  else tile_sums(pairs, ROWS, a, stride, 4, panel.b, panel.units, 0, panel.ahead, sum);
  UNROLL for (int v = 0; v < VECTORS; v++) bias[v] = p->bias == NULL ? (vf){0} : load(p->bias + column + v * LANES);
  if (kind == PLAIN) {
    UNROLL for (int r = 0; r < ROWS; r++) finish_row(pairs, kind, p, sum[r], bias, (row + r) * p->y_stride + column);
    return;
  }
  UNROLL for (int r = 0; r < ROWS; r++) {
    UNROLL for (int v = 0; v < VECTORS; v++) store(c + r * PANEL + v * LANES, sum[r][v]);
  }
#pragma GCC unroll 1
  for (int r = 0; r < ROWS; r++) {
    vf again[VECTORS];
    UNROLL for (int v = 0; v < VECTORS; v++) again[v] = load(c + r * PANEL + v * LANES);
    finish_row(pairs, kind, p, again, bias, (row + r) * p->y_stride + column);
  }
}

/* The same for what follows in this product. */
INLINE void tile_and_rest(const int pairs, const int copies, const struct linear_product *p, const char *a, int64_t stride,
                          struct panel panel, int64_t row, int64_t column, float *c) {
  if (!copies && p->gelu != NULL) whole_tile(pairs, copies, GELU, p, a, stride, panel, row, column, c);
  else if (p->gelu_input != NULL) whole_tile(pairs, copies, GELU_GRADIENT, p, a, stride, panel, row, column, c);
  else whole_tile(pairs, copies, PLAIN, p, a, stride, panel, row, column, c);
}

/* Rows row to row + rows of one panel. */
#define TILE_CASE(n) \
  case n: tile(pairs, n, a, stride, 4, panel.b, panel.units, half, panel.ahead, c); break;
INLINE void tile_of_rows(const int pairs, const int half, const char *a, int64_t rows, int64_t stride,
                         struct panel panel, float *c) {
  switch (rows) {
    TILE_CASE(1)
    TILE_CASE(2)
    TILE_CASE(3)
#if REGISTERS == 32
    TILE_CASE(4)
    TILE_CASE(5)
    TILE_CASE(6)
    TILE_CASE(7)
#endif
    default: tile(pairs, ROWS, a, stride, 4, panel.b, panel.units, half, panel.ahead, c);
  }
}

/* Columns `column` onwards of a plain B as a panel. */
static void copy_columns(const struct linear_product *p, int64_t column, float *panel) {
  const float *from = (const float *)p->panels + column;
  for (int64_t k = 0; k < p->inner; k++, from += p->columns, panel += PANEL) {
    UNROLL for (int v = 0; v < VECTORS; v++) {
      store_element(0, panel, v * LANES, load_element(0, from, v * LANES, p->columns - column - v * LANES), LANES);
    }
  }
}

/* Cache lines of a unit of a panel, and how many tiles fetch all of the next panel: a line every two units each. */
#define UNIT_LINES ((PANEL * 4 + 63) / 64)
#define FETCHING_TILES (2 * UNIT_LINES)

/* What tile `number` of a panel fetches of the next one. */
INLINE struct ahead fetched(const int plain, const struct panel *panel, int64_t number) {
  /* Beyond the next panel there is nothing to fetch. */
  if (!plain) {
    const int64_t bytes = panel->units * PANEL * 4, start = number * (panel->units / 2 * 64);
    return (struct ahead){panel->b + bytes + (start < bytes ? start : bytes), 64};
  }
  const int64_t n = number % FETCHING_TILES;
  return (struct ahead){panel->b + PANEL * 4 + n / UNIT_LINES * panel->b_step + n % UNIT_LINES * 64, 2 * panel->b_step};
}

INLINE void product(const int pairs, const int plain, const struct linear_product *p, const struct worker *worker) {
  const int64_t size = pairs ? 2 : 4;
  const int64_t units = units_of(pairs, p->inner), panels = panels_of(p->columns), tiles = (p->rows + ROWS - 1) / ROWS;
  /* The side whose operand is smaller is shared by the threads. */
  int64_t tile_first = 0, tile_end = tiles, panel_first = 0, panel_end = panels;
  const int by_columns = panels % worker->threads == 0 ? p->columns >= p->rows : panels >= 8 * worker->threads && p->columns >= p->rows;
  if (by_columns) share(panels, worker->thread, worker->threads, &panel_first, &panel_end);
  else share(tiles, worker->thread, worker->threads, &tile_first, &tile_end);
  const int64_t row_end = tile_end * ROWS < p->rows ? tile_end * ROWS : p->rows;
  const int64_t stride = p->x_stride * size;
  int64_t block = (plain ? PLAIN_ROW_BLOCK_BYTES : ROW_BLOCK_BYTES) / (p->inner * size) / ROWS * ROWS;
  if (block < 4 * ROWS) block = 4 * ROWS;
  const int half = pairs && (p->inner & 1);
  float c[ROWS * PANEL] __attribute__((aligned(64)));
  for (int64_t row_block = tile_first * ROWS; row_block < row_end; row_block += block) {
    const int64_t stop = row_block + block < row_end ? row_block + block : row_end;
    for (int64_t j = panel_first; j < panel_end; j++) {
      const char *const first = (const char *)p->panels + j * PANEL * 4 * (plain ? 1 : units);
      const struct panel source = {first, plain ? p->columns * 4 : PANEL * 4, worker->scratch, units, {NULL, 0}};
      const int64_t column = j * PANEL;
      for (int64_t row = row_block; row < stop; row += ROWS) {
        const char *const a = (const char *)p->x + row * stride;
        const int64_t rows = stop - row < ROWS ? stop - row : ROWS;
        const int whole = !half && rows == ROWS && column + PANEL <= p->columns && !(p->gelu != NULL && p->gelu_input != NULL);
        struct panel panel = source;
        panel.ahead = fetched(plain, &source, (row - row_block) / ROWS);
        if (plain && row == row_block) {
          if (whole) {
            tile_and_rest(pairs, 1, p, a, stride, panel, row, column, c);
            continue;
          }
          copy_columns(p, column, worker->scratch);
        }
        if (plain) panel.b = worker->scratch;
        if (whole) {
          tile_and_rest(pairs, 0, p, a, stride, panel, row, column, c);
          continue;
        }
        if (half) tile_of_rows(pairs, 1, a, rows, stride, panel, c);
        else tile_of_rows(pairs, 0, a, rows, stride, panel, c);
        finish(pairs, p, c, row, rows, column);
      }
    }
  }
}

void linear_product_f32(const void *arguments, const struct worker *worker) { product(0, 0, arguments, worker); }
void linear_product_bf16(const void *arguments, const struct worker *worker) { product(1, 0, arguments, worker); }
void linear_product_plain_f32(const void *arguments, const struct worker *worker) { product(0, 1, arguments, worker); }
int64_t linear_product_f32_scratch(const void *arguments, int64_t threads) {
  (void)arguments, (void)threads;
  return 0;
}
int64_t linear_product_bf16_scratch(const void *arguments, int64_t threads) {
  (void)arguments, (void)threads;
  return 0;
}
int64_t linear_product_plain_f32_scratch(const void *arguments, int64_t threads) {
  (void)threads;
  const struct linear_product *const p = arguments;
  return p->inner * PANEL * 4;
}
