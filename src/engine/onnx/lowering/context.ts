import { VideoMaeError } from '../../../core/errors.ts'
import type { OnnxAttribute, OnnxInitializer, OnnxNode, OnnxTensorType } from '../../../format/onnx.ts'
import type { Program, ProgramNode, TensorId, TensorSpec } from '../../../graph/program.ts'

/** Name of a value in the ONNX graph. */
export type ValueName = string

/** Attributes as rules write them: integers by default, floats marked. */
export type AttributeInput = number | readonly number[] | string | { readonly float: number }

export interface LoweringSettings {
  readonly program: Program
  /** Only operators of the standard domain. */
  readonly standardOnly: boolean
  /** The batch size of the program whose place a symbolic dimension takes; null keeps every shape static. */
  readonly batch: number | null
  /** Which tensors carry the batch in their first axis; empty where shapes are static. */
  readonly batched: ReadonlySet<TensorId>
  /** Names of tensors that are known from outside (inputs, state, outputs). */
  readonly names: ReadonlyMap<TensorId, ValueName>
  /** Names that generated ones have to avoid. */
  readonly taken: Iterable<string>
  /** Tensors that have to exist under their name: another node, an output or an update reads them. */
  readonly read: ReadonlySet<TensorId>
  /** logSumExp tensors of attentions whose gradient is in the program. */
  readonly differentiated: ReadonlySet<TensorId>
  /** A value whose first axis is the batch. */
  readonly batchSource: ValueName | null
}

/** What the lowering rule of `attention` leaves for the rule of its gradient. Shapes [B, heads, tokens, headWidth]. */
export interface KeptAttention {
  readonly q: ValueName
  readonly k: ValueName
  readonly v: ValueName
  /** Probabilities [B, heads, Nq, Nk]. */
  readonly p: ValueName
}

/** Collects the nodes and constants of one ONNX graph while the rules run. */
export class LoweringContext {
  readonly standardOnly: boolean
  readonly nodes: OnnxNode[] = []
  /** Constants by name. */
  readonly initializers = new Map<string, OnnxInitializer>()
  /** Attention whose probabilities a gradient may reuse, by the tensor of its logSumExp. */
  readonly attentions = new Map<TensorId, KeptAttention>()
  private readonly settings: LoweringSettings
  private readonly taken: Set<string>
  private readonly shared = new Map<string, ValueName>()
  private readonly scalars: ReadonlyMap<TensorId, number>
  private readonly unordered: ValueName[] = []
  private counter = 0

  constructor(settings: LoweringSettings) {
    this.settings = settings
    this.standardOnly = settings.standardOnly
    this.taken = new Set(settings.taken)
    const { program } = settings
    this.scalars = new Map(
      program.constants
        .filter(({ tensor, data }) => program.tensors[tensor].shape.length === 0 && data instanceof Float32Array)
        .map(({ tensor, data }) => [tensor, data[0]]),
    )
  }

  spec(tensor: TensorId): TensorSpec {
    return this.settings.program.tensors[tensor]
  }

  /** The name under which a tensor of the program is in the graph. */
  value(tensor: TensorId): ValueName {
    return this.settings.names.get(tensor) ?? `tensor_${tensor}`
  }

  isRead(tensor: TensorId): boolean {
    return this.settings.read.has(tensor)
  }

  /** Whether the gradient of the attention with this logSumExp is in the program. */
  isDifferentiated(logSumExp: TensorId): boolean {
    return this.settings.differentiated.has(logSumExp)
  }

  isBatched(tensor: TensorId): boolean {
    return this.settings.batched.has(tensor)
  }

  /** The value of a scalar constant of the program, so that it can be folded into a factor. */
  knownScalar(tensor: TensorId): number | undefined {
    return this.scalars.get(tensor)
  }

  fresh(hint: string): ValueName {
    for (;;) {
      const name = `${hint}_${this.counter++}`
      if (!this.taken.has(name)) return name
    }
  }

  /** Adds a node with one output and returns its name; `into` names the output. */
  emit(
    op: string,
    inputs: readonly ValueName[],
    attributes: Readonly<Record<string, AttributeInput>> = {},
    into: ValueName = this.fresh(op),
  ): ValueName {
    this.emitMany(op, inputs, attributes, [into])
    return into
  }

