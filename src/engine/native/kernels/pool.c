#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "wait.h"

#ifndef __linux__
pthread_mutex_t wait_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t wait_condition = PTHREAD_COND_INITIALIZER;
#endif

/* Long enough for the gaps between steps, too short to matter to other processes that want the core. */
static const int64_t spin_nanoseconds = 50000;

struct member {
  struct pool *pool;
  int number;
  pthread_t thread;
};

struct pool {
  int threads;
  /* How often work was handed out; members sleep on it. */
  _Atomic uint32_t started;
  _Atomic uint32_t working;
  _Atomic uint32_t closing;
  pool_work *work;
  void *context;
  struct member members[];
};

static void *serve(void *argument) {
  struct member *self = argument;
  struct pool *pool = self->pool;
  uint32_t seen = 0;
  for (;;) {
    while (atomic_load(&pool->started) == seen) wait_for_change(&pool->started, seen);
    seen++;
    if (atomic_load(&pool->closing)) return NULL;
    pool->work(pool->context, self->number);
    if (atomic_fetch_sub(&pool->working, 1) == 1) wake_all(&pool->working);
  }
}

struct pool *pool_open(int threads) {
  struct pool *pool = calloc(1, sizeof *pool + (size_t)threads * sizeof(struct member));
  if (pool == NULL) return NULL;
  pool->threads = 1;
  for (int i = 1; i < threads; i++) {
    struct member *member = &pool->members[i];
    member->pool = pool;
    member->number = i;
    if (pthread_create(&member->thread, NULL, serve, member) != 0) {
      pool_close(pool);
      return NULL;
    }
    pool->threads = i + 1;
  }
  return pool;
}

int pool_threads(const struct pool *pool) { return pool->threads; }

void pool_run(struct pool *pool, pool_work *work, void *context) {
  if (pool->threads > 1) {
    pool->work = work;
    pool->context = context;
    atomic_store(&pool->working, (uint32_t)pool->threads - 1);
    atomic_fetch_add(&pool->started, 1);
    wake_all(&pool->started);
  }
  work(context, 0);
  for (;;) {
    uint32_t working = atomic_load(&pool->working);
    if (working == 0) return;
    wait_for_change(&pool->working, working);
  }
}

void pool_close(struct pool *pool) {
  atomic_store(&pool->closing, 1);
  atomic_fetch_add(&pool->started, 1);
  wake_all(&pool->started);
  for (int i = 1; i < pool->threads; i++) pthread_join(pool->members[i].thread, NULL);
  free(pool);
}

int barrier_arrive(struct barrier *barrier, int threads, uint32_t *opened) {
  *opened = atomic_load(&barrier->opened);
  return atomic_fetch_add(&barrier->arrived, 1) == (uint32_t)threads - 1;
}

void barrier_open(struct barrier *barrier) {
  atomic_store(&barrier->arrived, 0);
  atomic_fetch_add(&barrier->opened, 1);
  if (atomic_load(&barrier->sleeping) > 0) wake_all(&barrier->opened);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void barrier_wait(struct barrier *barrier, uint32_t opened) {
  int64_t end = now() + spin_nanoseconds;
  do {
    for (int i = 0; i < 32; i++) {
      if (atomic_load_explicit(&barrier->opened, memory_order_acquire) != opened) return;
      pause_processor();
    }
  } while (now() < end);
  atomic_fetch_add(&barrier->sleeping, 1);
  while (atomic_load(&barrier->opened) == opened) wait_for_change(&barrier->opened, opened);
  atomic_fetch_sub(&barrier->sleeping, 1);
}
