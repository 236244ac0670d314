/* Checks attention and its gradient against plain loops in double: check-attention [rounds]. */
#include "harness.h"

static int failures = 0;

static void compare(const char *what, const char *name, const double *expected, const struct array *actual,
                    int64_t rows, int64_t columns, int64_t stride, int64_t offset, double tolerance) {
  double error = 0, norm = 0, most = 0;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns; c++) {
      const double e = expected[r * columns + c], d = at(actual, offset + r * stride + c) - e;
      error += d * d, norm += e * e;
      if (!(fabs(d) <= most)) most = fabs(d);
    }
  }
  const double size = sqrt(norm / (double)(rows * columns));
  if (sqrt(error) <= tolerance * sqrt(norm) + 1e-6 && most <= 12 * tolerance * size + 1e-6) return;
  if (failures++ < 10) {
    printf("%s: %s differs by %g of its norm, by %g at most (root mean square %g)\n", what, name, sqrt(error / norm), most, size);
  }
}

/* Packed like the engine does: kind 0: qkv in one tensor, 1: q and kv, 2: q and x (keys are values). */
static void check(int bf16, int kind, int64_t batch, int64_t heads, int64_t queries, int64_t keys, int64_t size,
                  double spread, int threads) {
  if (kind == 0) keys = queries;
  const int64_t width = heads * size, q_stride = kind == 0 ? 3 * width : width;
  const int64_t k_stride = kind == 0 ? 3 * width : kind == 1 ? 2 * width : width;
  const int64_t k_offset = kind == 0 ? width : 0, v_offset = kind == 2 ? k_offset : k_offset + width;
  const int64_t bytes = bf16 ? 2 : 4;
  struct array first = make_array(bf16, batch * queries * q_stride, spread);
  struct array second = kind == 0 ? first : make_array(bf16, batch * keys * k_stride, spread);
  struct array d_first = make_array(bf16, first.count, 1), d_second = kind == 0 ? d_first : make_array(bf16, second.count, 1);
  struct array o = make_array(bf16, batch * queries * width, 1), d_o = make_array(bf16, o.count, 1);
  struct array lse = make_array(0, batch * heads * queries, 1);
  fill(&o, NAN), fill(&lse, NAN), fill(&d_first, NAN);
  if (kind != 0) fill(&d_second, NAN);
  char *const k_data = (char *)second.data + k_offset * bytes, *const v_data = (char *)second.data + v_offset * bytes;
  const double scale = 1 / sqrt((double)size);
  const struct attention f = {first.data, k_data, v_data, o.data, lse.data, batch, heads, queries, keys, size, q_stride, k_stride, k_stride, width, scale};
  call(bf16 ? attention_bf16 : attention_f32, bf16 ? attention_bf16_scratch : attention_f32_scratch, &f, threads);
  const struct attention_gradient g = {
      first.data, k_data, v_data, o.data, d_o.data, lse.data, d_first.data, (char *)d_second.data + k_offset * bytes,
      (char *)d_second.data + v_offset * bytes, batch, heads, queries, keys, size, q_stride, k_stride, k_stride, width,
      width, q_stride, k_stride, k_stride, scale};
  call(bf16 ? attention_gradient_bf16 : attention_gradient_f32,
       bf16 ? attention_gradient_bf16_scratch : attention_gradient_f32_scratch, &g, threads);

  double *const eo = calloc((size_t)(queries * size), 8), *const edq = calloc((size_t)(queries * size), 8);
  double *const edk = calloc((size_t)(keys * size), 8), *const edv = calloc((size_t)(keys * size), 8);
  double *const p = malloc((size_t)keys * 8), *const elog = malloc((size_t)queries * 8);
  char what[200];
  snprintf(what, sizeof what, "%s kind %d batch %ld heads %ld queries %ld keys %ld size %ld spread %g threads %d",
           bf16 ? "bf16" : "f32", kind, (long)batch, (long)heads, (long)queries, (long)keys, (long)size, spread, threads);
  const double tolerance = bf16 ? 1.2e-2 : 5e-6 * (1 + spread);
  for (int64_t b = 0; b < batch; b++) {
    for (int64_t h = 0; h < heads; h++) {
#define Q(t, j) at(&first, (b * queries + (t)) * q_stride + h * size + (j))
#define K(t, j) at(&second, (b * keys + (t)) * k_stride + k_offset + h * size + (j))
#define V(t, j) at(&second, (b * keys + (t)) * k_stride + v_offset + h * size + (j))
#define DO(t, j) at(&d_o, (b * queries + (t)) * width + h * size + (j))
      memset(edq, 0, (size_t)(queries * size) * 8), memset(eo, 0, (size_t)(queries * size) * 8);
      memset(edk, 0, (size_t)(keys * size) * 8), memset(edv, 0, (size_t)(keys * size) * 8);
      for (int64_t t = 0; t < queries; t++) {
        double most = -INFINITY, sum = 0, delta = 0;
        for (int64_t s = 0; s < keys; s++) {
          p[s] = 0;
          for (int64_t j = 0; j < size; j++) p[s] += Q(t, j) * K(s, j);
          p[s] *= scale;
          if (p[s] > most) most = p[s];
        }
        for (int64_t s = 0; s < keys; s++) sum += p[s] = exp(p[s] - most);
        elog[t] = most + log(sum);
        for (int64_t s = 0; s < keys; s++) {
          p[s] /= sum;
          for (int64_t j = 0; j < size; j++) eo[t * size + j] += p[s] * V(s, j);
        }
        for (int64_t j = 0; j < size; j++) delta += eo[t * size + j] * DO(t, j);
        for (int64_t s = 0; s < keys; s++) {
          double dp = 0;
          for (int64_t j = 0; j < size; j++) dp += DO(t, j) * V(s, j), edv[s * size + j] += p[s] * DO(t, j);
          const double ds = p[s] * (dp - delta) * scale;
          for (int64_t j = 0; j < size; j++) edq[t * size + j] += ds * K(s, j), edk[s * size + j] += ds * Q(t, j);
        }
      }
      if (kind == 2) for (int64_t i = 0; i < keys * size; i++) edk[i] += edv[i];
      compare(what, "o", eo, &o, queries, size, width, b * queries * width + h * size, tolerance);
      compare(what, "log sum", elog, &lse, 1, queries, queries, (b * heads + h) * queries, bf16 ? 1e-3 : 3e-6);
      /* Nearly one-hot: gradients are differences of nearly equal numbers that bfloat16 has rounded. */
      if (bf16 && spread > 2) continue;
      /* One key alone has no gradient through the softmax: what comes out is rounding. */
      if (keys > 1) compare(what, "dq", edq, &d_first, queries, size, q_stride, b * queries * q_stride + h * size, tolerance);
      if (keys > 1 || kind == 2) compare(what, "dk", edk, &d_second, keys, size, k_stride, b * keys * k_stride + k_offset + h * size, tolerance);
      if (kind != 2) compare(what, "dv", edv, &d_second, keys, size, k_stride, b * keys * k_stride + v_offset + h * size, tolerance);
    }
  }
  free(eo), free(edq), free(edk), free(edv), free(p), free(elog);
  free(first.data), free(d_first.data), free(o.data), free(d_o.data), free(lse.data);
  if (kind != 0) free(second.data), free(d_second.data);
}

int main(int argc, char **argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 60;
  for (int i = 0; i < rounds; i++) {
    const int64_t most = i % 6 == 0 ? 330 : 60;
    const int64_t size = i % 3 == 0 ? pick(1, 140) : 16 * pick(1, 8);
    for (int bf16 = 0; bf16 < 2; bf16++) {
      /* One behind the other: compilers evaluate arguments in different orders, and all of them are to see the same cases. */
      const int threads = (int)pick(1, 4);
      const double spread = pick(0, 3) == 0 ? 6 : 1;
      const int64_t keys = pick(1, most), queries = pick(1, most), heads = pick(1, 3), batch = pick(1, 2);
      check(bf16, (int)pick(0, 2), batch, heads, queries, keys, size, spread, threads);
    }
  }
  check(1, 0, 1, 3, 160, 160, 64, 2, 2);
  check(0, 0, 1, 3, 160, 160, 64, 2, 2);
  check(1, 1, 1, 1, 352, 392, 64, 2, 2);
  if (failures == 0) printf("ok\n");
  return failures == 0 ? 0 : 1;
}
