import { RandomStream } from '../../src/core/random.ts'
import type { InputValue } from '../../src/engine/engine.ts'
import { Graph, type Tensor } from '../../src/graph/graph.ts'
import { elementCount, type Program } from '../../src/graph/program.ts'

/** How the numbers of a leaf are drawn. */
export interface Fill {
  /** Standard deviation; default 1. */
  readonly scale?: number
  readonly mean?: number
  /** Share of entries that are exactly zero; 1 makes the whole tensor zero. Default 0. */
  readonly zeros?: number
}

/** One random program around one operation, with everything a run needs. */
export interface OperationCase {
  /** Sizes, for messages. */
  readonly label: string
  readonly graph: Graph
  readonly outputs: Readonly<Record<string, Tensor>>
  /** Leaves that the operation has a gradient for. */
  readonly differentiable: readonly Tensor[]
  readonly program: Program
  readonly inputs: Readonly<Record<string, InputValue>>
  readonly state: ReadonlyMap<string, Float32Array>
  /**
   * Root mean square below which an output counts as rounding noise: errors are measured relative to the larger of
   * this and the output's own. Above the default where a formula cancels, so that float32 cannot do better.
   */
  readonly floor: number
}

/** Collects leaves with their values; float leaves are inputs or states, whichever the seed says. */
export class CaseBuilder {
  readonly graph: Graph
  readonly random: RandomStream
  private readonly inputs: Record<string, InputValue> = {}
  private readonly state = new Map<string, Float32Array>()

  constructor(operation: string, seed: number) {
    this.graph = new Graph(operation)
    this.random = new RandomStream(seed, operation)
  }

  float(name: string, shape: readonly number[], fill: Fill = {}): Tensor {
    const { scale = 1, mean = 0, zeros = 0 } = fill
    const values = Float32Array.from({ length: elementCount(shape) }, () =>
      this.random.uniform() < zeros ? 0 : this.random.normal(mean, scale),
    )
    return this.leaf(name, shape, values)
  }

  /** A float leaf with given values. */
  leaf(name: string, shape: readonly number[], values: Float32Array): Tensor {
    if (this.random.uniform() < 0.5) {
      this.inputs[name] = values
      return this.graph.input(name, shape)
    }
    this.state.set(name, values)
    return this.graph.state(name, shape)
  }

  /** int32 [rows, count] in [0, limit): without repetition in a row, ascending or shuffled, or with repetitions. */
  indices(name: string, rows: number, count: number, limit: number): Tensor {
    const values = new Int32Array(rows * count)
    const kind = count <= limit ? this.random.integer(3) : 2
    for (let row = 0; row < rows; row++) {
      const picked =
        kind === 2
          ? Int32Array.from({ length: count }, () => this.random.integer(limit))
          : Int32Array.from(this.random.permutation(limit).subarray(0, count))
      values.set(kind === 0 ? picked.sort() : picked, row * count)
    }
    this.inputs[name] = values
    return this.graph.input(name, [rows, count], 'int32')
  }

  /** uint8 values made by `draw(position)`. */
  bytes(name: string, shape: readonly number[], draw: (position: number) => number): Tensor {
    this.inputs[name] = Uint8Array.from({ length: elementCount(shape) }, (_, i) => draw(i))
    return this.graph.input(name, shape, 'uint8')
  }

  finish(outputs: Readonly<Record<string, Tensor>>, differentiable: readonly Tensor[], floor = 1e-6): OperationCase {
    const leaves = [...Object.keys(this.inputs), ...this.state.keys()]
    return {
      label: `${this.graph.name}(${leaves.join(', ')})`,
      graph: this.graph,
      outputs,
      differentiable,
      program: this.graph.build(outputs),
      inputs: this.inputs,
      state: this.state,
      floor,
    }
  }
}

/**
 * Norm of the difference relative to the norm of the expected values, or to that of a tensor of root mean square
 * `floor` where those are smaller. Infinite where lengths differ or a number is not finite.
 */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>, floor = 1e-6): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY
  let difference = 0
  let norm = 0
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2
    norm += expected[i] ** 2
  }
  const error = Math.sqrt(difference) / Math.max(Math.sqrt(norm), floor * Math.sqrt(expected.length))
  return Number.isFinite(error) ? error : Number.POSITIVE_INFINITY
}
