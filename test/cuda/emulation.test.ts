/** The emulation itself: what is wrong in a kernel must not go unseen. */

import { describe, expect, test, vi } from 'vitest'
import { compilationTimeouts, emulationMissing } from '../support/cuda-emulation/build.ts'
import { EmulationControls } from '../support/cuda-emulation/emulated-device.ts'
import { runKernel } from '../support/cuda-emulation/run-kernel.ts'

vi.setConfig(compilationTimeouts)
const missing = emulationMissing()

describe.skipIf(missing !== null)(`the emulation of CUDA${missing === null ? '' : ` (${missing})`}`, () => {
  const reverse = `__shared__ float x[64];
    x[threadIdx.x] = threadIdx.x;
    BARRIER
    out[threadIdx.x] = x[63 - threadIdx.x];`

  test('runs threads with barriers', () => {
    const { status, out } = runKernel(reverse.replace('BARRIER', '__syncthreads();'))
    expect(status).toBe(0)
    expect([...out]).toEqual(Array.from({ length: 64 }, (_, i) => 63 - i))
  })

  test('shows a missing barrier as wrong numbers, whichever thread starts', () => {
    const controls = new EmulationControls()
    for (const order of ['ascending', 'descending'] as const) {
      controls.setOrder(order)
      expect(runKernel(reverse.replace('BARRIER', '')).out.some(Number.isNaN)).toBe(true)
    }
    controls.setOrder('ascending')
  })

  test('reports a barrier that not all threads reach', () => {
    const { status, failure } = runKernel(`
      if (threadIdx.x < 32) __syncthreads();
      else __shfl_sync(0xffffffffu, 1.0f, 0), emulated_exchange("", 1), __syncthreads();
      if (threadIdx.x == 40) for (;;) __syncthreads();
      if (threadIdx.x != 40) emulated_exchange("", 1);`)
    expect(status).not.toBe(0)
    expect(failure).toMatch(/wait|lane/)
  })

  test('reports a warp-wide operation after lanes have left', () => {
    const { status, failure } = runKernel('if (threadIdx.x % 2) return; out[0] = __shfl_sync(0xffffffffu, 1.0f, 0);')
    expect(status).toBe(719)
    expect(failure).toMatch(/lane/)
  })

  test('does asynchronous copies only when they are waited for', () => {
    const copy = `alignas(16) __shared__ float x[64];
      if (threadIdx.x < 16) { out[threadIdx.x] = threadIdx.x; }
      __syncthreads();
      if (threadIdx.x < 4) emulated_copy_async(x + threadIdx.x * 4, out + threadIdx.x * 4);
      emulated_commit_copies();
      WAIT
      __syncthreads();
      out[threadIdx.x] = x[threadIdx.x % 16];
      __syncthreads();
      emulated_wait_for_copies(0);`
    const waited = runKernel(copy.replace('WAIT', 'emulated_wait_for_copies(0);'))
    expect([...waited.out.subarray(0, 16)]).toEqual(Array.from({ length: 16 }, (_, i) => i))
    expect(runKernel(copy.replace('WAIT', '')).out.some(Number.isNaN)).toBe(true)
  })

  test('hands over the values of warp-wide operations', () => {
    const { out } = runKernel(`
      float x = threadIdx.x;
      for (int mask = 16; mask > 0; mask >>= 1) x += __shfl_xor_sync(0xffffffffu, x, mask);
      out[threadIdx.x] = x;`)
    expect([...new Set(out)]).toEqual([496, 496 + 32 * 32])
    const ballot = runKernel('out[threadIdx.x] = __popc(__ballot_sync(0xffffffffu, threadIdx.x % 4 == 0));')
    expect([...new Set(ballot.out)]).toEqual([8])
  })
})
