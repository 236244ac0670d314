// The tensor-core instructions that kernels use, each behind one function: m16n8k16 products of bfloat16 with float32
// accumulation, 8x8 matrix loads from shared memory, and asynchronous copies to it (all sm_80 and later; PTX ISA 9.7).
#pragma once
#include "common.cuh"

#define LANE (threadIdx.x % 32)

#ifdef CUDA_EMULATION
struct EmulatedOperands {
  u32 a[4], b[2];
};
/** Element (row, column) of A or B out of the registers of the lane that holds it. */
static inline float emulatedElement(u32 pair, u32 column) {
  bfloat16 x = {(u16)(column % 2 ? pair >> 16 : pair & 0xffffu)};
  return toFloat(x);
}
#endif

/**
 * c [16, 8] += a [16, 16] b [16, 8]. With g = lane / 4, t = lane % 4: a holds rows g and g + 8 at columns 2t, 2t + 1,
 * then the same at columns 2t + 8, 2t + 9; b rows 2t, 2t + 1 and 2t + 8, 2t + 9 of column g; c rows g and g + 8 at
 * columns 2t, 2t + 1.
 */
__device__ __forceinline__ void multiplyTile(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
#ifdef CUDA_EMULATION
  const EmulatedOperands own = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
  EmulatedSlots* slots = emulated_exchange(&own, sizeof(own));
  const u32 g = LANE / 4, t = LANE % 4;
  for (u32 i = 0; i < 4; i++) {
    const u32 row = g + i / 2 * 8, column = 2 * t + i % 2;
    float sum = c[i];
    for (u32 k = 0; k < 16; k++) {
      const EmulatedOperands left = emulated_read<EmulatedOperands>(slots, row % 8 * 4 + k % 8 / 2);
      const EmulatedOperands right = emulated_read<EmulatedOperands>(slots, column * 4 + k % 8 / 2);
      sum += emulatedElement(left.a[row / 8 + k / 8 * 2], k) * emulatedElement(right.b[k / 8], k);
    }
    c[i] = sum;
  }
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

/**
 * Loads four 8x8 matrices of bfloat16; lane l gives the address of row l % 8 of matrix l / 8. Lane l receives of each
 * matrix the pair at row l / 4, columns 2 (l % 4) onwards; transposed: of its transpose.
 */
template <bool TRANSPOSED>
__device__ __forceinline__ void loadMatrices(u32 (&to)[4], const bfloat16* row) {
#ifdef CUDA_EMULATION
  EmulatedSlots* slots = emulated_exchange(&row, sizeof(row));
  const u32 g = LANE / 4, t = LANE % 4;
  for (u32 m = 0; m < 4; m++) {
    u16 low, high;
    if (TRANSPOSED) {
      low = emulated_read<const bfloat16*>(slots, m * 8 + 2 * t)[g].bits;
      high = emulated_read<const bfloat16*>(slots, m * 8 + 2 * t + 1)[g].bits;
    } else {
      const bfloat16* from = emulated_read<const bfloat16*>(slots, m * 8 + g);
      low = from[2 * t].bits;
      high = from[2 * t + 1].bits;
    }
    to[m] = (u32)low | ((u32)high << 16);
  }
#else
  const u32 address = (u32)__cvta_generic_to_shared(row);
  if (TRANSPOSED)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address));
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address));
#endif
}

/** Starts a copy of 16 bytes to shared memory; zeros where not `valid`. Both addresses are multiples of 16. */
__device__ __forceinline__ void copyAsync(void* shared, const void* global, bool valid) {
#ifdef CUDA_EMULATION
  emulated_copy_async(shared, valid ? global : nullptr);
#else
  const u32 address = (u32)__cvta_generic_to_shared(shared);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(valid ? 16 : 0));
#endif
}
/** Ends a group of copies. */
__device__ __forceinline__ void commitCopies() {
#ifdef CUDA_EMULATION
  emulated_commit_copies();
#else
  asm volatile("cp.async.commit_group;");
#endif
}
/** Waits for this thread's copies but those of the last `PENDING` groups; a barrier makes all threads' visible. */
template <int PENDING>
__device__ __forceinline__ void waitForCopies() {
#ifdef CUDA_EMULATION
  emulated_wait_for_copies(PENDING);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
#endif
}
