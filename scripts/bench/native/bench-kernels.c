/*
 * Speed of the products and of attention on the shapes of training steps: bench-kernels [threads] [filter].
 * GF/s, and the share of the peak of vector multiply-adds that is measured between them in the same run.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdatomic.h>

#include "../../../src/engine/native/kernels/tile.h"
#include "../../../test/native/harness.h"

/* A pool that stays: threads wait actively, so that short kernels are not timed with the start of threads. */
static struct {
  int threads;
  kernel_function *kernel;
  const void *arguments;
  struct worker workers[16];
  atomic_long round, done;
} pool;

static void *member(void *p) {
  const int t = (int)(intptr_t)p;
  for (long round = 1;; round++) {
    while (atomic_load_explicit(&pool.round, memory_order_acquire) < round) __builtin_ia32_pause();
    if (pool.kernel == NULL) return NULL;
    pool.kernel(pool.arguments, &pool.workers[t]);
    atomic_fetch_add_explicit(&pool.done, 1, memory_order_release);
  }
}
static void together(kernel_function *kernel, const void *arguments) {
  pool.kernel = kernel, pool.arguments = arguments;
  atomic_store(&pool.done, 0);
  atomic_fetch_add_explicit(&pool.round, 1, memory_order_release);
  kernel(arguments, &pool.workers[0]);
  while (atomic_load_explicit(&pool.done, memory_order_acquire) < pool.threads - 1) __builtin_ia32_pause();
}

/* The peak: a tile whose operands are in the first-level cache. */
struct peak {
  int bf16;
  char *operands;
  float sums[16];
};
#define PEAK_UNITS 32
#define PEAK_ROUNDS 20000
static void peak_of(const int bf16, const struct peak *p, int64_t thread) {
  vf sum[MOST_ROWS][MOST_VECTORS];
  for (int r = 0; r < ROWS; r++) for (int v = 0; v < VECTORS; v++) sum[r][v] = (vf){0};
  for (int i = 0; i < PEAK_ROUNDS; i++) {
    tile_steps(bf16, ROWS, VECTORS, p->operands, PEAK_UNITS * 4, 4, p->operands + 2048, PANEL * 4, PEAK_UNITS, sum);
    __asm__ volatile("" ::: "memory");
  }
  vf total = {0};
  for (int r = 0; r < ROWS; r++) for (int v = 0; v < VECTORS; v++) total = total + sum[r][v];
  ((struct peak *)p)->sums[thread] = sum_lanes(total);
}
static void peak_kernel(const void *arguments, const struct worker *w) {
  const struct peak *p = arguments;
  if (p->bf16) peak_of(1, p, w->thread);
  else peak_of(0, p, w->thread);
}

static double best_time(kernel_function *kernel, const void *arguments, double flops) {
  double best = 1e9, spent = 0;
  for (int i = 0; i < 400 && (i < 5 || spent < 0.12); i++) {
    const double start = now();
    together(kernel, arguments);
    const double time = now() - start;
    spent += time;
    if (time < best) best = time;
    (void)flops;
  }
  return best;
}
static double peaks[2];
static void measure_peak(int bf16) {
  static struct peak p;
  p.bf16 = bf16;
  if (p.operands == NULL) p.operands = memset(allocate(1 << 16), 0, 1 << 16);
  const double flops = 2.0 * PER_UNIT(bf16) * PEAK_UNITS * ROWS * PANEL * PEAK_ROUNDS * pool.threads;
  const double rate = flops / best_time(peak_kernel, &p, flops) / 1e9;
  if (rate > peaks[bf16]) peaks[bf16] = rate;
}

static const char *filter = "";
static void report(const char *name, int bf16, double flops, kernel_function *kernel, scratch_function *scratch, const void *arguments) {
  if (strstr(name, filter) == NULL) return;
  for (int t = 0; t < pool.threads; t++) {
    free(pool.workers[t].scratch);
    pool.workers[t].scratch = allocate(scratch(arguments, pool.threads));
  }
  measure_peak(bf16);
  const double time = best_time(kernel, arguments, flops);
  const double rate = flops / time / 1e9;
  printf("%-44s %s %8.1f us %7.1f GF/s %5.1f %%\n", name, bf16 ? "bf16" : "f32 ", time * 1e6, rate, 100 * rate / peaks[bf16]);
}

