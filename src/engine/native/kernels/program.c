#define _GNU_SOURCE
#include "program.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define EXPORT __attribute__((visibility("default")))

struct run {
  struct program *program;
  int threads;
  struct barrier barrier;
  _Atomic int64_t step;
  _Atomic int64_t next_part;
  char *scratch;
  int64_t scratch_bytes;
  int64_t result;
  int64_t started;
};

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Numbers too small to matter are zero: some processors take a hundred times longer for them. */
static uint64_t flush_denormals(void) {
#if defined(__x86_64__)
  uint32_t before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);
  return before;
#elif defined(__aarch64__)
  uint64_t before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before));
  __asm__ volatile("msr fpcr, %0" : : "r"(before | (1ull << 24)));
  return before;
#else
  return 0;
#endif
}

static void restore_denormals(uint64_t before) {
#if defined(__x86_64__)
  _mm_setcsr((uint32_t)before);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
  (void)before;
#endif
}

/* What the last member to finish a step does before the others go on. */
static void finish_step(struct run *run, int64_t step) {
  struct program *program = run->program;
  if (program->times != NULL) {
    int64_t time = now();
    program->times[step] = time - run->started;
    run->started = time;
  }
  int64_t next = step + 1;
  if (atomic_load(&program->refused)) run->result = PROGRAM_REFUSED;
  else if (next < program->commit && atomic_load(&program->cancel)) run->result = PROGRAM_CANCELED;
  if (run->result != PROGRAM_DONE) {
    program->stopped = step;
    next = program->count;
  }
  atomic_store(&run->next_part, 0);
  atomic_store(&run->step, next);
}

static void work(void *context, int member) {
  struct run *run = context;
  const struct program *program = run->program;
  uint64_t control = flush_denormals();
  for (;;) {
    int64_t step = atomic_load(&run->step);
    if (step >= program->count) break;
    const struct program_step *current = &program->steps[step];
    int64_t parts = current->parts > 0 ? current->parts : run->threads;
    for (;;) {
      int64_t part = atomic_fetch_add(&run->next_part, 1);
      if (part >= parts) break;
      struct worker worker = {part, parts, run->scratch + member * run->scratch_bytes};
      current->kernel(current->arguments, &worker);
    }
    uint32_t opened;
    if (barrier_arrive(&run->barrier, run->threads, &opened)) {
      finish_step(run, step);
      barrier_open(&run->barrier);
    } else {
      barrier_wait(&run->barrier, opened);
    }
  }
  restore_denormals(control);
}

/*
 * Works through all steps of a program. Returns PROGRAM_DONE, or why it ended early; `stopped` then says where.
 * `scratch`: scratch_bytes for every thread of the pool, a multiple of 64.
 */
EXPORT int64_t native_run(struct pool *pool, struct program *program, void *scratch, int64_t scratch_bytes) {
  struct run run = {
      .program = program,
      .threads = pool_threads(pool),
      .scratch = scratch,
      .scratch_bytes = scratch_bytes,
      .started = now(),
  };
  program->stopped = -1;
  atomic_store(&program->refused, 0);
  pool_run(pool, work, &run);
  return run.result;
}

EXPORT struct pool *native_pool_open(int32_t threads) { return pool_open(threads); }

EXPORT void native_pool_close(struct pool *pool) { pool_close(pool); }

/*
 * Memory that is zero, at a multiple of 64 bytes; NULL where there is none. `apart`: from the heap, so that a memory
 * checker sees accesses beyond it; otherwise from the system, in huge pages where it has them.
 */
EXPORT void *native_allocate(uint64_t bytes, int32_t apart) {
  if (bytes == 0) bytes = 64;
  if (apart) {
    void *memory = NULL;
    if (posix_memalign(&memory, 64, bytes) != 0) return NULL;
    for (uint64_t i = 0; i < bytes; i++) ((volatile char *)memory)[i] = 0;
    return memory;
  }
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return memory;
}

EXPORT void native_free(void *memory, uint64_t bytes, int32_t apart) {
  if (apart) free(memory);
  else munmap(memory, bytes == 0 ? 64 : bytes);
}
