import { align } from '../plan/memory-plan.ts'
import type { NativeLibrary, NativeMemory, Place } from './library.ts'

/** Pieces of memory by name, together in one allocation, or each in its own for memory checkers. */
export class Places<Key> {
  readonly bytes: number
  private readonly places = new Map<Key, Place>()
  private readonly memories: NativeMemory[] = []

  /** @throws VideoMaeError `OUT_OF_MEMORY` */
  constructor(library: NativeLibrary, sizes: ReadonlyMap<Key, number>, purpose: string, apart: boolean) {
    if (apart) {
      try {
        for (const [key, bytes] of sizes) {
          const memory = library.allocate(bytes, purpose)
          this.memories.push(memory)
          this.places.set(key, memory)
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
        this.places.set(key, memory.part(offset, bytes))
        offset += align(bytes)
      }
    }
    this.bytes = this.memories.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get(key: Key): Place | undefined {
    return this.places.get(key)
  }

  free(): void {
    for (const memory of this.memories) memory.free()
  }
}

/** The floats of a place. */
export function floatsOf({ data }: Place): Float32Array {
  return new Float32Array(data.buffer, data.byteOffset, Math.floor(data.byteLength / 4))
}