/*
 * A weight gradient whose rows, not whose result, are shared by the threads: each has a dw of its own, which are added up then. Its
 * bits depend on the number of threads.
 */
struct by_rows {
  struct linear_weight_gradient parts[16];
  int bf16;
  float *dw;
};
static void by_rows_kernel(const void *arguments, const struct worker *w) {
  static atomic_long arrived;
  const struct by_rows *p = arguments;
  const struct worker alone = {0, 1, w->scratch};
  (p->bf16 ? linear_weight_gradient_bf16 : linear_weight_gradient_f32)(&p->parts[w->thread], &alone);
  const long target = (atomic_fetch_add(&arrived, 1) / w->threads + 1) * w->threads;
  while (atomic_load_explicit(&arrived, memory_order_acquire) < target) __builtin_ia32_pause();
  int64_t first, end;
  share(p->parts[0].outer * p->parts[0].inner, w->thread, w->threads, &first, &end);
  for (int64_t i = first; i < end; i++) {
    float sum = 0;
    for (int64_t t = 0; t < w->threads; t++) sum += p->parts[t].dw[i];
    p->dw[i] = sum;
  }
}
static void report_by_rows(const char *name, int bf16, double flops, scratch_function *scratch, const struct linear_weight_gradient *whole) {
  struct by_rows p = {.bf16 = bf16, .dw = whole->dw};
  for (int t = 0; t < pool.threads; t++) {
    int64_t first, end;
    share(whole->rows, t, pool.threads, &first, &end);
    p.parts[t] = *whole;
    p.parts[t].dy = (const char *)whole->dy + first * whole->dy_stride * (bf16 ? 2 : 4);
    p.parts[t].x = (const char *)whole->x + first * whole->x_stride * (bf16 ? 2 : 4);
    p.parts[t].dw = allocate(whole->outer * whole->inner * 4);
    p.parts[t].db = allocate(whole->outer * 4);
    p.parts[t].rows = end - first;
  }
  report(name, bf16, flops, by_rows_kernel, scratch, &p);
  for (int t = 0; t < pool.threads; t++) free(p.parts[t].dw), free(p.parts[t].db);
}

static void layer(const char *label, int bf16, int64_t rows, int64_t inner, int64_t outer, int gelu) {
  char name[100];
  struct array x = make_array(bf16, rows * inner, 1), w = make_array(0, outer * inner, 0.05), b = make_array(0, outer, 1);
  struct array y = make_array(bf16, rows * outer, 1), after = make_array(bf16, rows * outer, 1), dw = make_array(0, outer * inner, 1), db = make_array(0, outer, 1);
  int64_t (*bytes)(int64_t, int64_t) = bf16 ? linear_panels_bf16_bytes : linear_panels_f32_bytes;
  struct linear_weights weights = {w.data, allocate(bytes(inner, outer)), bf16 ? allocate(bytes(outer, inner)) : NULL, outer, inner};
  call(bf16 ? linear_pack_bf16 : linear_pack_f32, NULL, &weights, 1);
  const double flops = 2.0 * (double)(rows * inner * outer);
  kernel_function *product = bf16 ? linear_product_bf16 : linear_product_f32;
  scratch_function *scratch = bf16 ? linear_product_bf16_scratch : linear_product_f32_scratch;
  struct linear_product f = {x.data, weights.forward, b.data, NULL, NULL, y.data, gelu ? after.data : NULL, rows, inner, outer, inner, outer};
  snprintf(name, sizeof name, "%s %ld x %ld -> %ld%s", label, (long)rows, (long)inner, (long)outer, gelu ? " gelu" : "");
  report(name, bf16, flops, product, scratch, &f);
  struct linear_product g = {y.data, bf16 ? weights.gradient : w.data, NULL, NULL, NULL, x.data, NULL, rows, outer, inner, outer, inner};
  snprintf(name, sizeof name, "%s %ld x %ld <- %ld dx", label, (long)rows, (long)inner, (long)outer);
  if (bf16) report(name, 1, flops, product, scratch, &g);
  else report(name, 0, flops, linear_product_plain_f32, linear_product_plain_f32_scratch, &g);
  struct linear_weight_gradient d = {y.data, x.data, dw.data, db.data, rows, outer, inner, outer, inner, 0};
  snprintf(name, sizeof name, "%s %ld x %ld    %ld dw", label, (long)rows, (long)inner, (long)outer);
  report(name, bf16, flops, bf16 ? linear_weight_gradient_bf16 : linear_weight_gradient_f32, bf16 ? linear_weight_gradient_bf16_scratch : linear_weight_gradient_f32_scratch, &d);
  strcat(name, " by rows");
  report_by_rows(name, bf16, flops, bf16 ? linear_weight_gradient_bf16_scratch : linear_weight_gradient_f32_scratch, &d);
  free(x.data), free(w.data), free(b.data), free(y.data), free(after.data), free(dw.data), free(db.data), free(weights.forward), free(weights.gradient);
}

