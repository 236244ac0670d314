/*
 * dw = dy^T x and db = sum of the rows of dy, see linear.h. The inner dimension of this product is the rows, so units
 * of both operands are made here: a thread packs its columns of x into panels and 2 * LANES / ROWS ... tiles of dy at a
 * time, block of rows by block of rows.
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

/* Panels first to end of x. */
INLINE void pack_x(const int pairs, const struct linear_weight_gradient *p, struct block block, int64_t first,
                   int64_t end, uint32_t *to) {
  for (int64_t u = 0; u < block.units; u++) {
    const int64_t row = block.row + u * PER_UNIT(pairs);
    for (int64_t j = first; j < end; j++) {
      UNROLL for (int v = 0; v < VECTORS; v++) {
        const vu units = column_units(pairs, p->x, p->x_stride, row, p->rows, j * PANEL + v * LANES, p->inner);
        store_bits(to + ((j - first) * block.units + u) * PANEL + v * LANES, units);
      }
    }
  }
}

#define GROUP_TILES (LANES / ROWS > 0 ? LANES / ROWS : 1)
#define GROUP_COLUMNS (GROUP_TILES * ROWS)

/* GROUP_TILES tiles of dy from column `column` on: [tile][units][ROWS]. `sums` (GROUP_COLUMNS) are added to, or NULL. */
INLINE void pack_dy(const int pairs, const struct linear_weight_gradient *p, struct block block, int64_t column,
                    uint32_t *to, float *sums) {
  for (int64_t part = 0; part < GROUP_COLUMNS; part += LANES) {
    vf total = {0};
    for (int64_t u = 0; u < block.units; u++) {
      const int64_t row = block.row + u * PER_UNIT(pairs);
      const vu units = column_units(pairs, p->dy, p->dy_stride, row, p->rows, column + part, p->outer);
      if (pairs) total = total + (vf)(units << 16) + (vf)(units & 0xffff0000u);
      else total = total + (vf)units;
      const int width = LANES < ROWS ? LANES : ROWS;
      UNROLL for (int i = 0; i < LANES / width; i++) {
        const int64_t lane = part + i * width;
        memcpy(to + ((lane / ROWS) * block.units + u) * ROWS + lane % ROWS, (const uint32_t *)&units + i * width,
               (size_t)width * 4);
      }
    }
    if (sums != NULL) store(sums + part, load(sums + part) + total);
  }
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

static void write_db(const struct linear_weight_gradient *p, const float *sums, int64_t column, int add) {
  for (int64_t i = 0; i < GROUP_COLUMNS && column + i < p->outer; i++) {
    float *const to = p->db + column + i;
    *to = add ? *to + sums[i] : sums[i];
  }
}

/* Groups of columns of dy and panels of x that a thread owns. */
struct part {
  int64_t group_first, group_end, panel_first, panel_end;
};
static struct part part_of(const struct linear_weight_gradient *p, const struct worker *worker) {
  struct part part = {0, (p->outer + GROUP_COLUMNS - 1) / GROUP_COLUMNS, 0, panels_of(p->inner)};
  /* The longer side is cut: the other operand is packed by every thread. */
  if (p->inner > p->outer) share(part.panel_end, worker->thread, worker->threads, &part.panel_first, &part.panel_end);
  else share(part.group_end, worker->thread, worker->threads, &part.group_first, &part.group_end);
  return part;
}

INLINE void weight_gradient(const int pairs, const struct linear_weight_gradient *p, const struct worker *worker) {
  const struct part part = part_of(p, worker);
  uint32_t *const x = worker->scratch;
  uint32_t *const dy = x + BLOCK_PANELS * BLOCK_UNITS * PANEL;
  float c[ROWS * PANEL] __attribute__((aligned(64)));
  const int64_t all_units = units_of(pairs, p->rows);
  const int sums_here = p->db != NULL && (part.panel_first == 0 && part.panel_end > 0);
  for (int64_t unit = 0; unit < all_units; unit += BLOCK_UNITS) {
    const int64_t left = all_units - unit;
    const struct block block = {unit * PER_UNIT(pairs), p->rows, left < BLOCK_UNITS ? left : BLOCK_UNITS};
    const int add = unit > 0 || p->accumulate;
    for (int64_t first = part.panel_first; first < part.panel_end; first += BLOCK_PANELS) {
      const int64_t end = first + BLOCK_PANELS < part.panel_end ? first + BLOCK_PANELS : part.panel_end;
      pack_x(pairs, p, block, first, end, x);
      for (int64_t group = part.group_first; group < part.group_end; group++) {
        float sums[GROUP_COLUMNS] = {0};
        const int sum_now = sums_here && first == part.panel_first;
        pack_dy(pairs, p, block, group * GROUP_COLUMNS, dy, sum_now ? sums : NULL);
        if (sum_now) write_db(p, sums, group * GROUP_COLUMNS, add);
        for (int64_t t = 0; t < GROUP_TILES; t++) {
          const int64_t row = group * GROUP_COLUMNS + t * ROWS;
          if (row >= p->outer) break;
          const char *const a = (const char *)(dy + t * block.units * ROWS);
          for (int64_t j = first; j < end; j++) {
            const char *const panel = (const char *)(x + (j - first) * block.units * PANEL);
            tile(pairs, ROWS, a, 4, ROWS * 4, panel, block.units, 0, a, c);
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
static int64_t scratch_bytes(void) { return 4 * BLOCK_UNITS * (BLOCK_PANELS * PANEL + GROUP_COLUMNS); }
int64_t linear_weight_gradient_f32_scratch(const void *arguments, int64_t threads) {
  (void)arguments, (void)threads;
  return scratch_bytes();
}
int64_t linear_weight_gradient_bf16_scratch(const void *arguments, int64_t threads) {
  (void)arguments, (void)threads;
  return scratch_bytes();
}
