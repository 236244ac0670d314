import { VideoMaeError } from '../../core/errors.ts'
import { bytesOf } from '../../format/file-bytes.ts'
import { float32ToBfloat16 } from '../../format/half.ts'
import { elementCount, type Program, type TensorId } from '../../graph/program.ts'
import { type ElementType, elementBytes, type FloatType, type Value, type ValueHome, type ValueId } from './values.ts'

/**
 * Where the tensors of a program are stored while it is lowered. A tensor may be stored as float32 or bfloat16; an
 * operation asks for its inputs in the type that its kernel takes, and a conversion is put in between where they are
 * stored otherwise. Constants are converted once. An engine says how it converts the rest.
 */
export abstract class TensorValues {
  readonly program: Program
  /** Type of activations and of matrix operands. */
  readonly precision: FloatType
  readonly values: Value[] = []
  /** The operation that is being lowered, for errors and profiles. */
  label = ''
  protected readonly stored = new Map<TensorId, ValueId>()
  private readonly converted = new Map<string, ValueId>()
  private readonly states = new Map<string, ValueId>()
  private readonly largestCount: number

  /**
   * @param largestCount values that a tensor of this engine may have at most
   */
  constructor(program: Program, precision: FloatType, largestCount: number) {
    this.program = program
    this.precision = precision
    this.largestCount = largestCount
    const { tensors } = program
    for (const { name, tensor } of program.inputs) {
      this.stored.set(tensor, this.add({ kind: 'input', name }, tensors[tensor].dtype, this.count(tensor), name))
    }
    for (const { name, tensor } of program.state) this.stored.set(tensor, this.state(name, this.count(tensor)))
    for (const { tensor, data } of program.constants) {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
      const home = { kind: 'constant', data: bytes } as const
      this.stored.set(tensor, this.add(home, tensors[tensor].dtype, data.length, 'a constant'))
    }
  }

  /** A float32 or bfloat16 value that is not a constant, in the other type. */
  protected abstract convert(id: ValueId, type: FloatType): ValueId

  shape(tensor: TensorId): readonly number[] {
    return this.program.tensors[tensor].shape
  }

  count(tensor: TensorId): number {
    return elementCount(this.shape(tensor))
  }

  /** Throws `PROGRAM_UNSUPPORTED` for more values than the kernels of this engine count. */
  protected add(
    home: ValueHome,
    type: ElementType,
    count: number,
    label: string,
    bytes = count * elementBytes[type],
  ): ValueId {
    if (count >= this.largestCount) {
      throw new VideoMaeError(
        `${label} has ${count} values, but the kernels of this engine count only to 2^${Math.log2(this.largestCount)}.`,
        { code: 'PROGRAM_UNSUPPORTED', exit: 'usage', hint: 'Use a smaller batch.' },
      )
    }
    this.values.push({ home, type, count, bytes, label })
    return this.values.length - 1
  }

  /** The value of a state, whether or not nodes read it. */
  state(name: string, count: number): ValueId {
    const known = this.states.get(name)
    if (known !== undefined) return known
    const id = this.add({ kind: 'state', name }, 'float32', count, `the state ${name}`)
    this.states.set(name, id)
    return id
  }

  /** The type in which a tensor is stored. */
  type(tensor: TensorId): ElementType {
    return this.values[this.require(tensor)].type
  }

  /** Of a value rather than a tensor. */
  typeOf(id: ValueId): ElementType {
    return this.values[id].type
  }

  /** bfloat16 if any of the tensors is stored so: the type of operations that only move or combine values. */
  join(tensors: readonly TensorId[]): FloatType {
    return tensors.some((tensor) => this.type(tensor) === 'bfloat16') ? 'bfloat16' : 'float32'
  }

  private require(tensor: TensorId): ValueId {
    const id = this.stored.get(tensor)
    if (id === undefined) {
      throw new VideoMaeError(`The tensor ${tensor} of ${this.program.name} is used before it is computed.`, {
        code: 'PROGRAM_INVALID',
      })
    }
    return id
  }

  /** The value of a tensor as it is stored, for integers and bytes. */
  raw(tensor: TensorId): ValueId {
    return this.require(tensor)
  }

  /** The value of a float tensor in the wanted type. */
  read(tensor: TensorId, type: FloatType): ValueId {
    const id = this.require(tensor)
    const from = this.values[id]
    if (from.type === type) return id
    if (from.type !== 'float32' && from.type !== 'bfloat16') {
      throw new VideoMaeError(`${this.label} takes float tensors, but received ${from.type}.`, {
        code: 'SHAPE_MISMATCH',
      })
    }
    return this.once(`${id} ${type}`, () => this.convertedConstant(from, type) ?? this.convert(id, type))
  }

  private convertedConstant({ home, count, label }: Value, type: FloatType): ValueId | null {
    if (home.kind !== 'constant' || type !== 'bfloat16') return null
    const { buffer, byteOffset, byteLength } = home.data
    const rounded = float32ToBfloat16(new Float32Array(buffer, byteOffset, byteLength / 4))
    return this.add({ kind: 'constant', data: bytesOf(rounded) }, type, count, label)
  }

  /** A form of a value that is made when it is first asked for. */
  protected once(key: string, make: () => ValueId): ValueId {
    const known = this.converted.get(key)
    if (known !== undefined) return known
    const made = make()
    this.converted.set(key, made)
    return made
  }

  /** Memory for a result: a tensor of the program. */
  write(tensor: TensorId, type: FloatType): ValueId {
    const id = this.add({ kind: 'arena' }, type, this.count(tensor), this.label)
    this.stored.set(tensor, id)
    return id
  }

  /** Says that a tensor is the same memory as another (reshape). */
  alias(tensor: TensorId, same: TensorId): void {
    this.stored.set(tensor, this.require(same))
  }

  temporary(count: number, type: FloatType, label = this.label): ValueId {
    return this.add({ kind: 'arena' }, type, count, label)
  }

  constant(data: Float32Array): ValueId {
    const bytes = new Uint8Array(data.buffer.slice(0))
    return this.add({ kind: 'constant', data: bytes }, 'float32', data.length, this.label)
  }
}
