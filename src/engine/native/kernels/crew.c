#define _GNU_SOURCE
#include "crew.h"

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
  struct crew *crew;
  int number;
  pthread_t thread;
};

struct crew {
  int threads;
  /* How often work was handed out; members sleep on it. */
  _Atomic uint32_t started;
  _Atomic uint32_t working;
  _Atomic uint32_t closing;
  crew_work *work;
  void *context;
  struct member members[];
};

static void *serve(void *argument) {
  struct member *self = argument;
  struct crew *crew = self->crew;
  uint32_t seen = 0;
  for (;;) {
    while (atomic_load(&crew->started) == seen) wait_for_change(&crew->started, seen);
    seen++;
    if (atomic_load(&crew->closing)) return NULL;
    crew->work(crew->context, self->number);
    if (atomic_fetch_sub(&crew->working, 1) == 1) wake_all(&crew->working);
  }
}

struct crew *crew_open(int threads) {
  struct crew *crew = calloc(1, sizeof *crew + (size_t)threads * sizeof(struct member));
  if (crew == NULL) return NULL;
  crew->threads = 1;
  for (int i = 1; i < threads; i++) {
    struct member *member = &crew->members[i];
    member->crew = crew;
    member->number = i;
    if (pthread_create(&member->thread, NULL, serve, member) != 0) {
      crew_close(crew);
      return NULL;
    }
    crew->threads = i + 1;
  }
  return crew;
}

int crew_threads(const struct crew *crew) { return crew->threads; }

void crew_run(struct crew *crew, crew_work *work, void *context) {
  if (crew->threads > 1) {
    crew->work = work;
    crew->context = context;
    atomic_store(&crew->working, (uint32_t)crew->threads - 1);
    atomic_fetch_add(&crew->started, 1);
    wake_all(&crew->started);
  }
  work(context, 0);
  for (;;) {
    uint32_t working = atomic_load(&crew->working);
    if (working == 0) return;
    wait_for_change(&crew->working, working);
  }
}

void crew_close(struct crew *crew) {
  atomic_store(&crew->closing, 1);
  atomic_fetch_add(&crew->started, 1);
  wake_all(&crew->started);
  for (int i = 1; i < crew->threads; i++) pthread_join(crew->members[i].thread, NULL);
  free(crew);
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
