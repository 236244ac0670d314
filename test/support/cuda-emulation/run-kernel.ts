import koffi from 'koffi'
import { CudaLibrary } from '../../../src/engine/cuda/driver/cuda-library.ts'
import type { KernelFile } from '../../../src/engine/cuda/kernel-files.ts'
import { buildEmulatedLibraries, EmulatedCompiler } from './build.ts'
import { EmulationControls } from './emulated-device.ts'

/** Compiles and runs one block of `threads` threads of a kernel `test(float* out)` over 64 floats. */
export function runKernel(
  body: string,
  { threads = 64, addressSanitizer = false } = {},
): { status: number; failure: string; out: Float32Array } {
  const text = `extern "C" __global__ void test(float* out) {\n${body}\n}`
  const file: KernelFile = { name: 'inline-test.cu', text, headers: new Map(), digest: text }
  const libraries = buildEmulatedLibraries()
  const image = new EmulatedCompiler(libraries, { addressSanitizer }).compileText(file, text, [])
  const cuda = new CudaLibrary(libraries)
  const stream = cuda.handle('cuStreamCreate', 1)
  const module = cuda.handle('cuModuleLoadData', image)
  const kernel = cuda.handle('cuModuleGetFunction', module, 'test')
  const memory = cuda.handle('cuMemAlloc_v2', 256)
  const value = new BigUint64Array([memory])
  const pointers = new BigUint64Array([koffi.address(value)])
  cuda.call('cuLaunchKernel', kernel, 1, 1, 1, threads, 1, 1, 0, stream, pointers, 0n)
  const status = cuda.status('cuStreamSynchronize', stream)
  const text2 = new BigUint64Array(1)
  cuda.status('cuGetErrorString', status, text2)
  const out = new Float32Array(koffi.view(memory, 256)).slice()
  new EmulationControls().resetError()
  cuda.call('cuMemFree_v2', memory)
  return { status, failure: koffi.decode.string(text2[0]), out }
}
