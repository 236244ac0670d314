/** The engine as users open it, over emulated CUDA libraries: search, probe, kernel cache, worker thread. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { CacheDirectory } from '../../src/engine/cache-directory.ts'
import { findLibraries, findNccl } from '../../src/engine/cuda/driver/find.ts'
import { NvrtcCompiler } from '../../src/engine/cuda/driver/kernel-compiler.ts'
import { NvrtcLibrary } from '../../src/engine/cuda/driver/nvrtc-library.ts'
import { cudaEngine, howToUse, inThreadCudaEngine } from '../../src/engine/cuda/index.ts'
import { defineOptions, readKernelFile } from '../../src/engine/cuda/kernel-files.ts'
import { Graph } from '../../src/graph/graph.ts'
import { gelu } from '../../src/graph/operations/elementwise.ts'
import { linear } from '../../src/graph/operations/linear.ts'
import { buildEmulatedToolkit, compilationTimeouts, emulationMissing } from '../support/cuda-emulation/build.ts'

vi.setConfig(compilationTimeouts)
const missing = emulationMissing()
const temporary = (name: string): string => mkdtempSync(path.join(os.tmpdir(), `videomae-${name}-`))

function smallProgram() {
  const graph = new Graph('small')
  const x = graph.input('x', [2, 8])
  return graph.build({ y: gelu(linear(x, graph.state('w', [4, 8]))) })
}

/** Phi(x) by the trapezoidal rule. */
function normalCumulative(x: number): number {
  const steps = 20_000
  const [from, width] = [-10, (x + 10) / steps]
  let area = 0
  for (let i = 0; i <= steps; i++) {
    const t = from + i * width
    area += (Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI)) * (i === 0 || i === steps ? 0.5 : 1)
  }
  return area * width
}

describe('the search for CUDA libraries', () => {
  const nothing = { variables: { PATH: '' }, linkerFolders: () => [] }

  test('finds a toolkit and the folders of Python wheels, newest version first', () => {
    const [toolkit, python] = [temporary('toolkit'), temporary('python')]
    const wheels = path.join(python, 'lib', 'python3.12', 'site-packages', 'nvidia', 'cublas', 'lib')
    for (const folder of [path.join(toolkit, 'lib64'), wheels]) mkdirSync(folder, { recursive: true })
    for (const name of ['libnvrtc.so.12', 'libnvrtc.so.13', 'libnvrtc.alt.so.13', 'libnvrtc-builtins.so.13.0']) {
      writeFileSync(path.join(toolkit, 'lib64', name), '')
    }
    writeFileSync(path.join(wheels, 'libcublasLt.so.13'), '')
    const variables = { PATH: '', CUDA_HOME: toolkit, VIRTUAL_ENV: python }
    const { found } = findLibraries({ ...nothing, variables })
    expect(found.nvrtc).toEqual({
      path: path.join(toolkit, 'lib64', 'libnvrtc.so.13'),
      source: 'the toolkit of CUDA_HOME',
    })
    expect(found.cublasLt?.path).toBe(path.join(wheels, 'libcublasLt.so.13'))
    expect(findNccl({ ...nothing, variables })).toBeNull()
    const nccl = path.join(path.dirname(path.dirname(wheels)), 'nccl', 'lib')
    mkdirSync(nccl, { recursive: true })
    writeFileSync(path.join(nccl, 'libnccl.so.2'), '')
    expect(findNccl({ ...nothing, variables })?.path).toBe(path.join(nccl, 'libnccl.so.2'))
  })

  test('says how to get what is missing', () => {
    const empty = temporary('empty')
    const search = findLibraries({ ...nothing, variables: { PATH: '', VIDEOMAE_CUDA_LIBRARIES: empty } })
    expect(search.searched).toContain(empty)
    for (const { role, advice } of search.missing) {
      expect(search.found[role]).toBeUndefined()
      expect(advice).toMatch(/install/)
    }
  })
})

