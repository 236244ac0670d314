/* A crew of threads that works through the steps of a program together, and sleeps in between. */
#ifndef CREW_H
#define CREW_H

#include <stdatomic.h>
#include <stdint.h>

struct crew;

/* What each member of the crew is given to do; `member` counts from 0, the thread that calls crew_run. */
typedef void crew_work(void *context, int member);

/* `threads` members, the calling thread included. NULL where the system gives no more threads. */
struct crew *crew_open(int threads);
int crew_threads(const struct crew *crew);
/* Returns once all members have returned from `work`. */
void crew_run(struct crew *crew, crew_work *work, void *context);
void crew_close(struct crew *crew);

/* A point that all members of a crew reach before one of them passes. */
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
