/* Checks the matrix products against plain loops in double: check-linear [rounds]. Prints the first difference. */
#include "harness.h"

static int failures = 0;

/* |difference| against the norm of the row it belongs to would hide single wrong elements; this does not. */
static void compare(const char *what, const double *expected, const struct array *actual, int64_t rows, int64_t columns,
                    int64_t stride, double tolerance) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns; c++) {
      const double e = expected[r * columns + c], a = at(actual, r * stride + c);
      if (fabs(e - a) <= tolerance * (1 + fabs(e))) continue;
      if (failures++ < 10) {
        printf("%s [%ld, %ld]: %g instead of %g at row %ld, column %ld\n", what, (long)rows, (long)columns, a, e,
               (long)r, (long)c);
      }
      return;
    }
  }
}
/* What is between the rows is left alone. */
static void check_gaps(const char *what, const struct array *a, int64_t rows, int64_t columns, int64_t stride,
                       double value) {
  for (int64_t r = 0; r + 1 < rows; r++) {
    for (int64_t c = columns; c < stride; c++) {
      if (at(a, r * stride + c) == value) continue;
      if (failures++ < 10) printf("%s: the gap behind row %ld was written to\n", what, (long)r);
      return;
    }
  }
}

static double gelu(double x) { return x * 0.5 * erfc(-x / sqrt(2)); }
static double gelu_derivative(double x) {
  return 0.5 * erfc(-x / sqrt(2)) + x * exp(-x * x / 2) / sqrt(2 * 3.14159265358979323846);
}

static double weight(const struct array *w, int bf16, int64_t i) {
  const double v = at(w, i);
  return bf16 ? to_float(to_bfloat16((float)v)) : v;
}

/* Forward and input gradient of one layer. */
static void check_product(int bf16, int gradient, int64_t rows, int64_t outer, int64_t inner, int threads) {
  const int64_t k_count = gradient ? outer : inner, columns = gradient ? inner : outer;
  const int64_t x_stride = k_count + pick(0, 1) * pick(1, 9), y_stride = columns + pick(0, 1) * pick(1, 9);
  struct array x = make_array(bf16, (rows - 1) * x_stride + k_count, 1), w = make_array(0, outer * inner, 1);
  const int64_t y_count = (rows - 1) * y_stride + columns;
  struct array y = make_array(bf16, y_count, 1), after = make_array(bf16, y_count, 1), input = make_array(bf16, y_count, 3),
               residual = make_array(bf16, y_count, 1), bias = make_array(0, columns, 1);
  /* Float gradients read w itself, and never end in gelu. */
  const int plain = gradient && !bf16, kind = (int)pick(0, 31) & (plain ? ~8 : 31);
  struct linear_weights weights = {w.data, NULL, NULL, outer, inner};
  int64_t (*bytes)(int64_t, int64_t) = bf16 ? linear_panels_bf16_bytes : linear_panels_f32_bytes;
  void *panels = allocate(plain ? 0 : bytes(k_count, columns));
  if (plain) weights = (struct linear_weights){0};
  else if (gradient) weights.gradient = panels;
  else weights.forward = panels;
  if (plain) {
    /* There is nothing to pack. */
  } else if (threads == 1) {
    /* As the optimizer packs, also past the caches. */
    const int past_caches = (kind & 1) != 0;
    if (bf16) linear_pack_rows_bf16(&weights, 0, weights.outer, past_caches);
    else linear_pack_rows_f32(&weights, 0, weights.outer, past_caches);
  } else {
    call(bf16 ? linear_pack_bf16 : linear_pack_f32, NULL, &weights, threads);
  }
  const int in_place = (kind & 2) != 0 && pick(0, 1) == 1;
  struct linear_product p = {
      .x = x.data, .panels = plain ? w.data : panels, .bias = kind & 1 ? bias.data : NULL, .residual = kind & 2 ? residual.data : NULL,
      .gelu_input = kind & 4 ? input.data : NULL, .gelu = kind & 8 ? after.data : NULL,
      .y = (kind & 24) == 24 ? NULL : y.data, .rows = rows, .inner = k_count, .columns = columns, .x_stride = x_stride,
      .y_stride = y_stride,
  };
  double *const expected = malloc((size_t)(rows * columns) * sizeof(double));
  double *const expected_after = malloc((size_t)(rows * columns) * sizeof(double));
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns; c++) {
      double sum = kind & 1 ? at(&bias, c) : 0;
      for (int64_t k = 0; k < k_count; k++) {
        sum += at(&x, r * x_stride + k) * weight(&w, bf16, gradient ? k * inner + c : c * inner + k);
      }
      if (kind & 4) sum *= gelu_derivative(at(&input, r * y_stride + c));
      if (kind & 2) sum += at(&residual, r * y_stride + c);
      expected[r * columns + c] = sum;
      expected_after[r * columns + c] = gelu(sum);
    }
  }
  struct array *result = &y;
  if (in_place) {
    p.y = residual.data;
    result = &residual;
  } else {
    fill(&y, 7);
  }
  fill(&after, 7);
  if (plain) call(linear_product_plain_f32, linear_product_plain_f32_scratch, &p, threads);
  else if (bf16) call(linear_product_bf16, linear_product_bf16_scratch, &p, threads);
  else call(linear_product_f32, linear_product_f32_scratch, &p, threads);
  char what[200];
  snprintf(what, sizeof what, "%s %s kind %d, inner %ld, %d threads", bf16 ? "bf16" : "f32", gradient ? "dx" : "y", kind,
           (long)k_count, threads);
  const double tolerance = (bf16 ? 5e-3 : 2e-6) * (1 + 0.1 * sqrt((double)k_count));
  if (p.y != NULL) compare(what, expected, result, rows, columns, y_stride, tolerance);
  if (p.gelu != NULL) compare("gelu", expected_after, &after, rows, columns, y_stride, tolerance);
  if (!in_place && p.y != NULL) check_gaps(what, &y, rows, columns, y_stride, 7);
  if (p.gelu != NULL) check_gaps("gelu", &after, rows, columns, y_stride, 7);
  free(expected), free(expected_after), free(panels);
  free(x.data), free(w.data), free(y.data), free(after.data), free(input.data), free(residual.data), free(bias.data);
}

