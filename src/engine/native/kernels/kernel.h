/*
 * What every kernel of the native engine looks like.
 *
 * A kernel is one step of a program. Every thread of the pool calls it with the same arguments and does its share of
 * the work, which `worker` names; the pool waits for all of them before the next step. Arguments are structs of 8-byte
 * fields only (pointers, int64_t, double), so that a table of steps is easy to write from outside.
 *
 * A kernel that needs working memory has a function `<kernel>_scratch(arguments, threads)`, which reads the sizes (not
 * the pointers) and returns the bytes that each thread needs in `worker->scratch`, aligned to 64 bytes. What scratch
 * holds is lost between kernels.
 *
 * Matrices are row-major. A stride is the distance between two rows, in elements.
 */
#ifndef VIDEOMAE_KERNEL_H
#define VIDEOMAE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

struct worker {
  int64_t thread;  /* 0 to threads - 1 */
  int64_t threads;
  void *scratch;
};

typedef void kernel_function(const void *arguments, const struct worker *worker);
typedef int64_t scratch_function(const void *arguments, int64_t threads);

/* The upper 16 bits of a float. */
typedef uint16_t bfloat16;

/* Part `part` of `parts` of the range 0 to count: [first, end), parts differ by one at most. */
static inline void share(int64_t count, int64_t part, int64_t parts, int64_t *first, int64_t *end) {
  *first = count * part / parts;
  *end = count * (part + 1) / parts;
}

#endif