static void heads(const char *label, int bf16, int64_t batch, int64_t count, int64_t tokens, int64_t size) {
  char name[100];
  const int64_t width = count * size, bytes = bf16 ? 2 : 4;
  struct array qkv = make_array(bf16, batch * tokens * 3 * width, 1), d = make_array(bf16, qkv.count, 1), o = make_array(bf16, batch * tokens * width, 1),
               d_o = make_array(bf16, o.count, 1), lse = make_array(0, batch * count * tokens, 1);
  char *q = qkv.data, *dq = d.data;
  const double flops = 4.0 * (double)(batch * count * tokens * tokens * size), scale = 1 / sqrt((double)size);
  const struct attention f = {q, q + width * bytes, q + 2 * width * bytes, o.data, lse.data, batch, count, tokens, tokens, size, 3 * width, 3 * width, 3 * width, width, scale};
  snprintf(name, sizeof name, "%s attention %ld x %ld x %ld x %ld", label, (long)batch, (long)count, (long)tokens, (long)size);
  report(name, bf16, flops, bf16 ? attention_bf16 : attention_f32, bf16 ? attention_bf16_scratch : attention_f32_scratch, &f);
  const struct attention_gradient g = {q, q + width * bytes, q + 2 * width * bytes, o.data, d_o.data, lse.data, dq, dq + width * bytes, dq + 2 * width * bytes,
      batch, count, tokens, tokens, size, 3 * width, 3 * width, 3 * width, width, width, 3 * width, 3 * width, 3 * width, scale};
  strcat(name, " gradient");
  report(name, bf16, 2.5 * flops, bf16 ? attention_gradient_bf16 : attention_gradient_f32, bf16 ? attention_gradient_bf16_scratch : attention_gradient_f32_scratch, &g);
  free(qkv.data), free(d.data), free(o.data), free(d_o.data), free(lse.data);
}

int main(int argc, char **argv) {
  pool.threads = argc > 1 ? atoi(argv[1]) : 2;
  if (argc > 2) filter = argv[2];
  const int only = argc > 3 ? atoi(argv[3]) : -1;
  for (int t = 0; t < pool.threads; t++) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(t, &cpus);
    pool.workers[t] = (struct worker){t, pool.threads, NULL};
    pthread_t id = pthread_self();
    if (t > 0) pthread_create(&id, NULL, member, (void *)(intptr_t)t);
    pthread_setaffinity_np(id, sizeof cpus, &cpus);
  }
  for (int bf16 = 1; bf16 >= 0; bf16--) {
    if (only >= 0 && bf16 != only) continue;
    layer("S patches", bf16, 320, 1536, 384, 0);
    layer("S qkv", bf16, 320, 384, 1152, 0);
    layer("S proj", bf16, 320, 384, 384, 0);
    layer("S fc1", bf16, 320, 384, 1536, 1);
    layer("S fc2", bf16, 320, 1536, 384, 0);
    layer("S decoder qkv", bf16, 3136, 192, 576, 0);
    layer("S decoder fc1", bf16, 3136, 192, 768, 1);
    layer("S decoder fc2", bf16, 3136, 768, 192, 0);
    layer("S head", bf16, 2816, 192, 1536, 0);
    layer("B qkv", bf16, 160, 768, 2304, 0);
    layer("B fc1", bf16, 160, 768, 3072, 1);
    layer("B fc2", bf16, 160, 3072, 768, 0);
    layer("B decoder fc1", bf16, 1568, 384, 1536, 1);
    layer("S tune fc2", bf16, 1568, 1536, 384, 0);
    heads("S", bf16, 2, 6, 160, 64);
    heads("S decoder", bf16, 2, 3, 1568, 64);
    heads("B decoder", bf16, 1, 6, 1568, 64);
    heads("C decoder", bf16, 8, 3, 392, 64);
  }
  pool.kernel = NULL;
  return 0;
}
