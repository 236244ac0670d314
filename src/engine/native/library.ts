import koffi, { type LibraryHandle } from 'koffi'
import { VideoMaeError } from '../../core/errors.ts'
import { grouped } from '../../core/grouped.ts'
import type { FloatType } from '../plan/values.ts'

/**
 * A piece of memory outside of JavaScript. Only pieces whose `data` is read have a view: one ArrayBuffer holds at most
 * 4 GiB, and a larger one ends the process, but activations may take more.
 */
export class Region {
  readonly address: bigint
  readonly bytes: number
  private view: Uint8Array | null = null

  constructor(address: bigint, bytes: number) {
    this.address = address
    this.bytes = bytes
  }

  /** The bytes, for as long as they are not freed. Throws `OUT_OF_MEMORY` for more than 4 GiB. */
  get data(): Uint8Array {
    if (this.bytes > mostInView) {
      throw new VideoMaeError(
        `Expected a value of at most 4 GiB, but a value of ${(this.bytes / 2 ** 30).toFixed(1)} GiB is read or written at once.`,
        { code: 'OUT_OF_MEMORY', exit: 'environment', hint: 'Use fewer clips per run (batch.perRun).' },
      )
    }
    this.view ??= new Uint8Array(koffi.view(this.address, this.bytes))
    return this.view
  }

  /** `bytes` bytes from `offset` on. Throws `PROGRAM_INVALID` where they are not all inside. */
  part(offset: number, bytes: number): Region {
    if (offset < 0 || bytes < 0 || offset + bytes > this.bytes) {
      throw new VideoMaeError(`Bytes ${offset} to ${offset + bytes} are not inside of ${this.bytes}.`, {
        code: 'PROGRAM_INVALID',
      })
    }
    return new Region(this.address + BigInt(offset), bytes)
  }
}

/** Memory of one allocation. It must not be used once it is freed. */
export interface NativeMemory extends Region {
  free(): void
}

/** Bytes of the largest ArrayBuffer. */
const mostInView = 2 ** 32

export interface NativeKernel {
  readonly number: number
  readonly address: bigint
  readonly argumentBytes: number
}

/** Functions by name: what they return, what they take. Pointers and addresses are integers. */
const signatures = {
  native_run: ['int64_t', ['uint64_t', 'uint64_t', 'uint64_t', 'int64_t']],
  native_pool_open: ['uint64_t', ['int32_t']],
  native_pool_close: ['void', ['uint64_t']],
  native_allocate: ['uint64_t', ['uint64_t', 'int32_t']],
  native_free: ['void', ['uint64_t', 'uint64_t', 'int32_t']],
  native_kernel_find: ['int64_t', ['str']],
  native_kernel_address: ['uint64_t', ['int64_t']],
  native_kernel_argument_bytes: ['int64_t', ['int64_t']],
  native_kernel_scratch: ['int64_t', ['int64_t', 'void *', 'int64_t']],
  native_panel_columns: ['int64_t', []],
  native_panel_bytes: ['int64_t', ['int64_t', 'int64_t', 'int32_t']],
} as const

type LibraryFunction = keyof typeof signatures

export const libraryFunctions: readonly string[] = Object.keys(signatures)
type Call = ReturnType<LibraryHandle['func']>
export type NativeFunctions = Readonly<Record<LibraryFunction, Call>>

/** @throws VideoMaeError `ENGINE_UNAVAILABLE` where the library does not load */
function loadFunctions(path: string): NativeFunctions {
  try {
    const library = koffi.load(path)
    const bound = Object.entries(signatures).map(([name, [result, parameters]]) => {
      return [name, library.func(name, result, [...parameters])] as const
    })
    return Object.fromEntries(bound) as NativeFunctions
  } catch (cause) {
    throw new VideoMaeError(`Expected the native library ${path} to load: ${(cause as Error).message}`, {
      code: 'ENGINE_UNAVAILABLE',
      exit: 'environment',
      hint: 'Delete the file, so that it is compiled again, or use `--engine onnx`.',
      cause,
    })
  }
}