static void check_weight_gradient(int bf16, int64_t rows, int64_t outer, int64_t inner, int threads) {
  const int64_t dy_stride = outer + pick(0, 1) * pick(1, 9), x_stride = inner + pick(0, 1) * pick(1, 9);
  struct array dy = make_array(bf16, (rows - 1) * dy_stride + outer, 1), x = make_array(bf16, (rows - 1) * x_stride + inner, 1);
  struct array dw = make_array(0, outer * inner, 1), db = make_array(0, outer, 1);
  const int accumulate = (int)pick(0, 1), bias = (int)pick(0, 1);
  double *const expected = malloc((size_t)(outer * inner) * sizeof(double)), *const sums = malloc((size_t)outer * sizeof(double));
  for (int64_t o = 0; o < outer; o++) {
    for (int64_t i = 0; i < inner; i++) {
      double sum = accumulate ? at(&dw, o * inner + i) : 0;
      for (int64_t r = 0; r < rows; r++) sum += at(&dy, r * dy_stride + o) * at(&x, r * x_stride + i);
      expected[o * inner + i] = sum;
    }
    sums[o] = accumulate && bias ? at(&db, o) : 0;
    for (int64_t r = 0; r < rows; r++) sums[o] += at(&dy, r * dy_stride + o);
  }
  struct linear_weight_gradient p = {dy.data, x.data, dw.data, bias ? db.data : NULL, rows, outer, inner, dy_stride, x_stride, accumulate};
  if (!accumulate) fill(&dw, NAN), fill(&db, NAN);
  call(bf16 ? linear_weight_gradient_bf16 : linear_weight_gradient_f32,
       bf16 ? linear_weight_gradient_bf16_scratch : linear_weight_gradient_f32_scratch, &p, threads);
  char what[200];
  snprintf(what, sizeof what, "%s dw, %ld rows, accumulate %d, %d threads", bf16 ? "bf16" : "f32", (long)rows, accumulate, threads);
  const double tolerance = 2e-6 * (1 + 0.3 * sqrt((double)rows));
  compare(what, expected, &dw, outer, inner, inner, tolerance);
  if (bias) compare("db", sums, &db, 1, outer, outer, tolerance);
  free(expected), free(sums), free(dy.data), free(x.data), free(dw.data), free(db.data);
}

int main(int argc, char **argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 100;
  for (int i = 0; i < rounds; i++) {
    const int64_t most = i % 8 == 0 ? 300 : 70;
    for (int bf16 = 0; bf16 < 2; bf16++) {
      check_product(bf16, 0, pick(1, most), pick(1, most), pick(1, most), (int)pick(1, 4));
      check_product(bf16, 1, pick(1, most), pick(1, most), pick(1, most), (int)pick(1, 4));
      check_weight_gradient(bf16, pick(1, most * 4), pick(1, most), pick(1, most), (int)pick(1, 4));
    }
  }
  check_product(1, 0, 160, 1152, 384, 2);
  check_product(1, 1, 72, 192, 768, 2);
  check_product(0, 1, 72, 192, 768, 2);
  check_product(0, 1, 13120, 40, 49, 1);
  check_weight_gradient(1, 1100, 96, 600, 2);
  check_weight_gradient(0, 1100, 600, 96, 2);
  if (failures == 0) printf("ok\n");
  return failures == 0 ? 0 : 1;
}
