/* What the programs that check and time the native engine's kernels share: random data, a pool of plain threads. */
#ifndef HARNESS_H
#define HARNESS_H

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "../../../src/engine/native/kernels/attention.h"
#include "../../../src/engine/native/kernels/linear.h"

static uint64_t random_state = 0x9e3779b97f4a7c15u;
static inline double uniform(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (double)(random_state >> 11) * 0x1p-53;
}
static inline int64_t pick(int64_t low, int64_t high) { return low + (int64_t)(uniform() * (double)(high - low + 1)); }

static inline float to_float(uint16_t x) {
  const uint32_t bits = (uint32_t)x << 16;
  float v;
  memcpy(&v, &bits, 4);
  return v;
}
static inline uint16_t to_bfloat16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* Exactly sized, so that the address sanitizer sees every access beyond the end. */
static inline void *allocate(int64_t bytes) {
  void *p = NULL;
  if (posix_memalign(&p, bytes < 1 << 20 ? 64 : 1 << 21, bytes > 0 ? (size_t)bytes : 1) != 0) abort();
#ifdef HUGE_PAGES
  if (bytes >= 1 << 20) madvise(p, (size_t)bytes, MADV_HUGEPAGE);
#endif
  return p;
}

/* An array of values of one precision, as the kernels take it. */
struct array {
  int bf16;
  int64_t count;
  void *data;
};
static inline double at(const struct array *a, int64_t i) {
  return a->bf16 ? to_float(((const uint16_t *)a->data)[i]) : ((const float *)a->data)[i];
}
static inline void put(struct array *a, int64_t i, double v) {
  if (a->bf16) ((uint16_t *)a->data)[i] = to_bfloat16((float)v);
  else ((float *)a->data)[i] = (float)v;
}
static inline struct array make_array(int bf16, int64_t count, double scale) {
  struct array a = {bf16, count, allocate(count * (bf16 ? 2 : 4))};
  for (int64_t i = 0; i < count; i++) put(&a, i, (uniform() * 2 - 1) * scale);
  return a;
}
static inline void fill(struct array *a, double v) {
  for (int64_t i = 0; i < a->count; i++) put(a, i, v);
}

struct share_of_call {
  kernel_function *kernel;
  const void *arguments;
  struct worker worker;
};
static inline void *run_share(void *p) {
  const struct share_of_call *s = p;
  s->kernel(s->arguments, &s->worker);
  return NULL;
}
/* One call by `threads` threads with fresh scratch, which is full of not-a-numbers. */
static inline void call(kernel_function *kernel, scratch_function *scratch, const void *arguments, int threads) {
  struct share_of_call shares[16];
  pthread_t ids[16];
  for (int t = 0; t < threads; t++) {
    const int64_t bytes = scratch == NULL ? 0 : scratch(arguments, threads);
    shares[t] = (struct share_of_call){kernel, arguments, {t, threads, allocate(bytes)}};
    memset(shares[t].worker.scratch, 0xff, (size_t)bytes);
    if (pthread_create(&ids[t], NULL, run_share, &shares[t]) != 0) abort();
  }
  for (int t = 0; t < threads; t++) {
    pthread_join(ids[t], NULL);
    free(shares[t].worker.scratch);
  }
}

static inline double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
