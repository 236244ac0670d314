import koffi from 'koffi'
import { VideoMaeError } from '../../../core/errors.ts'
import { type WasmMemory, wasm } from '../../../numeric/wasm/webassembly.ts'
import { largestMemoryPages } from './kernels.ts'

const pageBytes = 65_536
const alignment = 64

/** Buffers that have to be in one memory, because one update works on all of them. Sizes are numbers of floats. */
export type BufferGroup = ReadonlyMap<string, number>

/** Where a buffer is. */
export interface BufferSlot {
  /** Which memory. */
  readonly memory: number
  /** Bytes from its start. */
  readonly address: number
  /** Bytes that belong to it, a multiple of 64; those behind its values stay zero. */
  readonly bytes: number
}

/** Floats that ONNX Runtime, JavaScript and the update threads all see, in as many WebAssembly memories as needed. */
export interface SharedBuffers {
  readonly memories: readonly WasmMemory[]
  readonly slots: ReadonlyMap<string, BufferSlot>
  /** The values, as a view of plain (not shared) memory, which the binding of ONNX Runtime insists on. */
  readonly values: ReadonlyMap<string, Float32Array>
  readonly bytes: number
}

/**
 * @throws VideoMaeError `PROGRAM_UNSUPPORTED` for a group above 4 GiB, `OUT_OF_MEMORY`
 */
export function allocateBuffers(groups: readonly BufferGroup[]): SharedBuffers {
  const capacity = largestMemoryPages * pageBytes
  const ends: number[] = []
  const slots = new Map<string, BufferSlot>()
  for (const group of groups) {
    const sizes = [...group].map(([name, length]) => ({ name, bytes: Math.ceil((length * 4) / alignment) * alignment }))
    const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0)
    if (total > capacity) {
      throw new VideoMaeError(
        `Expected at most ${capacity} bytes for one parameter with its moments and gradients, but ${sizes[0].name} needs ${total}.`,
        { code: 'PROGRAM_UNSUPPORTED' },
      )
    }
    let memory = ends.findIndex((end) => end + total <= capacity)
    if (memory === -1) memory = ends.push(0) - 1
    for (const { name, bytes } of sizes) {
      slots.set(name, { memory, address: ends[memory], bytes })
      ends[memory] += bytes
    }
  }
  const memories = ends.map(allocate)
  const views = memories.map(plainView)
  const values = new Map<string, Float32Array>()
  for (const group of groups) {
    for (const [name, length] of group) {
      const { memory, address } = slots.get(name)!
      values.set(name, new Float32Array(views[memory], address, length))
    }
  }
  return { memories, slots, values, bytes: ends.reduce((sum, end) => sum + end, 0) }
}

function allocate(bytes: number): WasmMemory {
  try {
    return new wasm.Memory({
      initial: Math.max(1, Math.ceil(bytes / pageBytes)),
      maximum: largestMemoryPages,
      shared: true,
    })
  } catch (cause) {
    throw new VideoMaeError(
      `Expected ${bytes} bytes of memory for parameters and moments, but the system refused them.`,
      {
        code: 'OUT_OF_MEMORY',
        exit: 'environment',
        hint: 'Use a smaller model, or raise the limit on address space (ulimit -v).',
        cause,
      },
    )
  }
}

/** The same bytes as an ArrayBuffer; it must not be used once the memory is gone. */
function plainView(memory: WasmMemory): ArrayBuffer {
  return koffi.view(koffi.address(new Uint8Array(memory.buffer)), memory.buffer.byteLength)
}