/** The compiled kernels, and the pool that runs them. */
export class NativeLibrary {
  readonly path: string
  private readonly calls: NativeFunctions
  private readonly kernels = new Map<string, NativeKernel>()
  private readonly apart: boolean

  /**
   * @param apart give every piece of memory an allocation of its own on the heap, for memory checkers
   * @param calls the functions of the library, where they are not called in this process
   * @throws VideoMaeError `ENGINE_UNAVAILABLE` where the library does not load
   */
  constructor(path: string, apart = false, calls = loadFunctions(path)) {
    this.path = path
    this.apart = apart
    this.calls = calls
  }

  /** Zeroed memory at a multiple of 64 bytes. Throws `OUT_OF_MEMORY`. */
  allocate(bytes: number, purpose: string): NativeMemory {
    const size = Math.max(64, Math.ceil(bytes / 64) * 64)
    const exact = this.apart ? Math.max(1, bytes) : size
    const address = BigInt(this.calls.native_allocate(exact, this.apart ? 1 : 0))
    if (address === 0n) {
      throw new VideoMaeError(
        `Expected ${grouped(Math.ceil(exact / 2 ** 20))} MiB of memory for ${purpose}, but the system refused them.`,
        {
          code: 'OUT_OF_MEMORY',
          exit: 'environment',
          hint: 'Use fewer clips per run (batch.perRun), or set engine.recompute to blocks.',
        },
      )
    }
    let freed = false
    const free = (): void => {
      if (!freed) this.calls.native_free(address, exact, this.apart ? 1 : 0)
      freed = true
    }
    return Object.assign(new Region(address, exact), { free })
  }

  /** Throws `PROGRAM_UNSUPPORTED` for a kernel that does not exist. */
  kernel(name: string): NativeKernel {
    const known = this.kernels.get(name)
    if (known !== undefined) return known
    const number = Number(this.calls.native_kernel_find(name))
    if (number < 0) {
      throw new VideoMaeError(`The native library has no kernel ${name}.`, { code: 'PROGRAM_UNSUPPORTED' })
    }
    const kernel = {
      number,
      address: BigInt(this.calls.native_kernel_address(number)),
      argumentBytes: Number(this.calls.native_kernel_argument_bytes(number)),
    }
    this.kernels.set(name, kernel)
    return kernel
  }

  /** Bytes of working memory that each of `threads` needs in a kernel with these arguments. */
  scratchBytes({ number }: NativeKernel, list: Uint8Array, threads: number): number {
    return Number(this.calls.native_kernel_scratch(number, list, threads))
  }

  /** Rows of a weight that make a panel. */
  get panelColumns(): number {
    return Number(this.calls.native_panel_columns())
  }

  /** Bytes of the panels of a right operand [inner, columns]. */
  panelBytes(inner: number, columns: number, type: FloatType): number {
    return Number(this.calls.native_panel_bytes(inner, columns, type === 'bfloat16' ? 1 : 0))
  }

  openPool(threads: number): bigint {
    const pool = BigInt(this.calls.native_pool_open(threads))
    if (pool !== 0n) return pool
    throw new VideoMaeError(`Expected ${threads} threads, but the system refused them.`, {
      code: 'ENGINE_FAILED',
      exit: 'environment',
      hint: 'Set engine.threads to a smaller number.',
    })
  }

  closePool(pool: bigint): void {
    this.calls.native_pool_close(pool)
  }

  /** Runs a program next to the event loop; see program.c for the result. */
  run(pool: bigint, program: bigint, scratch: NativeMemory, scratchBytes: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.calls.native_run.async(
        pool,
        program,
        scratch.address,
        scratchBytes,
        (error: Error | null, result: number | bigint) => {
          if (error === null) resolve(Number(result))
          else reject(error)
        },
      )
    })
  }
}
