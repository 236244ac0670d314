/**
 * The native library for another processor, run by an emulator: Node.js for that processor is not needed. The functions run in a
 * process of the emulator. Both processes map one file at the same address, and all memory of programs is in it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync, readSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import koffi from 'koffi'
import { type NativeFunctions, NativeLibrary } from '../../../src/engine/native/library.ts'

/** In the order of `functions` in serve-library.c. */
const served = [
  'native_run',
  'native_pool_open',
  'native_pool_close',
  'native_kernel_find',
  'native_kernel_address',
  'native_kernel_argument_bytes',
  'native_kernel_scratch',
  'native_panel_columns',
  'native_panel_bytes',
] as const
type Served = (typeof served)[number]

/** Where the shared memory begins, in both processes, far from what systems map by themselves; and its bytes. */
const [start, bytes] = [0x2000_0000_0000n, 2 ** 28]
/** The first bytes take strings and lists on their way to a function. */
const messageBytes = 4096
/** Milliseconds for one call. */
const limit = 300_000

interface SharedMemory {
  /** A view of `length` bytes from `offset` on. */
  view(offset: number, length: number): Uint8Array
  unmap(): void
}

function mapShared(file: string): SharedMemory {
  writeFileSync(file, '')
  truncateSync(file, bytes)
  const libc = koffi.load('libc.so.6')
  const mmap = libc.func('mmap', 'uint64_t', ['uint64_t', 'uint64_t', 'int', 'int', 'int', 'int64_t'])
  const munmap = libc.func('munmap', 'int', ['uint64_t', 'uint64_t'])
  const [readWrite, sharedFixedNoReplace] = [1 | 2, 1 | 0x100000]
  const descriptor = openSync(file, 'r+')
  const address = BigInt(mmap(start, bytes, readWrite, sharedFixedNoReplace, descriptor, 0))
  closeSync(descriptor)
  if (address !== start) throw new Error(`Expected memory at ${start}, but the system gave ${address}.`)
  return {
    view: (offset, length) => new Uint8Array(koffi.view(start + BigInt(offset), length)),
    unmap: () => void munmap(start, bytes),
  }
}

/** Calls in the other process; each waits for its answer without the event loop. */
class Server {
  private readonly child: ChildProcess
  private readonly requests: number
  private readonly answers: number

  constructor(command: readonly string[], memory: string, folder: string) {
    const [requests, answers] = ['requests', 'answers'].map((name) => path.join(folder, name))
    execFileSync('mkfifo', [requests, answers])
    const [program, ...list] = [...command, memory, String(start), String(bytes), requests, answers]
    this.child = spawn(program, list, { stdio: ['ignore', 'ignore', 'inherit'] })
    // Opened for both directions it does not wait for the other side, which may never come.
    this.requests = openSync(requests, constants.O_RDWR)
    this.answers = openSync(answers, constants.O_RDONLY | constants.O_NONBLOCK)
  }

  call(name: Served, values: readonly (number | bigint)[]): bigint {
    const request = new BigInt64Array(5)
    request.set([BigInt(served.indexOf(name)), ...values.map((value) => BigInt.asIntN(64, BigInt(value)))])
    writeSync(this.requests, new Uint8Array(request.buffer))
    const answer = new BigInt64Array(1)
    const pause = new Int32Array(new SharedArrayBuffer(4))
    const late = Date.now() + limit
    for (let begun = false; Date.now() < late; ) {
      try {
        const count = readSync(this.answers, new Uint8Array(answer.buffer))
        if (count === answer.byteLength) return answer[0]
        // Nothing where the other side has not opened it yet, or has ended.
        if (begun) break
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
        begun = true
      }
      Atomics.wait(pause, 0, 0, 0.2)
    }
    throw new Error(`Expected an answer of ${name} from the emulator, which has ended or hangs.`)
  }

  close(): void {
    closeSync(this.requests)
    closeSync(this.answers)
    this.child.kill('SIGKILL')
  }
}

export interface EmulatedLibrary {
  readonly library: NativeLibrary
  close(): void
}

/**
 * @param command the emulator and the program that serve-library.c was compiled to
 * @param folder for files; what is in it afterwards is of no use
 */
export function openEmulatedLibrary(command: readonly string[], folder: string): EmulatedLibrary {
  const file = path.join(folder, 'memory')
  const memory = mapShared(file)
  const server = new Server(command, file, folder)
  /** Pieces that are in use, and where the next one begins. */
  let [pieces, next] = [0, messageBytes]

  const message = (content: Uint8Array): bigint => {
    if (content.byteLength >= messageBytes) throw new Error(`Expected less than ${messageBytes} bytes for a function.`)
    memory.view(0, messageBytes).fill(0).set(content)
    return start
  }
  const own = {
    native_allocate: (size: number): bigint => {
      const [offset, end] = [next, next + Math.ceil(size / 64) * 64]
      if (end > bytes) return 0n
      memory.view(offset, end - offset).fill(0)
      ;[pieces, next] = [pieces + 1, end]
      return start + BigInt(offset)
    },
    native_free: (): void => {
      if (--pieces === 0) next = messageBytes
    },
    native_kernel_find: (name: string) => server.call('native_kernel_find', [message(new TextEncoder().encode(name))]),
    native_kernel_scratch: (number: number, list: Uint8Array, threads: number) =>
      server.call('native_kernel_scratch', [number, message(list), threads]),
  }
  const remote = served.map((name) => {
    const call = (...values: (number | bigint)[]): bigint => server.call(name, values)
    const async = (...all: unknown[]): void => {
      const done = all.pop() as (error: Error | null, result?: bigint) => void
      try {
        done(null, call(...(all as bigint[])))
      } catch (error) {
        done(error as Error)
      }
    }
    return [name, Object.assign(call, { async })] as const
  })
  const calls = { ...Object.fromEntries(remote), ...own } as unknown as NativeFunctions
  return {
    library: new NativeLibrary(command.join(' '), false, calls),
    close() {
      server.close()
      memory.unmap()
    },
  }
}
