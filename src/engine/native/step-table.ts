import type { NativeLibrary, NativeMemory } from './library.ts'

/** A field of 8 bytes. `piece`: the address of another piece of the same table. */
export type Field =
  | { readonly kind: 'address'; readonly address: bigint }
  | { readonly kind: 'piece'; readonly piece: number; readonly offset: number }
  | { readonly kind: 'integer'; readonly number: number }
  | { readonly kind: 'real'; readonly number: number }

export const address = (to: bigint): Field => ({ kind: 'address', address: to })
export const integerBits = (number: number): Field => ({ kind: 'integer', number })
export const realBits = (number: number): Field => ({ kind: 'real', number })
export const piece = (at: number, offset = 0): Field => ({ kind: 'piece', piece: at, offset })

/** Structs and arrays of structs that point to each other, as C code reads them. */
export class StepTable {
  private readonly pieces: (readonly Field[])[] = []

  /** @returns the number by which `piece` fields name it */
  add(fields: readonly Field[]): number {
    return this.pieces.push(fields) - 1
  }

  /** A piece that is filled later, because it points to pieces that do not exist yet. */
  reserve(): number {
    return this.add([])
  }

  fill(at: number, fields: readonly Field[]): void {
    this.pieces[at] = fields
  }

  /** Puts everything into native memory. */
  write(library: NativeLibrary, purpose: string): WrittenTable {
    const offsets: number[] = []
    let bytes = 0
    for (const fields of this.pieces) {
      offsets.push(bytes)
      bytes += Math.ceil((fields.length * 8) / 64) * 64
    }
    const memory = library.allocate(bytes, purpose)
    const view = new DataView(memory.data.buffer, memory.data.byteOffset, memory.data.byteLength)
    for (const [i, fields] of this.pieces.entries()) {
      for (const [k, field] of fields.entries()) {
        const at = offsets[i] + k * 8
        if (field.kind === 'real') view.setFloat64(at, field.number, true)
        else if (field.kind === 'integer') view.setBigInt64(at, BigInt(field.number), true)
        else if (field.kind === 'address') view.setBigUint64(at, field.address, true)
        else view.setBigUint64(at, memory.address + BigInt(offsets[field.piece] + field.offset), true)
      }
    }
    return new WrittenTable(
      memory,
      offsets,
      this.pieces.map(({ length }) => length * 8),
    )
  }
}

/** A table in native memory, little-endian like all processors that the engine knows. */
export class WrittenTable {
  readonly memory: NativeMemory
  private readonly offsets: readonly number[]
  private readonly sizes: readonly number[]
  private readonly view: DataView

  constructor(memory: NativeMemory, offsets: readonly number[], sizes: readonly number[]) {
    this.memory = memory
    this.offsets = offsets
    this.sizes = sizes
    this.view = new DataView(memory.data.buffer, memory.data.byteOffset, memory.data.byteLength)
  }

  address(at: number): bigint {
    return this.memory.address + BigInt(this.offsets[at])
  }

  bytes(at: number): Uint8Array {
    return this.memory.data.subarray(this.offsets[at], this.offsets[at] + this.sizes[at])
  }

  integer(at: number, field: number): number {
    return Number(this.view.getBigInt64(this.offsets[at] + field * 8, true))
  }

  setInteger(at: number, field: number, number: number): void {
    this.view.setBigInt64(this.offsets[at] + field * 8, BigInt(number), true)
  }
}
