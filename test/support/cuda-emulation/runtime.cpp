// Runs the grid of an emulated kernel: blocks one behind the other, threads of a block as fibers.
#include "runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <vector>
#ifndef __x86_64__
#include <ucontext.h>
#endif

dim3 emulated_thread_index, emulated_block_index, emulated_block_size, emulated_grid_size;
unsigned char* emulated_dynamic_shared;

namespace {
constexpr unsigned maximumThreads = 1024;
constexpr size_t stackBytes = 256 << 10;

enum class State { ready, barrier, warp, done };

struct Fiber {
  State state;
  unsigned long waitsFor;
  dim3 index;
#ifdef __x86_64__
  void* stackPointer;
#else
  ucontext_t context;
#endif
};

struct Warp {
  unsigned lanes, arrived;
  unsigned long round;
  EmulatedSlots slots[2];
};

struct Copy {
  void* to;
  const void* from;
  unsigned group;
};
/** Of one thread: copies not yet done, and the group that is being filled. */
struct Copies {
  std::vector<Copy> list;
  unsigned group = 0;
};

Fiber fibers[maximumThreads];
Copies copies[maximumThreads];
Warp warps[maximumThreads / 32];
unsigned char* stacks;
unsigned current, live, arrived;
unsigned long barrierRound;
int launchOrder;
char failure[256];
void (*runKernel)(void**);
void** kernelArguments;

#ifdef __x86_64__
void* schedulerStack;
// Saves the callee-saved registers on the old stack and takes up where the new one was left.
extern "C" void emulated_switch(void** save, void* load);
asm(R"(
.text
.globl emulated_switch
.hidden emulated_switch
.type emulated_switch,@function
emulated_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
#else
ucontext_t schedulerContext;
#endif

void toScheduler() {
#ifdef __x86_64__
  emulated_switch(&fibers[current].stackPointer, schedulerStack);
#else
  swapcontext(&fibers[current].context, &schedulerContext);
#endif
}

void fail(const char* message) {
  if (failure[0] == 0) snprintf(failure, sizeof(failure), "%s", message);
}

void fiberMain() {
  runKernel(kernelArguments);
  fibers[current].state = State::done;
  live--;
  if (!copies[current].list.empty()) fail("a thread left the kernel without waiting for its asynchronous copies");
  Warp& warp = warps[current / 32];
  // Lanes that wait for this one would wait for ever.
  if (warp.arrived > 0) fail("a lane left the kernel while others of its warp wait for it in a warp-wide operation");
  warp.lanes--;
  if (arrived > 0 && arrived == live) {
    arrived = 0;
    barrierRound++;
  }
  toScheduler();
  abort();  // a finished fiber is never resumed
}

void prepareFiber(unsigned i) {
  Fiber& fiber = fibers[i];
  fiber.state = State::ready;
  copies[i].list.clear();
  copies[i].group = 0;
  unsigned char* top = stacks + (i + 1) * stackBytes;
#ifdef __x86_64__
  void** stack = reinterpret_cast<void**>(top);
  *--stack = nullptr;  // where fiberMain would return to; keeps the stack aligned as after a call
  *--stack = reinterpret_cast<void*>(&fiberMain);
  stack -= 6;
  memset(stack, 0, 6 * sizeof(void*));
  fiber.stackPointer = stack;
#else
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = top - stackBytes;
  fiber.context.uc_stack.ss_size = stackBytes;
  makecontext(&fiber.context, fiberMain, 0);
#endif
}

void resume(unsigned i) {
  current = i;
  emulated_thread_index = fibers[i].index;
#ifdef __x86_64__
  emulated_switch(&schedulerStack, fibers[i].stackPointer);
#else
  swapcontext(&schedulerContext, &fibers[i].context);
#endif
}

bool canRun(const Fiber& fiber, unsigned i) {
  switch (fiber.state) {
    case State::ready: return true;
    case State::barrier: return barrierRound != fiber.waitsFor;
    case State::warp: return warps[i / 32].round != fiber.waitsFor;
    case State::done: return false;
  }
  return false;
}

void runBlock(unsigned threads) {
  live = threads;
  arrived = 0;
  for (unsigned i = 0; i < threads; i++) prepareFiber(i);
  for (unsigned w = 0; w * 32 < threads; w++) {
    const unsigned rest = threads - w * 32;
    warps[w].lanes = rest < 32 ? rest : 32;
    warps[w].arrived = 0;
  }
  while (live > 0 && failure[0] == 0) {
    bool progress = false;
    for (unsigned k = 0; k < threads && failure[0] == 0; k++) {
      const unsigned i = launchOrder == 0 ? k : threads - 1 - k;
      if (!canRun(fibers[i], i)) continue;
      progress = true;
      fibers[i].state = State::ready;
      resume(i);
    }
    if (!progress) fail("threads wait for a barrier or a warp-wide operation that the others never reach");
  }
}
}  // namespace

void emulated_barrier() {
  if (++arrived == live) {
    arrived = 0;
    barrierRound++;
    return;
  }
  fibers[current].state = State::barrier;
  fibers[current].waitsFor = barrierRound;
  toScheduler();
}

EmulatedSlots* emulated_exchange(const void* value, unsigned bytes) {
  Warp& warp = warps[current / 32];
  if (warp.lanes != 32) fail("a warp-wide operation in a warp of which lanes have left or never were");
  EmulatedSlots* slots = &warp.slots[warp.round & 1];
  memcpy(slots->lane[current & 31], value, bytes);
  if (++warp.arrived == warp.lanes) {
    warp.arrived = 0;
    warp.round++;
    return slots;
  }
  fibers[current].state = State::warp;
  fibers[current].waitsFor = warp.round;
  toScheduler();
  return slots;
}

void emulated_copy_async(void* shared, const void* global) {
  if (((size_t)shared | (size_t)global) % 16 != 0) fail("an asynchronous copy from or to an address not a multiple of 16");
  copies[current].list.push_back({shared, global, copies[current].group});
}

void emulated_commit_copies() { copies[current].group++; }

void emulated_wait_for_copies(unsigned pending) {
  Copies& own = copies[current];
  std::vector<Copy> left;
  for (const Copy& copy : own.list) {
    // The groups group - pending .. group - 1 may continue; copies of a group not yet ended are not waited for.
    if (copy.group + pending >= own.group) left.push_back(copy);
    else if (copy.from == nullptr) memset(copy.to, 0, 16);
    else memcpy(copy.to, copy.from, 16);
  }
  own.list.swap(left);
}

void emulated_set_order(int order) { launchOrder = order; }

const char* emulated_last_failure() { return failure; }

bool emulated_launch(const EmulatedKernel& kernel, dim3 grid, dim3 block, size_t sharedBytes, void** arguments) {
  const unsigned threads = block.x * block.y * block.z;
  failure[0] = 0;
  if (threads == 0 || threads > maximumThreads || grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 ||
      grid.z > 65535) {
    fail("the grid or the block is empty or larger than CUDA allows");
    return false;
  }
  if (sharedBytes > (227 << 10)) {
    fail("more shared memory than a block of any GPU has");
    return false;
  }
  if (stacks == nullptr) {
    void* memory = mmap(nullptr, maximumThreads * stackBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      fail("no memory for the stacks of the threads");
      return false;
    }
    stacks = static_cast<unsigned char*>(memory);
  }
  unsigned i = 0;
  for (unsigned z = 0; z < block.z; z++)
    for (unsigned y = 0; y < block.y; y++)
      for (unsigned x = 0; x < block.x; x++) fibers[i++].index = {x, y, z};
  runKernel = kernel.run;
  kernelArguments = arguments;
  emulated_grid_size = grid;
  emulated_block_size = block;
  // Allocated for every launch and exactly as large as asked for: the address sanitizer sees what is beyond.
  void* shared = nullptr;
  if (posix_memalign(&shared, 128, sharedBytes) != 0) {
    fail("no memory for the shared memory of a block");
    return false;
  }
  emulated_dynamic_shared = static_cast<unsigned char*>(shared);
  for (unsigned z = 0; z < grid.z && failure[0] == 0; z++)
    for (unsigned y = 0; y < grid.y && failure[0] == 0; y++)
      for (unsigned x = 0; x < grid.x && failure[0] == 0; x++) {
        emulated_block_index = {x, y, z};
        if (sharedBytes > 0) memset(emulated_dynamic_shared, 0xff, sharedBytes);
        if (kernel.shared_begin != nullptr)
          memset(kernel.shared_begin, 0xff, (size_t)(kernel.shared_end - kernel.shared_begin));
        runBlock(threads);
      }
  free(emulated_dynamic_shared);
  emulated_dynamic_shared = nullptr;
  return failure[0] == 0;
}
