// Lets a .cu file be compiled by a C++ compiler and its grid run on the CPU (see runtime.cpp).
//
// Threads of a block are fibers, run one at a time until they reach a barrier or a warp-wide operation; so a missing
// __syncthreads() is seen as wrong results (the launch order of the threads can be reversed, shared memory is poisoned
// before every block), and a barrier that not all threads reach is an error instead of a hang.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <utility>

#define CUDA_EMULATION 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#ifdef __SANITIZE_ADDRESS__
#define __shared__ static
#else
// A section of their own, so that the runtime can poison all of a kernel's shared variables before each block.
#define __shared__ static __attribute__((section("emulated_shared")))
#endif

struct dim3 {
  unsigned x, y, z;
};
struct EmulatedThread;
/** One value per lane of a warp-wide operation. */
struct EmulatedSlots {
  alignas(16) unsigned char lane[32][64];
};

extern "C" {
extern dim3 emulated_thread_index, emulated_block_index, emulated_block_size, emulated_grid_size;
extern unsigned char* emulated_dynamic_shared;
void emulated_barrier();
/** Waits until every lane of the warp has come with its value; the slots stay valid until the next but one call. */
EmulatedSlots* emulated_exchange(const void* value, unsigned bytes);
/** Asynchronous copies happen as late as they may: when the thread waits for their group. Null: zeros. */
void emulated_copy_async(void* shared, const void* global);
void emulated_commit_copies();
void emulated_wait_for_copies(unsigned pending);
}

#define threadIdx emulated_thread_index
#define blockIdx emulated_block_index
#define blockDim emulated_block_size
#define gridDim emulated_grid_size

static inline void __syncthreads() { emulated_barrier(); }
static inline void __syncwarp(unsigned = 0xffffffffu) { emulated_exchange("", 1); }
static inline unsigned emulated_lane() { return threadIdx.x & 31u; }

template <typename T>
static inline T emulated_read(EmulatedSlots* slots, unsigned lane) {
  T value;
  memcpy(&value, slots->lane[lane & 31u], sizeof(T));
  return value;
}
template <typename T>
static inline T __shfl_sync(unsigned, T value, int source) {
  return emulated_read<T>(emulated_exchange(&value, sizeof(T)), (unsigned)source);
}
template <typename T>
static inline T __shfl_xor_sync(unsigned, T value, int mask) {
  return emulated_read<T>(emulated_exchange(&value, sizeof(T)), emulated_lane() ^ (unsigned)mask);
}
template <typename T>
static inline T __shfl_down_sync(unsigned, T value, unsigned delta) {
  const unsigned from = emulated_lane() + delta;
  return emulated_read<T>(emulated_exchange(&value, sizeof(T)), from > 31u ? emulated_lane() : from);
}
static inline unsigned __ballot_sync(unsigned, int predicate) {
  const int vote = predicate != 0;
  EmulatedSlots* slots = emulated_exchange(&vote, sizeof(vote));
  unsigned votes = 0;
  for (unsigned lane = 0; lane < 32; lane++) votes |= (unsigned)emulated_read<int>(slots, lane) << lane;
  return votes;
}
static inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
static inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == 0xffffffffu; }

static inline int __ffs(unsigned x) { return __builtin_ffs((int)x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline float __uint_as_float(unsigned bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}
static inline unsigned __float_as_uint(float value) {
  unsigned bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}
// One fiber runs at a time, so plain read-modify-write is atomic.
template <typename T>
static inline T atomicAdd(T* address, T value) {
  const T old = *address;
  *address = old + value;
  return old;
}

template <typename F>
struct EmulatedCall;
template <typename... A>
struct EmulatedCall<void (*)(A...)> {
  static constexpr unsigned short sizes[] = {sizeof(A)..., 0};
  template <size_t... I>
  static void run(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*reinterpret_cast<A*>(arguments[I])...);
  }
  static void run(void (*kernel)(A...), void** arguments) {
    run(kernel, arguments, std::index_sequence_for<A...>{});
  }
};

/** What the driver finds in the shared object of a kernel file. */
struct EmulatedKernel {
  void (*run)(void** arguments);
  /** Sizes of the parameters, ended by 0. */
  const unsigned short* sizes;
  unsigned char* shared_begin;
  unsigned char* shared_end;
};

#ifdef __SANITIZE_ADDRESS__
#define EMULATED_SHARED_BEGIN nullptr
#define EMULATED_SHARED_END nullptr
#else
extern "C" __attribute__((weak, visibility("hidden"))) unsigned char __start_emulated_shared[];
extern "C" __attribute__((weak, visibility("hidden"))) unsigned char __stop_emulated_shared[];
#define EMULATED_SHARED_BEGIN __start_emulated_shared
#define EMULATED_SHARED_END __stop_emulated_shared
#endif

#define EMULATED_KERNEL(name)                                                                             \
  extern "C" __attribute__((visibility("default"))) EmulatedKernel emulated_kernel_##name() {              \
    return {[](void** arguments) { EmulatedCall<decltype(&name)>::run(&name, arguments); },                \
            EmulatedCall<decltype(&name)>::sizes, EMULATED_SHARED_BEGIN, EMULATED_SHARED_END};             \
  }
