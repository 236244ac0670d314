// What every kernel file shares. No CUDA header is needed: NVRTC compiles these files as they are, and so does a C++
// compiler against the emulation of the tests, which defines CUDA_EMULATION.
#pragma once

typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;
typedef unsigned long long u64;

#define ALL_LANES 0xffffffffu

#ifdef CUDA_EMULATION
#define DYNAMIC_SHARED(name) unsigned char* name = emulated_dynamic_shared
#else
#define DYNAMIC_SHARED(name) extern __shared__ __align__(128) unsigned char name[]
#endif

/** Upper half of a float32; rounded to nearest even. */
struct bfloat16 {
  u16 bits;
};

__device__ __forceinline__ float toFloat(float x) { return x; }
__device__ __forceinline__ float toFloat(bfloat16 x) { return __uint_as_float((u32)x.bits << 16); }

__device__ __forceinline__ void fromFloat(float& to, float x) { to = x; }
__device__ __forceinline__ void fromFloat(bfloat16& to, float x) {
#ifdef CUDA_EMULATION
  const u32 bits = __float_as_uint(x);
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  to.bits = (u16)((nan ? bits | 0x400000u : bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
#else
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(to.bits) : "f"(x));
#endif
}

/** Two bfloat16 in one register, `low` in the lower half. */
__device__ __forceinline__ u32 packPair(float low, float high) {
#ifdef CUDA_EMULATION
  bfloat16 l, h;
  fromFloat(l, low);
  fromFloat(h, high);
  return (u32)l.bits | ((u32)h.bits << 16);
#else
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#endif
}

// ELEMENT: the type of activations, float or bfloat16; set when the file is compiled.
#ifndef ELEMENT
#define ELEMENT float
#endif
typedef ELEMENT Element;

/** Elements of one 16-byte access. */
#define PACK (16 / (u32)sizeof(Element))

template <typename T, u32 N>
struct __attribute__((aligned(sizeof(T) * N))) Pack {
  T v[N];
};
typedef Pack<Element, PACK> ElementPack;

__device__ __forceinline__ ElementPack loadPack(const Element* from) {
  return *reinterpret_cast<const ElementPack*>(from);
}
__device__ __forceinline__ void storePack(Element* to, const ElementPack& pack) {
  *reinterpret_cast<ElementPack*>(to) = pack;
}

__device__ __forceinline__ float warpSum(float x) {
#pragma unroll
  for (int mask = 16; mask > 0; mask >>= 1) x += __shfl_xor_sync(ALL_LANES, x, mask);
  return x;
}
__device__ __forceinline__ float warpMaximum(float x) {
#pragma unroll
  for (int mask = 16; mask > 0; mask >>= 1) x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, mask));
  return x;
}

/** Sum over a block whose size is a multiple of 32; every thread gets it. `scratch`: 32 floats of shared memory. */
__device__ __forceinline__ float blockSum(float x, float* scratch) {
  x = warpSum(x);
  const u32 warps = blockDim.x / 32;
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  float sum = 0.0f;
  for (u32 w = 0; w < warps; w++) sum += scratch[w];
  return sum;
}
__device__ __forceinline__ float blockMaximum(float x, float* scratch) {
  x = warpMaximum(x);
  const u32 warps = blockDim.x / 32;
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  float maximum = scratch[0];
  for (u32 w = 1; w < warps; w++) maximum = fmaxf(maximum, scratch[w]);
  return maximum;
}

#define NEGATIVE_INFINITY __uint_as_float(0xff800000u)
