// What the parts of the emulated driver have in common.
#pragma once
#include <functional>

#include "runtime.h"

enum {
  success = 0,
  invalidValue = 1,
  outOfMemory = 2,
  fileNotFound = 301,
  invalidHandle = 400,
  notFound = 500,
  illegalState = 401,
  notReady = 600,
  illegalAddress = 700,
  launchFailed = 719,
  captureInvalidated = 901,
  captureUnjoined = 904,
};
typedef unsigned long long Pointer;
using Work = std::function<int()>;

/** Puts work on a stream. `what` and `bytes` are for the log. */
int emulated_put(const char* what, void* stream, size_t bytes, Work work);
/** Does all work that this thread has put on streams. */
int emulated_work_all();
