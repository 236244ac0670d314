/**
 * Compiles every CUDA kernel for sm_80 and sm_90 and prints registers, spills and static shared memory of each.
 *
 *     npx tsx scripts/kernel-report.ts [--compiler nvcc|nvrtc] [--architecture sm_90]... [--file attention-tiles]...
 *
 * Needs nvcc, or NVRTC (a CUDA toolkit, or the wheel nvidia-cuda-nvrtc); no GPU. Exit code 6 when a hot kernel spills,
 * 4 where there is no compiler.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { findLibraries } from '../src/engine/cuda/driver/find.ts'
import { NvrtcLibrary } from '../src/engine/cuda/driver/nvrtc-library.ts'
import { defineOptions, type KernelFile, kernelEntries, readKernelFile } from '../src/engine/cuda/kernel-files.ts'
import { type KernelVariant, kernelVariants } from '../src/engine/cuda/kernel-variants.ts'
import { exitCodes } from '../src/index.ts'

/** What the assembler said of one kernel. */
interface KernelUse {
  readonly kernel: string
  readonly registers: number
  /** Bytes written to and read from local memory because registers ran out. */
  readonly spilled: number
  readonly stack: number
  /** Static shared memory, bytes. */
  readonly shared: number
}

interface Compiler {
  readonly name: string
  /** Returns the assembler's report. */
  compile(file: KernelFile, architecture: string, defines: readonly string[]): string
}

function nvcc(): Compiler | null {
  const version = spawnSync('nvcc', ['--version'], { encoding: 'utf8' })
  if (version.status !== 0) return null
  const directory = mkdtempSync(path.join(os.tmpdir(), 'kernel-report-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  return {
    name: `nvcc ${/release ([\d.]+)/.exec(version.stdout)?.[1] ?? ''}`,
    compile(file, architecture, defines) {
      for (const [name, text] of [[file.name, file.text] as const, ...file.headers]) {
        writeFileSync(path.join(directory, name), text)
      }
      const flags = ['-cubin', `-arch=${architecture}`, '-std=c++17', '-Xptxas', '-v', '-o', 'out.cubin']
      const done = spawnSync('nvcc', [...flags, ...defines, file.name], { cwd: directory, encoding: 'utf8' })
      if (done.status !== 0) throw new Error(`nvcc failed for ${file.name}:\n${done.stderr}`)
      return done.stderr
    },
  }
}

function nvrtc(): Compiler | null {
  const found = findLibraries().found.nvrtc
  if (found === undefined) return null
  const library = new NvrtcLibrary(found.path)
  return {
    name: `NVRTC ${library.version()}`,
    compile(file, architecture, defines) {
      const options = [`--gpu-architecture=${architecture}`, '--std=c++17', '--ptxas-options=-v', ...defines]
      return library.compile(file.name, file.text, file.headers, options).log
    },
  }
}

/** Reads `ptxas -v`: per kernel one line with its name, one with stack and spills, one with registers. */
function parseReport(report: string, entries: readonly string[]): KernelUse[] {
  const uses: KernelUse[] = []
  const pattern =
    /Compiling entry function '(\w+)'[\s\S]*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads[\s\S]*?Used (\d+) registers([^\n]*)/g
  for (const [, kernel, stack, stores, loads, registers, rest] of report.matchAll(pattern)) {
    const shared = /(\d+) bytes smem/.exec(rest)?.[1] ?? '0'
    uses.push({
      kernel,
      registers: Number(registers),
      spilled: Number(stores) + Number(loads),
      stack: Number(stack),
      shared: Number(shared),
    })
  }
  const silent = entries.filter((entry) => !uses.some(({ kernel }) => kernel === entry))
  if (silent.length > 0) throw new Error(`The report does not mention ${silent.join(', ')}.`)
  return uses
}

function describe({ file, defines }: KernelVariant): string {
  return [file, ...Object.values(defines)].join(' ')
}

const { values } = parseArgs({
  options: {
    compiler: { type: 'string' },
    architecture: { type: 'string', multiple: true, default: ['sm_80', 'sm_90'] },
    file: { type: 'string', multiple: true },
  },
})
const compiler = values.compiler === 'nvrtc' ? nvrtc() : values.compiler === 'nvcc' ? nvcc() : (nvcc() ?? nvrtc())
if (compiler === null) {
  console.error('There is neither nvcc nor NVRTC: install a CUDA toolkit, or `pip install nvidia-cuda-nvrtc`.')
  process.exit(exitCodes.environment)
}
console.log(`${compiler.name}\n`)
console.log('architecture  registers  spilled  stack  shared  kernel')
let spilling = 0
let count = 0
for (const architecture of values.architecture) {
  for (const variant of kernelVariants.filter(({ file }) => values.file?.includes(file) ?? true)) {
    const file = readKernelFile(variant.file)
    const report = compiler.compile(file, architecture, defineOptions(variant.defines))
    for (const use of parseReport(report, kernelEntries(file))) {
      count++
      const bad = variant.hot && use.spilled > 0
      if (bad) spilling++
      const numbers = [
        architecture.padEnd(12),
        ...[use.registers, use.spilled, use.stack, use.shared].map((n) => String(n).padStart(8)),
      ]
      console.log(`${numbers.join(' ')}  ${use.kernel} (${describe(variant)})${bad ? '  SPILLS' : ''}`)
    }
  }
}
console.log(`\n${count} kernels, ${spilling} hot ones spill`)
if (spilling > 0) process.exit(exitCodes.checkFailed)
