import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import koffi from 'koffi'
import { VideoMaeError } from '../../../core/errors.ts'
import { bindLibrary, type StatusFunction } from './bind.ts'

const signatures = {
  nvrtcVersion: ['void *', 'void *'],
  nvrtcCreateProgram: ['void *', 'str', 'str', 'int', 'void *', 'void *'],
  nvrtcDestroyProgram: ['void *'],
  nvrtcCompileProgram: ['uint64_t', 'int', 'void *'],
  nvrtcGetCUBINSize: ['uint64_t', 'void *'],
  nvrtcGetCUBIN: ['uint64_t', 'void *'],
  nvrtcGetProgramLogSize: ['uint64_t', 'void *'],
  nvrtcGetProgramLog: ['uint64_t', 'void *'],
} as const
type NvrtcFunction = keyof typeof signatures

/**
 * NVRTC opens libnvrtc-builtins by its bare name, which the linker does not find in the folders of Python packages;
 * once it is loaded by its path, the bare name means the loaded one.
 */
function preloadBuiltins(nvrtcPath: string): void {
  const folder = dirname(nvrtcPath)
  for (const name of readdirSync(folder)) {
    if (/^libnvrtc-builtins\.so/.test(name)) koffi.load(join(folder, name))
  }
}

/** Strings as C wants them: an array of pointers, and the memory they point to. */
class StringList {
  readonly pointers: BigUint64Array
  private readonly strings: readonly Buffer[]

  constructor(strings: readonly string[]) {
    this.strings = strings.map((text) => {
      const bytes = Buffer.from(`${text}\0`)
      const own = Buffer.allocUnsafeSlow(bytes.length)
      bytes.copy(own)
      return own
    })
    this.pointers = new BigUint64Array(Math.max(1, strings.length))
    for (const [i, bytes] of this.strings.entries()) this.pointers[i] = koffi.address(bytes)
  }
}

/** The run-time compiler: CUDA C++ to machine code of one architecture. */
export class NvrtcLibrary {
  private readonly functions: Readonly<Record<NvrtcFunction, StatusFunction>>

  /** Throws where the library or one of its functions does not exist. */
  constructor(path: string) {
    preloadBuiltins(path)
    this.functions = bindLibrary<NvrtcFunction>(path, signatures)
  }

  version(): string {
    const [major, minor] = [new Int32Array(1), new Int32Array(1)]
    this.functions.nvrtcVersion(major, minor)
    return `${major[0]}.${minor[0]}`
  }

  /**
   * @param headers name -> text of files that the source includes
   * @returns the cubin and what the compiler said
   * @throws VideoMaeError `KERNEL_COMPILATION_FAILED` with the compiler's log
   */
  compile(
    name: string,
    source: string,
    headers: ReadonlyMap<string, string>,
    options: readonly string[],
  ): { readonly cubin: Uint8Array; readonly log: string } {
    const program = new BigUint64Array(1)
    const texts = new StringList([...headers.values()])
    const names = new StringList([...headers.keys()])
    const check = (call: NvrtcFunction, status: number): void => {
      if (status === 0) return
      throw new VideoMaeError(`${call} failed with status ${status} for the kernel file ${name}.`, {
        code: 'KERNEL_COMPILATION_FAILED',
        exit: 'environment',
      })
    }
    const { functions } = this
    check(
      'nvrtcCreateProgram',
      functions.nvrtcCreateProgram(program, source, name, headers.size, texts.pointers, names.pointers),
    )
    try {
      const flags = new StringList(options)
      const status = functions.nvrtcCompileProgram(program[0], options.length, flags.pointers)
      const log = this.text(program[0])
      if (status !== 0) {
        throw new VideoMaeError(`The kernel file ${name} did not compile (${options.join(' ')}):\n${log}`, {
          code: 'KERNEL_COMPILATION_FAILED',
          exit: 'environment',
        })
      }
      const size = new BigUint64Array(1)
      check('nvrtcGetCUBINSize', functions.nvrtcGetCUBINSize(program[0], size))
      const cubin = new Uint8Array(Number(size[0]))
      check('nvrtcGetCUBIN', functions.nvrtcGetCUBIN(program[0], cubin))
      return { cubin, log }
    } finally {
      functions.nvrtcDestroyProgram(program)
    }
  }

  private text(program: bigint): string {
    const size = new BigUint64Array(1)
    if (this.functions.nvrtcGetProgramLogSize(program, size) !== 0 || size[0] <= 1n) return ''
    const log = Buffer.alloc(Number(size[0]))
    if (this.functions.nvrtcGetProgramLog(program, log) !== 0) return ''
    return log.toString('utf8', 0, log.length - 1)
  }
}
