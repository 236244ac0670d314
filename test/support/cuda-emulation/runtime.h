#pragma once
#include <stddef.h>

#include "cuda_emulation.h"

/** Runs a whole grid. False: see emulated_last_failure. */
bool emulated_launch(const EmulatedKernel& kernel, dim3 grid, dim3 block, size_t sharedBytes, void** arguments);

extern "C" {
/** 0: threads of a block start in ascending order, 1: descending. A kernel without races does not notice. */
void emulated_set_order(int order);
const char* emulated_last_failure();
}
