/*
 * y = gelu_gradient(x B + bias) + residual, see linear.h.
 *
 * A thread owns a rectangle of y. It walks over blocks of rows whose part of x fits the second-level cache, over panels,
 * and over tiles of ROWS rows; the next panel is fetched while it works on one. No sum is ever cut along the inner
 * dimension, so the bits of a result depend on nothing but its row of x and its column of B.
 */
#include "gelu.h"
#include "linear-tile.h"
#include "linear.h"

/* Bytes of x that stay in the second-level cache beside a panel. */
#define ROW_BLOCK_BYTES (320 << 10)

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

/*
 * A whole tile at y's row `row` and column `column`. In the plain case sums stay in registers; gelu needs too many of
 * them for itself.
 */
INLINE void whole_tile(const int pairs, const int kind, const struct linear_product *p, const char *a, int64_t stride,
                       const char *panel, int64_t units, const char *ahead, int64_t row, int64_t column, float *c) {
  vf sum[MOST_ROWS][MOST_VECTORS], bias[VECTORS];
  tile_sums(pairs, ROWS, a, stride, 4, panel, units, 0, ahead, sum);
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

/* Rows row to row + rows of one panel. */
#define TILE_CASE(n) \
  case n: tile(pairs, n, a, stride, 4, panel, units, half, ahead, c); break;
INLINE void tile_of_rows(const int pairs, const int half, const char *a, int64_t rows, int64_t stride,
                         const char *panel, int64_t units, const char *ahead, float *c) {
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
    default: tile(pairs, ROWS, a, stride, 4, panel, units, half, ahead, c);
  }
}

INLINE void product(const int pairs, const struct linear_product *p, const struct worker *worker) {
  const int64_t size = pairs ? 2 : 4;
  const int64_t units = units_of(pairs, p->inner), panels = panels_of(p->columns), tiles = (p->rows + ROWS - 1) / ROWS;
  /* The side whose operand is smaller is shared by the threads. */
  int64_t tile_first = 0, tile_end = tiles, panel_first = 0, panel_end = panels;
  const int by_columns = panels % worker->threads == 0 ? p->columns >= p->rows : panels >= 8 * worker->threads && p->columns >= p->rows;
  if (by_columns) share(panels, worker->thread, worker->threads, &panel_first, &panel_end);
  else share(tiles, worker->thread, worker->threads, &tile_first, &tile_end);
  const int64_t row_end = tile_end * ROWS < p->rows ? tile_end * ROWS : p->rows;
  const int64_t stride = p->x_stride * size, panel_bytes = units * PANEL * 4;
  int64_t block = ROW_BLOCK_BYTES / (p->inner * size) / ROWS * ROWS;
  if (block < 4 * ROWS) block = 4 * ROWS;
  const int half = pairs && (p->inner & 1);
  float c[ROWS * PANEL] __attribute__((aligned(64)));
  for (int64_t row_block = tile_first * ROWS; row_block < row_end; row_block += block) {
    const int64_t stop = row_block + block < row_end ? row_block + block : row_end;
    for (int64_t j = panel_first; j < panel_end; j++) {
      const char *const panel = (const char *)p->panels + j * panel_bytes;
      const char *ahead = panel + panel_bytes;
      const int64_t ahead_step = units / 2 * 64;
      for (int64_t row = row_block; row < stop; row += ROWS) {
        const char *const a = (const char *)p->x + row * stride;
        const int64_t rows = stop - row < ROWS ? stop - row : ROWS;
        const int64_t column = j * PANEL;
        if (!half && rows == ROWS && column + PANEL <= p->columns && !(p->gelu != NULL && p->gelu_input != NULL)) {
          if (p->gelu != NULL) whole_tile(pairs, GELU, p, a, stride, panel, units, ahead, row, column, c);
          else if (p->gelu_input != NULL) whole_tile(pairs, GELU_GRADIENT, p, a, stride, panel, units, ahead, row, column, c);
          else whole_tile(pairs, PLAIN, p, a, stride, panel, units, ahead, row, column, c);
          if (ahead < panel + 2 * panel_bytes) ahead += ahead_step;
          continue;
        }
        if (half) tile_of_rows(pairs, 1, a, rows, stride, panel, units, ahead, c);
        else tile_of_rows(pairs, 0, a, rows, stride, panel, units, ahead, c);
        /* Beyond the next panel there is nothing to fetch. */
        if (ahead < panel + 2 * panel_bytes) ahead += ahead_step;
        finish(pairs, p, c, row, rows, column);
      }
    }
  }
}

void linear_product_f32(const void *arguments, const struct worker *worker) { product(0, arguments, worker); }
void linear_product_bf16(const void *arguments, const struct worker *worker) { product(1, arguments, worker); }
int64_t linear_product_f32_scratch(const void *arguments, int64_t threads) {
  (void)arguments, (void)threads;
  return 0;
}
int64_t linear_product_bf16_scratch(const void *arguments, int64_t threads) {
  (void)arguments, (void)threads;
  return 0;
}
