/*
 * dw = dy^T x and db = sum of the rows of dy, see linear.h. The inner dimension of this product is the rows, so units
 * of both operands are made here: block of rows by block of rows, a thread packs its columns of x into panels, and then
 * its columns of dy into tiles, a few at a time.
 *
 * Blocks of rows have a fixed size and are added in their order: the bits of dw do not depend on the number of threads.
 */
#include "linear-tile.h"
#include "linear.h"

/* Units of a block of rows, and panels of x that stay in the second-level cache. */
#define BLOCK_UNITS 256
#define BLOCK_PANELS 10

/* LANES units from column `column` on of rows row and row + 1 (as far as they are there). */
INLINE vu column_units(const int pairs, const char *m, int64_t stride, int64_t row, int64_t rows, int64_t column,
                       int64_t columns) {
  const int64_t n = columns - column;
  if (n <= 0) return (vu){0};
  if (!pairs) {
    const float *const p = (const float *)m + row * stride + column;
    return (vu)(n >= LANES ? load(p) : load_first(p, n));
  }
  const bfloat16 *const p = (const bfloat16 *)m + row * stride + column;
  const vu low = n >= LANES ? load_half_bits(p) : load_half_bits_first(p, n);
  if (row + 1 >= rows) return low;
  const vu high = n >= LANES ? load_half_bits(p + stride) : load_half_bits_first(p + stride, n);
  return low | (high << 16);
}

struct block {
  int64_t row, rows, units; /* first row, end of all rows, units of this block */
};

/* count vectors of units, see column_units; the usual case, in which all is there, is quick. */
INLINE void row_of_units(const int pairs, const int count, const char *m, int64_t stride, int64_t row, int64_t rows,
                         int64_t column, int64_t columns, vu units[count]) {
  if (!pairs || row + 1 >= rows || column + count * LANES > columns) {
    UNROLL for (int i = 0; i < count; i++) {
      units[i] = column_units(pairs, m, stride, row, rows, column + i * LANES, columns);
    }
    return;
  }
  const bfloat16 *const low = (const bfloat16 *)m + row * stride + column;
  UNROLL for (int i = 0; i + 1 < count; i += 2) {
    pair_columns_twice(low + i * LANES, low + stride + i * LANES, units + i);
  }
  if (count & 1) units[count - 1] = pair_columns(low + (count - 1) * LANES, low + stride + (count - 1) * LANES);
}

/* Panels first to end of x. */
INLINE void pack_x(const int pairs, const struct linear_weight_gradient *p, struct block block, int64_t first,
                   int64_t end, uint32_t *to) {
  for (int64_t u = 0; u < block.units; u++) {
    const int64_t row = block.row + u * PER_UNIT(pairs);
    for (int64_t j = first; j < end; j++) {
      vu units[VECTORS];
      row_of_units(pairs, VECTORS, p->x, p->x_stride, row, p->rows, j * PANEL, p->inner, units);
      uint32_t *const panel = to + ((j - first) * block.units + u) * PANEL;
      UNROLL for (int v = 0; v < VECTORS; v++) store_bits(panel + v * LANES, units[v]);
    }
  }
}

/* Vectors of columns of dy that are packed together: a row of them is a few whole cache lines. */
#define CHUNK_VECTORS 4
#define CHUNK (CHUNK_VECTORS * LANES)
#define WIDTH (LANES < ROWS ? LANES : ROWS)

/*
 * The tiles of dy from column `column` on, [tile][units][ROWS]. `sums` [CHUNK] become the sums of the rows of this block.
 * Rows are read one behind the other, and fetched some time before: they may lie far apart.
 */
INLINE void pack_dy(const int pairs, const struct linear_weight_gradient *p, struct block block, int64_t column,
                    uint32_t *to, float *sums) {
  const int64_t size = pairs ? 2 : 4;
  const char *const last = (const char *)p->dy + ((p->rows - 1) * p->dy_stride + p->outer) * size;
  const vu one = pairs ? splat_bits(0x3f803f80u) : (vu)splat(1);
  vf total[CHUNK_VECTORS];
  UNROLL for (int i = 0; i < CHUNK_VECTORS; i++) total[i] = (vf){0};
  for (int64_t u = 0; u < block.units; u++) {
    const int64_t row = block.row + u * PER_UNIT(pairs);
    const char *const ahead = (const char *)p->dy + ((row + 24) * p->dy_stride + column) * size;
    for (int64_t i = 0; i < PER_UNIT(pairs); i++) {
      for (int64_t byte = 0; byte < CHUNK * size; byte += 64) {
        const char *const line = ahead + i * p->dy_stride * size + byte;
        if (line < last) __builtin_prefetch(line, 0, 3);
      }
    }
    vu units[CHUNK_VECTORS];
    row_of_units(pairs, CHUNK_VECTORS, p->dy, p->dy_stride, row, p->rows, column, p->outer, units);
    UNROLL for (int i = 0; i < CHUNK_VECTORS; i++) {
      total[i] = multiply_add(pairs, total[i], units[i], one);
      const int64_t tile = i * LANES / ROWS;
      scatter_parts(units[i], WIDTH, (char *)(to + (tile * block.units + u) * ROWS + i * LANES % ROWS),
                    block.units * ROWS * 4);
    }
  }
  UNROLL for (int i = 0; i < CHUNK_VECTORS; i++) store(sums + i * LANES, total[i]);
}

