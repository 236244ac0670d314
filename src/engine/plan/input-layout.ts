import { elementCount, type Program } from '../../graph/program.ts'
import type { InputValue, RunInputs } from '../engine.ts'
import { align } from './memory-plan.ts'

const dtypeBytes = { float32: 4, int32: 4, uint8: 1 } as const

/** Bytes. */
export interface InputPlace {
  readonly name: string
  readonly offset: number
  readonly bytes: number
}

/** Where the inputs of a program lie in the block that its runs read. */
export class InputLayout {
  readonly bytes: number
  private readonly places: readonly InputPlace[]

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

  /** Puts the inputs at their places, those that are given, and returns these places. */
  pack(inputs: RunInputs, into: Uint8Array): readonly InputPlace[] {
    const given = this.places.filter(({ name }) => inputs[name] !== undefined)
    for (const { name, offset, bytes } of given) {
      const value: InputValue = inputs[name]
      into.set(new Uint8Array(value.buffer, value.byteOffset, bytes), offset)
    }
    return given
  }
}
