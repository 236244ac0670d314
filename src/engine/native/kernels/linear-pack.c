/*
 * Weights as panels. Panel j of B [inner, columns] holds columns j * PANEL onwards as [units][PANEL] units: unit u of a
 * column is element u of it (float), or elements 2u and 2u + 1 (a pair of bfloat16). What is beyond the last row or
 * column is zero.
 *
 * w is [outer, inner]. The forward panels are those of w^T: a unit is within a row of w, so packing transposes blocks
 * of LANES x LANES units. The gradient panels are those of w: a pair takes from two rows of w. There are none of floats,
 * whose units are w's own: linear_product_plain_f32 reads them there.
 */
#include "linear-tile.h"
#include "linear.h"

int64_t linear_panel_columns(void) { return PANEL; }

static int64_t panels_bytes(const int pairs, int64_t inner, int64_t columns) {
  return panels_of(columns) * units_of(pairs, inner) * PANEL * 4;
}
int64_t linear_panels_f32_bytes(int64_t inner, int64_t columns) { return panels_bytes(0, inner, columns); }
int64_t linear_panels_bf16_bytes(int64_t inner, int64_t columns) { return panels_bytes(1, inner, columns); }

INLINE vf load_up_to(const float *p, int64_t n) {
  if (n >= LANES) return load(p);
  return n <= 0 ? (vf){0} : load_first(p, n);
}

/* LANES units of a row from element k on; `left` elements are there. */
INLINE vu row_units(const int pairs, const float *p, int64_t left) {
  if (!pairs) return (vu)load_up_to(p, left);
  union { vh half[2]; vu whole; } both;
  both.half[0] = narrow(load_up_to(p, left));
  both.half[1] = narrow(load_up_to(p + LANES, left - LANES));
  return both.whole;
}

/* Units of a panel. `past`: they are not read soon. */
INLINE void put(const int past, void *p, vu v) {
  if (past) stream_bits(p, v);
  else store_bits(p, v);
}

/* Rows first to end (at most PANEL) of w into their forward panel. */
INLINE void pack_forward(const int pairs, const int past, const struct linear_weights *w, int64_t first, int64_t end) {
  const int64_t units = units_of(pairs, w->inner);
  uint32_t *const panel = (uint32_t *)w->forward + first * units;
  for (int64_t v = 0; v < VECTORS; v++) {
    const int64_t row = first + v * LANES;
    for (int64_t u = 0; u < units; u += LANES) {
      vu block[LANES];
      const int64_t k = u * PER_UNIT(pairs);
      UNROLL for (int r = 0; r < LANES; r++) {
        block[r] = row + r < end ? row_units(pairs, w->w + (row + r) * w->inner + k, w->inner - k) : (vu){0};
      }
      transpose(block);
      const int64_t count = units - u < LANES ? units - u : LANES;
      for (int64_t i = 0; i < count; i++) put(past, panel + (u + i) * PANEL + v * LANES, block[i]);
    }
  }
}

/* Rows first to end of w into all gradient panels, of pairs; `first` is even. */
INLINE void pack_gradient(const int past, const struct linear_weights *w, int64_t first, int64_t end) {
  const int64_t units = units_of(1, w->outer);
  for (int64_t row = first; row < end; row += 2) {
    const float *const low = w->w + row * w->inner;
    const int64_t unit = row / 2;
    for (int64_t j = 0; j < panels_of(w->inner); j++) {
      uint32_t *const to = (uint32_t *)w->gradient + (j * units + unit) * PANEL;
      UNROLL for (int v = 0; v < VECTORS; v++) {
        const int64_t column = j * PANEL + v * LANES;
        const vf a = load_up_to(low + column, w->inner - column);
        const vf b = row + 1 < end ? load_up_to(low + w->inner + column, w->inner - column) : (vf){0};
        put(past, to + v * LANES, narrow_pairs(a, b));
      }
    }
  }
}

INLINE void pack_rows(const int pairs, const int past, const struct linear_weights *w, int64_t first, int64_t end) {
  for (int64_t row = first; row < end; row += PANEL) {
    const int64_t stop = row + PANEL < end ? row + PANEL : end;
    if (w->forward != NULL) pack_forward(pairs, past, w, row, stop);
    if (pairs && w->gradient != NULL) pack_gradient(past, w, row, stop);
  }
  if (past) stream_end();
}
void linear_pack_rows_f32(const struct linear_weights *weights, int64_t first, int64_t end, int past_caches) {
  if (past_caches) pack_rows(0, 1, weights, first, end);
  else pack_rows(0, 0, weights, first, end);
}
void linear_pack_rows_bf16(const struct linear_weights *weights, int64_t first, int64_t end, int past_caches) {
  if (past_caches) pack_rows(1, 1, weights, first, end);
  else pack_rows(1, 0, weights, first, end);
}

INLINE void pack(const int pairs, const struct linear_weights *w, const struct worker *worker) {
  int64_t first, end;
  share(panels_of(w->outer), worker->thread, worker->threads, &first, &end);
  pack_rows(pairs, 0, w, first * PANEL, end * PANEL < w->outer ? end * PANEL : w->outer);
}
void linear_pack_f32(const void *arguments, const struct worker *worker) { pack(0, arguments, worker); }
void linear_pack_bf16(const void *arguments, const struct worker *worker) { pack(1, arguments, worker); }
