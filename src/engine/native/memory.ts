import { align } from '../plan/memory-plan.ts'
import type { NativeLibrary, NativeMemory, Region } from './library.ts'

/** Pieces of memory by name, together in one allocation, or each in its own for memory checkers. */
export class Regions<Key> {
  readonly bytes: number
  private readonly regions = new Map<Key, Region>()
  private readonly memories: NativeMemory[] = []

  /** @throws VideoMaeError `OUT_OF_MEMORY` */
  constructor(library: NativeLibrary, sizes: ReadonlyMap<Key, number>, purpose: string, apart: boolean) {
    if (apart) {
      try {
        for (const [key, bytes] of sizes) {
          const memory = library.allocate(bytes, purpose)
          this.memories.push(memory)
          this.regions.set(key, memory)
        }
      } catch (error) {
        this.free()
        throw error
      }
    } else {
      const total = [...sizes.values()].reduce((sum, bytes) => sum + align(bytes), 0)
      const memory = library.allocate(total, purpose)
      this.memories.push(memory)
      let offset = 0
      for (const [key, bytes] of sizes) {
        this.regions.set(key, memory.part(offset, bytes))
        offset += align(bytes)
      }
    }
    this.bytes = this.memories.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get(key: Key): Region | undefined {
    return this.regions.get(key)
  }

  free(): void {
    for (const memory of this.memories) memory.free()
  }
}

/** The floats of a region. */
export function floatsOf({ data }: Region): Float32Array {
  return new Float32Array(data.buffer, data.byteOffset, Math.floor(data.byteLength / 4))
}
