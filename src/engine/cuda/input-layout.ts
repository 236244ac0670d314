import { elementCount, type Program } from '../../graph/program.ts'
import type { InputValue, RunInputs } from '../engine.ts'
import { align } from './memory-plan.ts'

const dtypeBytes = { float32: 4, int32: 4, uint8: 1 } as const

interface Place {
  readonly name: string
  readonly offset: number
  readonly bytes: number
}

/** Where the inputs of a program lie in the block that its runs read. */
export class InputLayout {
  readonly bytes: number
  private readonly places: readonly Place[]

  constructor(program: Program) {
    let bytes = 0
    this.places = program.inputs.map(({ name, tensor }) => {
      const { shape, dtype } = program.tensors[tensor]
      const place = { name, offset: bytes, bytes: elementCount(shape) * dtypeBytes[dtype] }
      bytes += align(place.bytes)
      return place
    })
    this.bytes = bytes
  }

  offset(name: string): number {
    const place = this.places.find((candidate) => candidate.name === name)
    return place?.offset ?? 0
  }

  pack(inputs: RunInputs, into: Uint8Array): void {
    for (const { name, offset, bytes } of this.places) {
      const value: InputValue = inputs[name]
      into.set(new Uint8Array(value.buffer, value.byteOffset, bytes), offset)
    }
  }
}