  emitMany(
    op: string,
    inputs: readonly ValueName[],
    attributes: Readonly<Record<string, AttributeInput>>,
    outputs: readonly ValueName[],
    domain?: 'com.microsoft',
  ): void {
    if (domain !== undefined && this.standardOnly) {
      throw new VideoMaeError(`The lowering used ${domain}.${op} but only standard operators were requested.`, {
        code: 'PROGRAM_UNSUPPORTED',
      })
    }
    const converted: Record<string, OnnxAttribute> = {}
    for (const [key, value] of Object.entries(attributes)) converted[key] = attribute(value)
    this.nodes.push({ op, domain, inputs, outputs, attributes: converted, name: `${op}_${this.nodes.length}` })
  }

  /** A node of ONNX Runtime's own operator set. */
  emitMicrosoft(
    op: string,
    inputs: readonly ValueName[],
    attributes: Readonly<Record<string, AttributeInput>> = {},
    into: ValueName = this.fresh(op),
  ): ValueName {
    this.emitMany(op, inputs, attributes, [into], 'com.microsoft')
    return into
  }

  /** Leaves a value for rules that ask `once` for the same key. */
  keep(key: string, value: ValueName): void {
    this.shared.set(key, value)
  }

  /** The value made by `make` the first time; what several rules need is computed once. */
  once(key: string, make: () => ValueName): ValueName {
    const existing = this.shared.get(key)
    if (existing !== undefined) return existing
    const made = make()
    this.shared.set(key, made)
    return made
  }

  float(value: number): ValueName {
    return this.floats([], new Float32Array([value]), `f${value}`)
  }

  /** @param key constants with one key are one initializer */
  floats(shape: readonly number[], data: Float32Array, key?: string): ValueName {
    return this.constant('float32', shape, data, key)
  }

  int64s(values: readonly number[], shape: readonly number[] = [values.length]): ValueName {
    const data = BigInt64Array.from(values, BigInt)
    return this.constant(
      'int64',
      shape,
      data,
      values.length <= 16 ? `i${values.join(',')}:${shape.join(',')}` : undefined,
    )
  }

  constant(type: OnnxTensorType, shape: readonly number[], data: OnnxInitializer['data'], key?: string): ValueName {
    const make = (): ValueName => {
      const name = this.fresh('constant')
      this.initializers.set(name, { name, type, shape, data })
      return name
    }
    return key === undefined ? make() : this.once(key, make)
  }

  /** `factor * x`; x itself where the factor is 1. */
  scaled(x: ValueName, factor: number, into?: ValueName): ValueName {
    if (factor === 1) return into === undefined ? x : this.emit('Identity', [x], {}, into)
    return this.emit('Mul', [x, this.float(factor)], {}, into)
  }

  /**
   * Reshapes to static sizes; with a symbolic batch the first size is left open when the tensor carries the batch.
   *
   * @param batched whether axis 0 of `shape` contains the batch
   */
  reshape(x: ValueName, shape: readonly number[], batched: boolean, into?: ValueName): ValueName {
    return this.emit('Reshape', [x, this.int64s(this.targetShape(shape, batched))], {}, into)
  }

  /** A shape for Reshape in which the first axis is -1 where it carries a symbolic batch. */
  targetShape(shape: readonly number[], batched: boolean): readonly number[] {
    return batched && this.settings.batch !== null ? [-1, ...shape.slice(1)] : shape
  }

  /** The tensor as a matrix [rows, last axis]. */
  rows(tensor: TensorId): ValueName {
    const { shape } = this.spec(tensor)
    if (shape.length === 2) return this.value(tensor)
    const width = shape[shape.length - 1]
    return this.once(`rows:${tensor}`, () => this.emit('Reshape', [this.value(tensor), this.int64s([-1, width])]))
  }

  /** Names a tensor whose rows `make` computes as a matrix. Everything left to `computeSoon` comes before it. */
  fromRows(tensor: TensorId, make: (into: ValueName) => ValueName): void {
    const { shape } = this.spec(tensor)
    if (shape.length === 2 && this.unordered.length === 0) {
      make(this.value(tensor))
      return
    }
    const matrix = make(this.fresh('rows'))
    this.keep(`rows:${tensor}`, matrix)
    this.after(this.unordered.splice(0), matrix, shape, this.isBatched(tensor), this.value(tensor))
  }

