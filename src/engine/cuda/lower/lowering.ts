import { VideoMaeError } from '../../../core/errors.ts'
import { bytesOf } from '../../../format/file-bytes.ts'
import { float32ToBfloat16 } from '../../../format/half.ts'
import { elementCount, type Program, type TensorId } from '../../../graph/program.ts'
import { type ElementType, elementBytes, type KernelSource, type ProductShape } from '../device.ts'
import type { LaunchStep, ProductStep, Step, StepArgument, Value, ValueHome, ValueId } from './schedule.ts'

/** Storage types of float tensors. */
export type FloatType = 'float32' | 'bfloat16'

export interface LoweringContext {
  /** Type of activations and of matrix operands. */
  readonly precision: FloatType
  readonly multiprocessors: number
  readonly sharedMemoryPerBlock: number
  readonly supportsProduct: (shape: ProductShape) => boolean
  /** Store the program's float inputs and states as activations right away. Default false. */
  readonly leavesAsActivations?: boolean
}

type Launch = {
  readonly kernel: string
  readonly entry: string
  /** ELEMENT of the kernel file. */
  readonly element?: FloatType
  readonly defines?: KernelSource['defines']
  readonly grid: readonly [number, number, number]
  readonly block: readonly [number, number]
  readonly shared?: number
  readonly arguments: readonly StepArgument[]
}

/** @param offset bytes into the value */
export const value = (id: ValueId, offset = 0): StepArgument => ({ kind: 'value', value: id, offset })
export const optional = (id: ValueId | null): StepArgument => (id === null ? { kind: 'null' } : value(id))
export const u32 = (number: number): StepArgument => ({ kind: 'u32', number })
export const f32 = (number: number): StepArgument => ({ kind: 'f32', number })

/**
 * Turns the nodes of a program into steps. A tensor may be stored as float32 or bfloat16; an operation asks for its
 * inputs in the type that its kernel takes, and a conversion is put in between where they are stored otherwise. Copies
 * of states are kept between runs, those of constants are made once.
 */
export class Lowering {
  readonly program: Program
  readonly context: LoweringContext
  readonly values: Value[] = []
  readonly steps: Step[] = []
  label = ''
  private readonly stored = new Map<TensorId, ValueId>()
  private readonly converted = new Map<string, ValueId>()
  private readonly states = new Map<string, ValueId>()

  constructor(program: Program, context: LoweringContext) {
    this.program = program
    this.context = context
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
    if (context.leavesAsActivations === true) {
      for (const { tensor } of [...program.inputs, ...program.state]) {
        if (tensors[tensor].dtype === 'float32') this.stored.set(tensor, this.read(tensor, context.precision))
      }
    }
  }

  get precision(): FloatType {
    return this.context.precision
  }

  shape(tensor: TensorId): readonly number[] {
    return this.program.tensors[tensor].shape
  }

  count(tensor: TensorId): number {
    return elementCount(this.shape(tensor))
  }

  private add(home: ValueHome, type: ElementType, count: number, label: string): ValueId {
    if (count >= 2 ** 32) {
      throw new VideoMaeError(`${label} has ${count} values; this engine's kernels count to 2^32.`, {
        code: 'PROGRAM_UNSUPPORTED',
        hint: 'Use a smaller batch.',
      })
    }
    this.values.push({ home, type, count, bytes: count * elementBytes[type], label })
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
      throw new VideoMaeError(`${this.label} takes float tensors, received ${from.type}.`, { code: 'SHAPE_MISMATCH' })
    }
    const key = `${id} ${type}`
    const known = this.converted.get(key)
    if (known !== undefined) return known
    const made = this.convert(id, from, type)
    this.converted.set(key, made)
    return made
  }

  private convert(id: ValueId, from: Value, type: FloatType): ValueId {
    const { home, count, label } = from
    if (home.kind === 'state') return this.add({ kind: 'copy', state: home.name }, type, count, `${label} (copy)`)
    if (home.kind === 'constant' && type === 'bfloat16') {
      const { buffer, byteOffset, byteLength } = home.data
      const rounded = float32ToBfloat16(new Float32Array(buffer, byteOffset, byteLength / 4))
      return this.add({ kind: 'constant', data: bytesOf(rounded) }, type, count, label)
    }
    const to = this.temporary(count, type, label)
    const entry = type === 'bfloat16' ? 'castToBfloat16' : 'castToFloat32'
    this.each('cast', entry, null, count, type === 'bfloat16' ? 4 : 1, [value(to), value(id), u32(count)])
    return to
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
    return this.add(
      { kind: 'constant', data: new Uint8Array(data.buffer.slice(0)) },
      'float32',
      data.length,
      this.label,
    )
  }

  launch({ kernel, entry, element, defines = {}, grid, block, shared = 0, arguments: list }: Launch): void {
    if (grid[0] >= 2 ** 31 || grid[1] > 65_535 || grid[2] > 65_535) {
      throw new VideoMaeError(`${this.label}: a grid of ${grid.join(' x ')} blocks is more than CUDA allows.`, {
        code: 'PROGRAM_UNSUPPORTED',
        hint: 'Use a smaller batch.',
      })
    }
    if (shared > this.context.sharedMemoryPerBlock) {
      throw new VideoMaeError(
        `${this.label}: ${shared} bytes of shared memory are needed, the GPU has ${this.context.sharedMemoryPerBlock} a block.`,
        { code: 'PROGRAM_UNSUPPORTED' },
      )
    }
    const step: LaunchStep = {
      kind: 'launch',
      label: this.label,
      kernel: {
        file: kernel,
        entry,
        defines: element === undefined ? defines : { ...defines, ELEMENT: element === 'float32' ? 'float' : element },
      },
      grid,
      block,
      shared,
      arguments: list,
      touches: [],
    }
    this.steps.push(step)
  }

  /**
   * A kernel that walks over `count` elements, `perThread` at a time where it can: enough threads for all, at most
   * eight blocks of 256 per multiprocessor, which then take several rounds.
   */
  each(
    kernel: string,
    entry: string,
    element: FloatType | null,
    count: number,
    perThread: number,
    list: readonly StepArgument[],
  ): void {
    const blocks = Math.ceil(count / (256 * perThread))
    const grid = [Math.max(1, Math.min(blocks, this.context.multiprocessors * 8)), 1, 1] as const
    this.launch({ kernel, entry, element: element ?? undefined, grid, block: [256, 1], arguments: list })
  }

  /** Elements of one 16-byte access. */
  pack(type: FloatType): number {
    return 16 / elementBytes[type]
  }

  product(step: Omit<ProductStep, 'kind' | 'label'>): void {
    this.steps.push({ kind: 'product', label: this.label, ...step })
  }
}
