/**
 * Runs operations with kernels compiled for the address sanitizer and every value in memory of its own; a bad access
 * ends the process. sanitizer.test.ts starts this with the sanitizer's library loaded:
 *
 *     LD_PRELOAD=$(g++ -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 node --import tsx test/cuda/sanitize.ts all
 *
 * Arguments: names of operations, `all`, or `planted` for a kernel that writes one element too far.
 */
import fc from 'fast-check'
import { type OperationName, operations } from '../../src/graph/operations/index.ts'
import { runKernel } from '../support/cuda-emulation/run-kernel.ts'
import { operationCases } from '../support/operation-cases.ts'
import { roundLeaves, runOnDevice } from '../support/run-operation-case.ts'

const wanted = process.argv.slice(2)
if (wanted.includes('planted')) runKernel('out[threadIdx.x + 1] = 1.0f;', { addressSanitizer: true })
const names = Object.keys(operations).filter((name) => wanted.includes('all') || wanted.includes(name))
let runs = 0
// Every head width of attention is a compilation of its own.
const cases = wanted.includes('all') ? 3 : 1
for (const name of names as OperationName[]) {
  for (const made of fc.sample(operationCases[name], { seed: 20261129, numRuns: cases })) {
    for (const precision of ['float32', 'bfloat16'] as const) {
      const options = { precision, leavesAsActivations: precision === 'bfloat16', isolateValues: true }
      await runOnDevice(roundLeaves(made), { ...options, device: { addressSanitizer: true } })
      runs++
    }
  }
}
console.log(`${runs} runs without a bad access`)
