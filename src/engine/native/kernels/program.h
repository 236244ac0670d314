/* A program: a table of steps that a pool works through, one step at a time. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "pool.h"
#include "kernel.h"

struct program_step {
  kernel_function *kernel;
  const void *arguments;
  /* Parts that the work is divided into; 0: as many as there are threads. Threads take parts until none is left. */
  int64_t parts;
};

/* Results of native_run, as session.ts knows them. */
enum { PROGRAM_DONE = 0, PROGRAM_CANCELED = 1, PROGRAM_REFUSED = 2 };

struct program {
  const struct program_step *steps;
  int64_t count;
  /* From this step on the state changes: a run that has come here is no longer canceled. */
  int64_t commit;
  /* Nanoseconds of each step, or NULL. */
  int64_t *times;
  /* Set by the caller, from any thread. */
  _Atomic int64_t cancel;
  /* Set by a kernel that is given an index outside of what it indexes. */
  _Atomic int64_t refused;
  /* Step that was under way when the run ended early. */
  int64_t stopped;
};

#endif
