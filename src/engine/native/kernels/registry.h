/* Kernels by name, for the table of steps that session-plan.ts writes. */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "kernel.h"

struct kernel_entry {
  const char *name;
  kernel_function *kernel;
  scratch_function *scratch; /* NULL: none is needed */
  int64_t argument_bytes;
};

extern const struct kernel_entry kernel_entries[];
extern const int64_t kernel_count;

#endif