/* Rows row to row + ROWS and panel j of dw from the sums c. */
INLINE void write_dw(const struct linear_weight_gradient *p, const float *c, int64_t row, int64_t panel, int add) {
  const int64_t rows = p->outer - row < ROWS ? p->outer - row : ROWS;
  for (int64_t r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < VECTORS; v++) {
      const int64_t column = panel * PANEL + v * LANES, n = p->inner - column;
      float *const to = p->dw + (row + r) * p->inner + column;
      vf sum = load(c + r * PANEL + v * LANES);
      if (n >= LANES) {
        store(to, add ? load(to) + sum : sum);
      } else if (n > 0) {
        store_first(to, add ? load_first(to, n) + sum : sum, n);
      }
    }
  }
}

static void write_db(const struct linear_weight_gradient *p, const float *sums, int64_t column, int64_t end, int add) {
  for (int64_t i = 0; column + i < end; i++) {
    float *const to = p->db + column + i;
    *to = add ? *to + sums[i] : sums[i];
  }
}

/* Tiles of dy and panels of x that a thread owns. */
struct part {
  int64_t tile_first, tile_end, panel_first, panel_end;
};
static struct part part_of(const struct linear_weight_gradient *p, const struct worker *worker) {
  struct part part = {0, (p->outer + ROWS - 1) / ROWS, 0, panels_of(p->inner)};
  /* The longer side is cut: the other operand is packed by every thread. */
  if (p->inner > p->outer) share(part.panel_end, worker->thread, worker->threads, &part.panel_first, &part.panel_end);
  else share(part.tile_end, worker->thread, worker->threads, &part.tile_first, &part.tile_end);
  return part;
}

INLINE void weight_gradient(const int pairs, const struct linear_weight_gradient *p, const struct worker *worker) {
  const struct part part = part_of(p, worker);
  uint32_t *const x = worker->scratch;
  uint32_t *const dy = x + BLOCK_PANELS * BLOCK_UNITS * PANEL;
  float c[ROWS * PANEL] __attribute__((aligned(64))), sums[CHUNK] __attribute__((aligned(64)));
  const int64_t all_units = units_of(pairs, p->rows), row_end = part.tile_end * ROWS;
  for (int64_t unit = 0; unit < all_units; unit += BLOCK_UNITS) {
    const int64_t left = all_units - unit;
    const struct block block = {unit * PER_UNIT(pairs), p->rows, left < BLOCK_UNITS ? left : BLOCK_UNITS};
    const int add = unit > 0 || p->accumulate;
    for (int64_t first = part.panel_first; first < part.panel_end; first += BLOCK_PANELS) {
      const int64_t end = first + BLOCK_PANELS < part.panel_end ? first + BLOCK_PANELS : part.panel_end;
      pack_x(pairs, p, block, first, end, x);
      for (int64_t chunk = part.tile_first * ROWS; chunk < row_end; chunk += CHUNK) {
        const int64_t stop = chunk + CHUNK < row_end ? chunk + CHUNK : row_end;
        pack_dy(pairs, p, block, chunk, dy, sums);
        if (p->db != NULL && first == 0) write_db(p, sums, chunk, stop < p->outer ? stop : p->outer, add);
        for (int64_t j = first; j < end; j++) {
          const char *const panel = (const char *)(x + (j - first) * block.units * PANEL);
          for (int64_t row = chunk; row < stop; row += ROWS) {
            const char *const a = (const char *)(dy + (row - chunk) * block.units);
            tile(pairs, ROWS, a, 4, ROWS * 4, panel, block.units, 0, (struct ahead){a, 64}, c);
            write_dw(p, c, row, j, add);
          }
        }
      }
    }
  }
}

void linear_weight_gradient_f32(const void *arguments, const struct worker *worker) {
  weight_gradient(0, arguments, worker);
}
void linear_weight_gradient_bf16(const void *arguments, const struct worker *worker) {
  weight_gradient(1, arguments, worker);
}
static int64_t scratch_bytes(void) { return 4 * BLOCK_UNITS * (BLOCK_PANELS * PANEL + CHUNK); }
int64_t linear_weight_gradient_f32_scratch(const void *arguments, int64_t threads) {
  (void)arguments, (void)threads;
  return scratch_bytes();
}
int64_t linear_weight_gradient_bf16_scratch(const void *arguments, int64_t threads) {
  (void)arguments, (void)threads;
  return scratch_bytes();
}
