/* A pool of threads that works through the steps of a program together, and sleeps in between. */
#ifndef POOL_H
#define POOL_H

#include <stdatomic.h>
#include <stdint.h>

struct pool;

/* What each member of the pool is given to do; `member` counts from 0, the thread that calls pool_run. */
typedef void pool_work(void *context, int member);

/* `threads` members, the calling thread included. NULL where the system gives no more threads. */
struct pool *pool_open(int threads);
int pool_threads(const struct pool *pool);
/* Returns once all members have returned from `work`. */
void pool_run(struct pool *pool, pool_work *work, void *context);
void pool_close(struct pool *pool);

/* A point that all members of a pool reach before one of them passes. */
struct barrier {
  _Atomic uint32_t arrived;
  /* How often the barrier has opened; what waiting members look at. */
  _Atomic uint32_t opened;
  _Atomic uint32_t sleeping;
};

/* Adds the caller to those who have arrived. True for the last one, who has to call barrier_open. */
int barrier_arrive(struct barrier *barrier, int threads, uint32_t *opened);
void barrier_open(struct barrier *barrier);
/* For all but the last: looks at the barrier for some microseconds, then sleeps until it opens. */
void barrier_wait(struct barrier *barrier, uint32_t opened);

#endif
