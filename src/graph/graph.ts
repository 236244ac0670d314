import { VideoMaeError } from '../core/errors.ts'
import { checkUpdates } from './check-updates.ts'
import {
  type Attributes,
  type DataType,
  elementCount,
  formatSpec,
  type NamedTensor,
  type Program,
  type ProgramConstant,
  type ProgramNode,
  sameShape,
  type TensorId,
  type TensorSpec,
  type Update,
} from './program.ts'
import { expectShape } from './shape-rules.ts'

/** A symbolic tensor: a handle to a value that exists only while an engine runs the program. */
export class Tensor {
  readonly graph: Graph
  readonly id: TensorId
  readonly shape: readonly number[]
  readonly dtype: DataType

  constructor(graph: Graph, id: TensorId, spec: TensorSpec) {
    this.graph = graph
    this.id = id
    this.shape = spec.shape
    this.dtype = spec.dtype
  }
}

/** What a gradient rule is given. `gradients[i]` is null where output i does not reach the loss. */
export interface GradientContext<A extends Attributes> {
  /** Of the operation. */
  readonly inputs: readonly Tensor[]
  /** Of the operation. */
  readonly outputs: readonly Tensor[]
  /** Of the operation. */
  readonly attributes: A
  /** [outputs] gradient of the loss with respect to each output. */
  readonly gradients: readonly (Tensor | null)[]
  /** Whether the gradient of input i is wanted at all; a rule may skip the work for others and return null. */
  readonly wanted: readonly boolean[]
}

/** One gradient per input; null where the input has none or it is not wanted. */
export type GradientRule<A extends Attributes> = (context: GradientContext<A>) => readonly (Tensor | null)[]

/** What a graph knows of an operation: its name, the shapes of its outputs, and its gradient. */
export interface Operation<A extends Attributes = Attributes> {
  /** Name of the operation in programs. */
  readonly name: string
  /** The shape rule: checks the inputs and says what comes out. Throws `SHAPE_MISMATCH`. */
  readonly infer: (inputs: readonly TensorSpec[], attributes: A) => readonly TensorSpec[]
  /** Positions of the inputs that need not be float32; the shape rule checks those itself. Default: none. */
  readonly integerInputs?: readonly number[]
  /**
   * Null: nothing that needs a gradient may flow through this operation. Gradients flow through the first output alone;
   * further outputs are statistics that the gradient reads.
   */
  readonly gradient: GradientRule<A> | null
}

interface RecordedNode {
  readonly definition: Operation
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  readonly attributes: Attributes
}

/**
 * Records operations on symbolic tensors. A model is a function that calls operations on the tensors of one graph;
 * `build` turns what was recorded into a `Program`, leaving out what no output and no update needs.
 *
 * @example
 * ```ts
 * import { engineNamed, Graph, scale } from 'videomae/graph'
 *
 * const graph = new Graph('double')
 * const program = graph.build({ y: scale(graph.input('x', [2]), 2) })
 * const session = await (await engineNamed('reference')).open([program])
 * const { y } = await session.run('double', { x: Float32Array.of(1, 2) })
 * await session.close()
 * y // => Float32Array.of(2, 4)
 * ```
 */
export class Graph {
  readonly name: string
  private readonly tensors: Tensor[] = []
  private readonly recorded: RecordedNode[] = []
  private readonly inputNames = new Map<string, Tensor>()
  private readonly stateNames = new Map<string, Tensor>()
  private readonly constants = new Map<TensorId, ProgramConstant>()

  constructor(name: string) {
    this.name = name
  }

  get nodes(): readonly RecordedNode[] {
    return this.recorded
  }

  private create(spec: TensorSpec): Tensor {
    for (const size of spec.shape) {
      if (!Number.isInteger(size) || size < 1) {
        throw new VideoMaeError(`Expected sizes of at least 1, received ${formatSpec(spec)}.`, {
          code: 'SHAPE_MISMATCH',
        })
      }
    }
    const tensor = new Tensor(this, this.tensors.length, spec)
    this.tensors.push(tensor)
    return tensor
  }

  /**
   * A tensor fed at every run.
   *
   * @throws VideoMaeError `NAME_TAKEN`, `SHAPE_MISMATCH` for a size below 1
   */
  input(name: string, shape: readonly number[], dtype: DataType = 'float32'): Tensor {
    if (this.inputNames.has(name)) throw new VideoMaeError(`The input ${name} already exists.`, { code: 'NAME_TAKEN' })
    const tensor = this.create({ shape, dtype })
    this.inputNames.set(name, tensor)
    return tensor
  }

  /**
   * A float32 tensor that lives in the engine. Asked for twice with one shape, it is one tensor.
   *
   * @throws VideoMaeError `SHAPE_MISMATCH` for another shape than before, or a size below 1
   */
  state(name: string, shape: readonly number[]): Tensor {
    const existing = this.stateNames.get(name)
    if (existing !== undefined) {
      if (!sameShape(existing.shape, shape)) {
        throw new VideoMaeError(
          `The state ${name} has shape [${existing.shape.join(',')}], but was requested with shape [${shape.join(',')}].`,
          { code: 'SHAPE_MISMATCH' },
        )
      }
      return existing
    }
    const tensor = this.create({ shape, dtype: 'float32' })
    this.stateNames.set(name, tensor)
    return tensor
  }