  /**
   * Has a value that nothing in the graph reads (a parameter's gradient) computed before the next `fromRows`.
   *
   * ONNX Runtime orders nodes by a depth-first walk from the graph's outputs, which would leave all such values to the
   * end and keep everything they are made from until then.
   */
  computeSoon(value: ValueName): void {
    this.unordered.push(value)
  }

  /** `reshape` that waits for other values: the target shape ends in empty pieces of their shapes. */
  after(
    others: readonly ValueName[],
    x: ValueName,
    shape: readonly number[],
    batched: boolean,
    into?: ValueName,
  ): ValueName {
    if (others.length === 0) return this.reshape(x, shape, batched, into)
    const pieces = others.map((other) => this.emit('Shape', [other], { start: 0, end: 0 }))
    const target = this.emit('Concat', [this.int64s(this.targetShape(shape, batched)), ...pieces], { axis: 0 })
    return this.emit('Reshape', [x, target], {}, into)
  }

  /**
   * Column sums of a matrix of as many rows as `tensor` has: [R, D] -> [D]. As a product with ones: ReduceSum is slower
   * in two threads than in one. With a symbolic batch the number of rows is not known.
   */
  sumRows(matrix: ValueName, tensor: TensorId, into: ValueName): void {
    if (this.isBatched(tensor)) {
      this.emit('ReduceSum', [matrix, this.int64s([0])], { keepdims: 0 }, into)
      return
    }
    const { shape } = this.spec(tensor)
    const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1)
    this.emit('MatMul', [this.floats([rows], new Float32Array(rows).fill(1), `ones:${rows}`), matrix], {}, into)
  }

  /** `factor` times a scalar of the program, folded into a constant where the scalar is one. */
  factor(scalar: TensorId, factor: number): ValueName {
    const known = this.knownScalar(scalar)
    return known === undefined ? this.scaled(this.value(scalar), factor) : this.float(known * factor)
  }

  /** A shape as int64 vector whose first entry is the batch of this run, where the batch is symbolic. */
  runtimeShape(shape: readonly number[]): ValueName {
    const { batch, batchSource } = this.settings
    if (batch === null || batchSource === null || shape.length === 0 || shape[0] !== batch) return this.int64s(shape)
    const size = this.once('batch', () => {
      const sizes = this.emit('Shape', [batchSource])
      return this.emit('Slice', [sizes, this.int64s([0]), this.int64s([1]), this.int64s([0])])
    })
    if (shape.length === 1) return size
    return this.once(`shape:${shape.join(',')}`, () =>
      this.emit('Concat', [size, this.int64s(shape.slice(1))], { axis: 0 }),
    )
  }

  /** int32 indices [B, M] as int64 [B, M, 1], which GatherND wants. */
  indices(tensor: TensorId): ValueName {
    return this.once(`indices:${tensor}`, () => {
      const wide = this.emit('Cast', [this.value(tensor)], { to: 7 })
      return this.emit('Unsqueeze', [wide, this.int64s([2])])
    })
  }
}

function attribute(value: AttributeInput): OnnxAttribute {
  if (typeof value === 'number') return { int: value }
  if (typeof value === 'string') return { string: value }
  return 'float' in value ? value : { ints: value }
}

/** Turns one node of a program into ONNX nodes whose outputs carry the names `context.value(node.outputs[i])`. */
export type LoweringRule = (node: ProgramNode, context: LoweringContext) => void

/** A number attribute of a node. */
export function numberAttribute(node: ProgramNode, name: string): number {
  const value = node.attributes[name]
  if (typeof value !== 'number') throw badAttribute(node, name)
  return value
}

export function numbersAttribute(node: ProgramNode, name: string): readonly number[] {
  const value = node.attributes[name]
  if (!Array.isArray(value)) throw badAttribute(node, name)
  return value as readonly number[]
}

function badAttribute(node: ProgramNode, name: string): VideoMaeError {
  return new VideoMaeError(
    `The node ${node.operation} has ${JSON.stringify(node.attributes[name])} as its attribute ${name}.`,
    { code: 'PROGRAM_UNSUPPORTED' },
  )
}