describe.skipIf(missing !== null)(`the CUDA engine${missing === null ? '' : ` (${missing})`}`, () => {
  const { VIDEOMAE_CUDA_LIBRARIES, VIDEOMAE_CACHE } = process.env
  beforeAll(() => {
    process.env.VIDEOMAE_CUDA_LIBRARIES = buildEmulatedToolkit()
    process.env.VIDEOMAE_CACHE = temporary('cache')
  })
  afterAll(() => {
    for (const [name, value] of Object.entries({ VIDEOMAE_CUDA_LIBRARIES, VIDEOMAE_CACHE })) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })

  test('names the GPU it finds, and how to use it', async () => {
    const { available, detail } = await inThreadCudaEngine.probe()
    expect(available).toBe(true)
    expect(detail).toMatch(/emulated device \(sm_90, 4 GiB\)/)
    expect(detail).toContain(howToUse)
  })

  test('is not available where a library does not load, or the compiler makes no kernels', async () => {
    const whole = buildEmulatedToolkit()
    const names = readdirSync(whole).filter((name) => name.startsWith('lib'))
    const folder = temporary('half')
    for (const name of names) {
      if (name.startsWith('libnvrtc')) writeFileSync(path.join(folder, name), '')
      else symlinkSync(path.join(whole, name), path.join(folder, name))
    }
    vi.stubEnv('VIDEOMAE_CUDA_LIBRARIES', folder)
    const half = await inThreadCudaEngine.probe()
    expect(half).toMatchObject({ available: false, detail: expect.stringContaining('cannot be loaded') })
    vi.stubEnv('VIDEOMAE_CUDA_LIBRARIES', whole)
    vi.stubEnv('PATH', path.join(folder, 'no-programs')) // the compiler of the emulation
    const trial = await inThreadCudaEngine.probe()
    expect(trial).toMatchObject({ available: false, detail: expect.stringContaining('trial.cu did not compile') })
    vi.unstubAllEnvs()
  })

  test.each([
    ['in the calling thread', inThreadCudaEngine],
    ['in a worker thread', cudaEngine],
  ])('runs a program %s', async (_, engine) => {
    const session = await engine.open([smallProgram()], { device: 'cuda:0' })
    const w = Float32Array.from({ length: 32 }, (_, i) => (i % 5) - 2)
    await session.writeState(new Map([['w', w]]))
    const x = Float32Array.from({ length: 16 }, (_, i) => i / 8)
    for (let run = 0; run < 3; run++) {
      const { y } = await session.run('small', { x })
      const sum = x.subarray(0, 8).reduce((total, value, i) => total + value * w[i], 0)
      expect(y[0]).toBeCloseTo(sum * normalCumulative(sum), 4)
      expect(y.every(Number.isFinite)).toBe(true)
    }
    await session.close()
    const cached = readdirSync(path.join(process.env.VIDEOMAE_CACHE ?? '', 'cuda'))
    expect(cached.filter((name) => /^gelu-sm_90-[0-9a-f]{32}\.cubin$/.test(name))).toHaveLength(1)
  })

  test('keeps compiled kernels by source, architecture and options', () => {
    const cache = new CacheDirectory(temporary('kernels'))
    const compiler = new NvrtcCompiler(path.join(buildEmulatedToolkit(), 'libnvrtc.so.13'), cache)
    const file = readKernelFile('scale')
    const first = compiler.compile(file, 'sm_90', ['-DELEMENT=float'])
    const kept = (): string[] => readdirSync(cache.directory).sort()
    const [name] = kept()
    // What is in the cache is taken as it is, if it is whole.
    truncateSync(path.join(cache.directory, name), 20)
    expect(compiler.compile(file, 'sm_90', ['-DELEMENT=float'])).toHaveLength(first.length)
    cache.write(name, 'kept')
    expect(Buffer.from(compiler.compile(file, 'sm_90', ['-DELEMENT=float'])).toString()).toBe('kept')
    expect(kept()).toEqual([name])
    const others = [
      compiler.compile({ ...file, digest: 'another source' }, 'sm_90', ['-DELEMENT=float']),
      compiler.compile(file, 'sm_80', ['-DELEMENT=float']),
      compiler.compile(file, 'sm_90', ['-DELEMENT=bfloat16']),
    ]
    for (const made of others) expect(made).not.toEqual(Buffer.from('kept'))
    expect(first.length).toBeGreaterThan(0)
    expect(kept()).toHaveLength(4)
  })

  test('refuses a GPU that is not there', async () => {
    await expect(inThreadCudaEngine.open([smallProgram()], { device: 'cuda:1' })).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
    })
    await expect(inThreadCudaEngine.open([smallProgram()], { device: 'gpu' })).rejects.toThrow(/cuda:<number>/)
  })
})

const nvrtc = findLibraries().found.nvrtc
describe.skipIf(nvrtc === undefined || !existsSync(nvrtc.path))('NVRTC, where it is installed', () => {
  test('compiles a kernel file to machine code, and reports what does not compile', () => {
    const library = new NvrtcLibrary(nvrtc?.path ?? '')
    const file = readKernelFile('attention-tiles')
    const options = ['--gpu-architecture=sm_80', '--std=c++17', ...defineOptions({ ELEMENT: 'bfloat16' })]
    const { cubin } = library.compile(file.name, file.text, file.headers, options)
    expect(Buffer.from(cubin.subarray(1, 4)).toString()).toBe('ELF')
    expect(() => library.compile('broken.cu', 'broken', new Map(), [])).toThrow(/did not compile[\s\S]*broken/)
  })
})