  /**
   * A tensor whose values are part of the program.
   *
   * @throws VideoMaeError `SHAPE_MISMATCH` for another number of values, or a size below 1
   */
  constant(shape: readonly number[], data: Float32Array | Int32Array | Uint8Array): Tensor {
    if (elementCount(shape) !== data.length) {
      throw new VideoMaeError(`A constant of shape [${shape.join(',')}] received ${data.length} values.`, {
        code: 'SHAPE_MISMATCH',
      })
    }
    const dtype = data instanceof Float32Array ? 'float32' : data instanceof Int32Array ? 'int32' : 'uint8'
    const tensor = this.create({ shape, dtype })
    this.constants.set(tensor.id, { tensor: tensor.id, data })
    return tensor
  }

  /** Names and tensors of all states asked for so far. */
  states(): ReadonlyMap<string, Tensor> {
    return this.stateNames
  }

  /**
   * Records one operation. Operations' own functions call this; models call those.
   *
   * @throws VideoMaeError `GRAPH_MIXED` for an input of another graph, `SHAPE_MISMATCH` for inputs that the operation does not take
   */
  apply<A extends Attributes>(definition: Operation<A>, inputs: readonly Tensor[], attributes: A): readonly Tensor[] {
    for (const input of inputs) this.requireOwn(input, definition.name)
    const outputs = inferOutputs(definition, inputs, attributes).map((spec) => this.create(spec))
    this.recorded.push({ definition: definition as unknown as Operation, inputs, outputs, attributes })
    return outputs
  }

  /**
   * @param outputs tensors to return from each run, by name
   * @param updates state changes after each run, in this order
   * @throws VideoMaeError `GRAPH_MIXED`; for updates that do not fit `STATE_UNKNOWN`, `SHAPE_MISMATCH`, `NAME_TAKEN`
   */
  build(outputs: Readonly<Record<string, Tensor>>, updates: readonly Update[] = []): Program {
    for (const [name, tensor] of Object.entries(outputs)) this.requireOwn(tensor, `output ${name}`)
    checkUpdates(updates, {
      outputs: Object.keys(outputs),
      tensor: (id) => this.tensors[id],
      isInput: (id) => [...this.inputNames.values()].some((tensor) => tensor.id === id),
      state: (name) => this.requireState(name),
    })
    const needed = new Set<TensorId>(Object.values(outputs).map((tensor) => tensor.id))
    const updated = new Set<string>()
    for (const update of updates) collectNeeds(update, needed, updated)
    const kept: ProgramNode[] = []
    for (let i = this.recorded.length - 1; i >= 0; i--) {
      const node = this.recorded[i]
      if (!node.outputs.some((tensor) => needed.has(tensor.id))) continue
      for (const input of node.inputs) needed.add(input.id)
      kept.push({
        operation: node.definition.name,
        inputs: node.inputs.map((tensor) => tensor.id),
        outputs: node.outputs.map((tensor) => tensor.id),
        attributes: node.attributes,
      })
    }
    const named = (map: ReadonlyMap<string, Tensor>): NamedTensor[] =>
      [...map].filter(([, tensor]) => needed.has(tensor.id)).map(([name, tensor]) => ({ name, tensor: tensor.id }))
    const state = named(this.stateNames)
    const read = new Set(state.map(({ name }) => name))
    return {
      name: this.name,
      tensors: this.tensors.map(({ shape, dtype }) => ({ shape, dtype })),
      inputs: named(this.inputNames),
      state,
      updateState: [...updated]
        .filter((name) => !read.has(name))
        .map((name) => ({ name, shape: this.requireState(name).shape })),
      constants: [...this.constants.values()].filter(({ tensor }) => needed.has(tensor)),
      nodes: kept.reverse(),
      outputs: Object.entries(outputs).map(([name, tensor]) => ({ name, tensor: tensor.id })),
      updates,
    }
  }

  private requireOwn(tensor: Tensor, user: string): void {
    if (tensor.graph === this) return
    throw new VideoMaeError(`${user}: a tensor belongs to the graph ${tensor.graph.name}, not ${this.name}.`, {
      code: 'GRAPH_MIXED',
    })
  }

  private requireState(name: string): Tensor {
    const tensor = this.stateNames.get(name)
    if (tensor === undefined) {
      throw new VideoMaeError(`An update names the state ${name}, which the graph ${this.name} does not have.`, {
        code: 'STATE_UNKNOWN',
      })
    }
    return tensor
  }
}

/** The shape rule of an operation, behind the check that all other inputs are float32. Throws `SHAPE_MISMATCH`. */
function inferOutputs<A extends Attributes>(
  { name, infer, integerInputs = [] }: Operation<A>,
  inputs: readonly TensorSpec[],
  attributes: A,
): readonly TensorSpec[] {
  const ok = inputs.every(({ dtype }, i) => dtype === 'float32' || integerInputs.includes(i))
  expectShape(ok, name, 'float32 tensors', inputs)
  return infer(inputs, attributes)
}

function collectNeeds(update: Update, tensors: Set<TensorId>, states: Set<string>): void {
  switch (update.kind) {
    case 'adamw':
      for (const entry of update.entries) {
        if ('tensor' in entry.gradient) tensors.add(entry.gradient.tensor)
        else states.add(entry.gradient.state)
        states.add(entry.parameter).add(entry.firstMoment).add(entry.secondMoment)
      }
      tensors.add(update.learningRate).add(update.weightDecay).add(update.step)
      return
    case 'ema':
      for (const entry of update.entries) states.add(entry.ema).add(entry.source)
      tensors.add(update.decay)
      return
    case 'accumulate':
      for (const entry of update.entries) {
        states.add(entry.accumulator)
        tensors.add(entry.gradient)
      }
      tensors.add(update.weight)
      return
    case 'reduce':
      for (const gradient of update.gradients) {
        if ('tensor' in gradient) tensors.add(gradient.tensor)
        else states.add(gradient.state)
      }
      return
    case 'zero':
      for (const name of update.states) states.add(name)
  }
}
