import { elementCount, type Program } from '../../graph/program.ts'
import type { InputValue, RunInputs } from '../engine.ts'
import { align } from './memory-plan.ts'

const dtypeBytes = { float32: 4, int32: 4, uint8: 1 } as const

/** Bytes. */
export interface InputSlot {
  readonly name: string
  readonly offset: number
  readonly bytes: number
}

/** Where the inputs of a program are in the block that its runs read. */
export class InputLayout {
  readonly bytes: number
  private readonly slots: readonly InputSlot[]

  constructor(program: Program) {
    let bytes = 0
    this.slots = program.inputs.map(({ name, tensor }) => {
      const { shape, dtype } = program.tensors[tensor]
      const slot = { name, offset: bytes, bytes: elementCount(shape) * dtypeBytes[dtype] }
      bytes += align(slot.bytes)
      return slot
    })
    this.bytes = bytes
  }

  offset(name: string): number {
    const slot = this.slots.find((candidate) => candidate.name === name)
    return slot?.offset ?? 0
  }

  /** Copies the inputs that are given into their slots, and returns these slots. */
  pack(inputs: RunInputs, into: Uint8Array): readonly InputSlot[] {
    const given = this.slots.filter(({ name }) => inputs[name] !== undefined)
    for (const { name, offset, bytes } of given) {
      const value: InputValue = inputs[name]
      into.set(new Uint8Array(value.buffer, value.byteOffset, bytes), offset)
    }
    return given
  }
}
